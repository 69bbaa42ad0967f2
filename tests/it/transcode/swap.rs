//! Rules that come, change and go with their modules.

use serde_json::Value;

use crate::harness::guests::LIBRARY;
use crate::harness::host::Host;
use crate::harness::http::Client;
use crate::harness::wait::{LONG, eventually};

/// The guest with another rule: what was `/v1/big/{bytes}` is somewhere else, whose path has to be as long.
fn with_rule(path: &str) -> Vec<u8> {
    const RULE: &[u8] = b"/v1/big/{bytes}";
    assert_eq!(path.len(), RULE.len());
    let mut wasm = LIBRARY.bytes();
    let found: Vec<usize> = (0..wasm.len() - RULE.len()).filter(|at| wasm[*at..].starts_with(RULE)).collect();
    assert!(!found.is_empty(), "the rule is in the guest");
    for at in found {
        wasm[at..][..RULE.len()].copy_from_slice(path.as_bytes());
    }
    wasm
}

#[tokio::test]
async fn a_new_version_brings_its_rules() {
    let host = Host::with(&[&LIBRARY]).await;
    host.get("/v1/big/3").await.expect(200);
    host.get("/v2/huge/3").await.expect(404);
    host.install("library", &with_rule("/v2/huge{bytes}"));
    // That is no template: the rule is left out, and the log says so. The rest goes on.
    let event = host.logs("the log names the rule", |event| event.contains("/v2/huge{bytes}")).await;
    assert!(event.level() == "warn" && event.contains("library.v1.Library/Inflate"), "{event:?}");
    host.install("library", &with_rule("/v2/xxl/{bytes}"));
    host.answers("/v2/xxl/3", 200, "xxx").await;
    host.get("/v1/big/3").await.expect_problem(404, "not-found");
    host.get("/library/v1/big/3").await.expect(404);
    host.get("/library/v2/xxl/3").await.expect(200);
    host.get("/v1/shelves/1").await.expect(200);
    host.remove("library");
    host.answers("/v2/xxl/3", 404, "").await;
    host.get("/v1/shelves/1").await.expect_problem(404, "not-found");
}

/// Requests that come by rules while versions change find one or the other.
#[tokio::test]
async fn no_request_is_lost_between_versions() {
    let host = Host::with(&[&LIBRARY]).await;
    let (client, url) = (Client::h2(host.edge), host.url("/v1/shelves/1"));
    let asking = tokio::spawn(async move {
        loop {
            client.get(&url).await.expect(200);
        }
    });
    for path in ["/v2/xxl/{bytes}", "/v3/xxl/{bytes}"] {
        host.install("library", &with_rule(path));
        host.answers(&path.replace("{bytes}", "3"), 200, "xxx").await;
    }
    assert!(!asking.is_finished(), "{:?}", asking.await);
    asking.abort();
}

#[tokio::test]
async fn of_two_modules_with_a_rule_one_has_it_and_the_other_is_told() {
    let host = Host::builder().guest(&LIBRARY).guest_as("zoo", &LIBRARY).start().await;
    let event = host.logs("the log names the rule", |event| {
        event.contains("/v1/{name=shelves/*}") && event.contains("zoo") && event.contains("library")
    });
    assert_eq!(event.await.level(), "warn");
    // Both have it behind their own prefix.
    for path in ["/v1/shelves/1", "/library/v1/shelves/1", "/zoo/v1/shelves/1"] {
        assert_eq!(host.get(path).await.expect(200).json::<Value>()["theme"], "theme 1", "{path}");
    }
    let served = async |service: &str| host.metrics().await.sum("hostel_calls_total", &[("service", service)]);
    assert_eq!((served("library").await, served("zoo").await), (2.0, 1.0));
    // Who is left takes over.
    host.remove("library");
    eventually("the other one has the rule", LONG, async || {
        let reply = host.get("/v1/shelves/1").await;
        let zoo = served("zoo").await;
        (reply.status == 200 && zoo >= 2.0).then_some(()).ok_or_else(|| format!("{zoo} calls: {reply}"))
    })
    .await;
}
