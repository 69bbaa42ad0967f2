//! Modules that get into each other's way, and probes that fail.

use serde_json::Value;

use super::{Expected, good_host, is_refused, is_well_again};
use crate::harness::guests::HOSTILE;
use crate::harness::host::Host;
use crate::harness::tiny;

#[tokio::test]
async fn a_service_that_is_there_already() {
    let host = good_host().await;
    let expected = Expected { what: "the name of another", words: &["service.wasm", "bystander"] };
    // The harness leaves out lines about the bystander; this one has to name it.
    let _ = expected;
    let logs = host.logs.onward();
    host.install("copy", &tiny::answering("copy"));
    host.answers("/copy/", 200, "copy").await;
    host.install_manifest("copy", "name = 'service'\n");
    let line = logs.wait_for("a line", std::time::Duration::from_secs(20), |event| event.level() == "error").await;
    for word in ["copy.wasm", "service"] {
        assert!(line.contains(word), "{line:?}");
    }
    // Both go on as they were.
    host.answers("/service/", 200, "good").await;
    host.answers("/copy/", 200, "copy").await;
    // When the one in the way goes, the other gets its chance without being touched.
    host.remove("service");
    host.answers("/service/", 200, "copy").await;
}

#[tokio::test]
async fn a_route_that_is_there_already() {
    let host = Host::builder()
        .module("first", &tiny::answering("first"))
        .manifest("first", "[[route]]\npath = '/shared/{id}'\n")
        .module("second", &tiny::answering("second"))
        .start()
        .await;
    let logs = host.logs.onward();
    // The same path with another name for its parameter.
    host.install_manifest("second", "[[route]]\npath = '/shared/{name}'\n");
    let line = logs.wait_for("a line", std::time::Duration::from_secs(20), |event| event.level() == "error").await;
    for word in ["second.wasm", "/shared/", "first"] {
        assert!(line.contains(word), "{line:?}");
    }
    assert_eq!(host.get("/shared/1").await.expect(200).text(), "first");
    assert_eq!(host.get("/second/").await.expect(200).text(), "second");
    // With other methods it is another route.
    host.install_manifest("second", "[[route]]\npath = '/other/{name}'\n");
    host.answers("/other/1", 200, "second").await;
}

#[tokio::test]
async fn probes_that_fail() {
    let host = Host::builder()
        .guest_as("service", &HOSTILE)
        .manifest("service", "version = 'old'\n[health]\npath = '/ok'\n")
        .config("[modules]\nstart_timeout_ms = 1500\n")
        .start()
        .await;
    for (path, words) in [
        ("/no/such/route", &["/no/such/route", "404"][..]),
        ("/bad-status/503", &["/bad-status/503", "503"]),
        ("/trap", &["/trap", "fail"]),
        ("/never", &["/never", "1500 ms"]),
        ("/spin", &["/spin"]),
    ] {
        let logs = host.logs.onward();
        let manifest = format!("version = 'new'\n[limits]\ncpu_ms = 20000\n[health]\npath = '{path}'\n");
        host.install_manifest("service", &manifest);
        let line = logs
            .wait_for(path, std::time::Duration::from_secs(20), |event| {
                event.level() == "error" && event.contains("service.wasm")
            })
            .await;
        for word in words {
            assert!(line.contains(word), "{path}: {line:?}");
        }
        let status = host
            .service_is("service", path, |service| {
                service["state"] == "failed" && service["error"].as_str().is_some_and(|error| error.contains(path))
            })
            .await;
        assert_eq!(status["version"], "old", "{status}");
        host.answers("/service/ok", 200, "ok").await;
    }
}

/// All kinds in a row without putting anything right in between: what serves is still the last good one.
#[tokio::test]
async fn one_bad_thing_after_the_other() {
    let host = good_host().await;
    for (what, harm) in
        [("truncated", &b"\0asm\x0d\0\x01\0"[..]), ("empty", b""), ("a text", b"text"), ("empty again", b"")]
    {
        let logs = host.logs.onward();
        host.install("service", harm);
        logs.wait_for(what, std::time::Duration::from_secs(20), |event| event.level() == "error").await;
        assert_eq!(host.get("/service/").await.expect(200).text(), "good", "{what}");
    }
    is_well_again(&host).await;
    let status: Value = host.service("service").await.unwrap();
    assert_eq!(status["error"], Value::Null, "{status}");
    let expected = Expected { what: "bad again", words: &["empty"] };
    is_refused(&host, expected, |host| host.install("service", b"")).await;
}
