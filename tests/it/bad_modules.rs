//! Whatever is wrong with a module or its manifest, the version before goes on serving, and one clear line in the log
//! and an entry in the status say what it is.

mod components;
mod conflicts;
mod manifests;

use std::time::Duration;

use serde_json::Value;

use crate::harness::host::Host;
use crate::harness::logs::Event;
use crate::harness::tiny;
use crate::harness::wait::eventually;

/// The service that something bad is done to. Bad versions get a short time to start.
async fn good_host() -> Host {
    Host::builder()
        .module("service", &tiny::answering("good"))
        .module("bystander", &tiny::answering("bystander"))
        .config("[modules]\nstart_timeout_ms = 1500\n")
        .start()
        .await
}

/// What has to be in the one line about it.
struct Expected<'a> {
    what: &'a str,
    words: &'a [&'a str],
}

/// Does something bad to the module `service`, and checks that the host takes it well.
async fn is_refused(host: &Host, expected: Expected<'_>, harm: impl FnOnce(&Host)) {
    let Expected { what, words } = expected;
    let logs = host.logs.onward();
    let failures = host.metrics().await.sum("hostel_module_swaps_total", &[("result", "failed")]);
    harm(host);
    let is_about_it =
        |event: &Event| event.level() == "error" && event.contains("service") && !event.contains("bystander");
    let line = logs.wait_for(&format!("{what}: a line in the log"), Duration::from_secs(20), is_about_it).await;
    for word in words {
        assert!(line.contains(word), "{what}: `{word}` is not in {line:?}");
    }
    is_clear(what, &line);

    // The status says the same, and which version serves.
    let status = host.service_is("service", what, |service| has_failed(service) && serves(service)).await;
    let text = status.to_string();
    for word in words {
        assert!(text.contains(word), "{what}: `{word}` is not in {text}");
    }
    let now = host.metrics().await.sum("hostel_module_swaps_total", &[("result", "failed")]);
    assert_eq!(now, failures + 1.0, "{what}: failed swaps are counted");

    for (path, text) in [("/service/", "good"), ("/bystander/", "bystander")] {
        let reply = host.get(path).await;
        assert_eq!((reply.status, &*reply.text()), (200, text), "{what}");
    }
    let lines = logs.matching(is_about_it);
    assert_eq!(lines.len(), 1, "{what}: {lines:#?}");
}

/// One line that a person can read.
fn is_clear(what: &str, line: &Event) {
    let text = line.0.to_string();
    assert!(text.len() < 600, "{what}: {} bytes: {line:?}", text.len());
    for word in ["\\n", "backtrace", "panicked", ".cargo", "wasmtime::"] {
        assert!(!text.contains(word), "{what}: `{word}` in {line:?}");
    }
}

/// Puts things right, so that the next harm is news.
async fn is_well_again(host: &Host) {
    let _ = std::fs::remove_file(host.modules().join("service.toml"));
    host.install("service", &tiny::answering("good"));
    host.service_is("service", "serves its own file", |service| !has_failed(service) && serves(service)).await;
}

fn has_failed(service: &Value) -> bool {
    service["state"] == "failed" && service["error"].as_str().is_some_and(|error| !error.is_empty())
}

fn serves(service: &Value) -> bool {
    service["version"].is_string()
}

/// Bad from the start: there is nothing to go on serving, and the host is there all the same.
#[tokio::test]
async fn a_bad_module_without_a_good_one_before_is_not_there() {
    let host = Host::builder()
        .module("service", &tiny::bad("start-trap"))
        .module("bystander", &tiny::answering("bystander"))
        .start()
        .await;
    host.get("/service/").await.expect_problem(404, "not-found");
    let service = host.service("service").await.expect("an entry");
    assert!(has_failed(&service) && !serves(&service), "{service}");
    assert_eq!(host.get("/bystander/").await.expect(200).text(), "bystander");
    host.admin_get("/readyz").await.expect(200);
    // And what becomes good serves.
    host.install("service", &tiny::answering("good"));
    host.answers("/service/", 200, "good").await;
}

/// Loaded, because nothing shows before they are called. Then each call ends in an error, and nobody else's does.
#[tokio::test]
async fn components_that_lie_harm_only_themselves() {
    let mut builder = Host::builder().module("bystander", &tiny::answering("bystander"));
    for name in LIARS {
        builder = builder.module(name, &tiny::bad(name));
        builder = builder.manifest(name, "[limits]\ncpu_ms = 300\n");
    }
    let host = builder.start().await;
    for name in LIARS {
        eventually(&format!("{name} is refused or answers with an error"), Duration::from_secs(10), async || {
            for _ in 0..3 {
                let reply = host.post(&format!("/{name}/"), "a body").await;
                if reply.status != 404 {
                    reply.expect_problem(502, "service-failed");
                }
            }
            Ok(())
        })
        .await;
        assert_eq!(host.get("/bystander/").await.expect(200).text(), "bystander", "{name}");
    }
}

const LIARS: [&str; 4] = ["lies-case-lean", "lies-length-lean", "lies-realloc-lean", "spin-realloc-lean"];

/// The two with nothing wrong, so that the others are known to fail for their one reason.
#[tokio::test]
async fn the_controls_load() {
    let host = Host::builder()
        .module("control", &tiny::bad("control"))
        .module("control-lean", &tiny::bad("control-lean"))
        .start()
        .await;
    assert_eq!(host.get("/control-lean/").await.expect(200).text(), "ok");
    host.get("/control/").await.expect_problem(502, "service-failed");
}

/// Every file in the folder is in one of the lists of this topic.
#[test]
fn every_bad_component_is_tried() {
    let controls = ["control", "control-lean"];
    let mut tried: Vec<&str> = components::REFUSED.iter().map(|(name, _)| *name).collect();
    tried.extend(LIARS);
    tried.extend(controls);
    tried.sort_unstable();
    let mut there: Vec<String> = std::fs::read_dir(tiny::bad_folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wat"))
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    there.sort_unstable();
    assert_eq!(there, tried);
}
