//! What is known of a version is known of that version, and what is gone has no endpoints.

use serde_json::Value;

use super::{called, called_is, cluster, echo, endpoint, endpoints};
use crate::harness::host::Host;
use crate::harness::tiny::answering;

const NEVER_CLOSES: &str = "[policy]\nretry.retries_max = 0\nbreaker = { failures = 3, open_ms = 3600000 }\n";

/// A new version does not pay for the failures of the one before.
#[tokio::test]
async fn a_new_version_begins_with_a_closed_breaker() {
    let host = echo(NEVER_CLOSES).start().await;
    for _ in 0..3 {
        host.get("/echo/status/503").await.expect(503);
    }
    host.get("/echo/hello/x").await.expect_problem(503, "unavailable");
    host.install_manifest("echo", &format!("version = '2'\n{NEVER_CLOSES}"));
    host.answers("/echo/hello/x", 200, "hello x").await;
    let echo = endpoint(&host, "echo", None).await;
    assert_eq!((&echo["breaker"], &echo["breaker_opens"]), (&"closed".into(), &1.into()), "{echo}");
}

/// Nor does one on another node.
#[tokio::test]
async fn nor_elsewhere() {
    let nodes = [("front", Host::builder()), ("back", echo(NEVER_CLOSES))];
    let cluster = cluster(nodes, "/echo/hello/x").await;
    let (front, back) = (cluster.host("front"), cluster.host("back"));
    for _ in 0..3 {
        front.get("/echo/status/503").await.expect(503);
    }
    front.get("/echo/hello/x").await.expect_problem(503, "unavailable");
    assert_eq!(endpoint(front, "echo", Some("back")).await["breaker"], "open");
    back.install_manifest("echo", &format!("version = '2'\n{NEVER_CLOSES}"));
    front.answers("/echo/hello/x", 200, "hello x").await;
    assert_eq!(endpoint(front, "echo", Some("back")).await["breaker"], "closed");
}

/// New settings hold for the endpoints that are there.
#[tokio::test]
async fn a_new_policy_holds_at_once() {
    let host = echo("").start().await;
    host.get("/echo/hello/x").await.expect(200);
    assert_eq!(called(&host, "echo").await["policy"]["breaker"]["failures"], 5);
    host.install_manifest("echo", "[policy]\nretry.retries_max = 0\nbreaker = { failures = 1, open_ms = 3600000 }\n");
    called_is(&host, "echo", "the new policy", |echo| echo["policy"]["breaker"]["failures"] == 1).await;
    host.get("/echo/status/503").await.expect(503);
    host.get("/echo/hello/x").await.expect_problem(503, "unavailable");
}

#[tokio::test]
async fn what_is_gone_has_no_endpoints() {
    let host = Host::builder().module("api", &answering("first")).start().await;
    host.get("/api/").await.expect(200);
    assert_eq!(endpoints(&host, "api", "healthy").await, 1.0);
    host.remove("api");
    host.answers("/api/", 404, "").await;
    called_is(&host, "api", "nothing", Value::is_null).await;
    assert_eq!(endpoints(&host, "api", "healthy").await, 0.0);
    host.install("api", &answering("second"));
    host.answers("/api/", 200, "second").await;
    assert_eq!(endpoints(&host, "api", "healthy").await, 1.0);
}
