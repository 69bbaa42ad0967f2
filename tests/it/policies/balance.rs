//! The quicker one gets the calls, and a new one gets its share bit by bit.

use super::{called_is, calls, cluster, echo, endpoint, plan};
use crate::harness::host::Host;
use crate::harness::tiny::answering;

#[tokio::test]
async fn the_slow_one_gets_few() {
    let cluster = cluster([("front", Host::builder()), ("slow", echo("")), ("quick", echo(""))], "/echo/hello/x").await;
    let (front, slow) = (cluster.host("front"), cluster.host("slow"));
    plan(slow, "x", "1000000 sleep:500").await;
    for _ in 0..60 {
        front.get("/echo/fault/x").await.expect(200);
    }
    let (few, most) = (calls(slow, "x").await, calls(cluster.host("quick"), "x").await);
    assert!(few < 15, "{few} and {most}");
    assert_eq!(few + most, 60);
    // Who has been asked at all has been measured.
    if few > 0 {
        let slow = endpoint(front, "echo", Some("slow")).await;
        let quick = endpoint(front, "echo", Some("quick")).await;
        let latency = |endpoint: &serde_json::Value| endpoint["latency_ms"].as_f64().expect("it is known");
        assert!(latency(&slow) > latency(&quick), "{slow} {quick}");
        let seconds = |node| [("service", "echo"), ("node", node)];
        let metrics = front.metrics().await;
        let [slow, quick] =
            ["slow", "quick"].map(|node| metrics.sum("hostel_endpoint_latency_seconds", &seconds(node)));
        assert!(slow > quick, "{slow} {quick}");
    }
}

/// Who fails quickly is not quick.
#[tokio::test]
async fn failing_quickly_attracts_nobody() {
    let policy = "[policy]\nbreaker.enabled = false\noutlier.enabled = false\nretry.retries_max = 0\n\
                  balance.latency_us_min = 10000000\n";
    let nodes = [("front", Host::builder()), ("bad", echo(policy)), ("good", echo(policy))];
    let cluster = cluster(nodes, "/echo/hello/x").await;
    let (front, bad) = (cluster.host("front"), cluster.host("bad"));
    plan(bad, "x", "1000000 503").await;
    for _ in 0..60 {
        front.get("/echo/fault/x").await;
    }
    let (failed, good) = (calls(bad, "x").await, calls(cluster.host("good"), "x").await);
    assert!(failed < 20 && failed + good == 60, "{failed} and {good}");
}

/// How many of a hundred calls a node gets that has just come.
async fn share_of_a_new_one(slow_start: &str) -> usize {
    // With this all are equally quick.
    let policy = format!("[policy]\nbalance = {{ latency_us_min = 10000000, {slow_start} }}\n");
    let node = |name: &str| Host::builder().module("api", &answering(name)).manifest("api", &policy);
    // That the old one is old is known as soon as it has been called.
    let mut cluster = cluster([("front", Host::builder()), ("old", node("old"))], "/api/").await;
    cluster.add("new", node("new")).await;
    let front = cluster.host("front");
    called_is(front, "api", "there are two", |api| api["endpoints"].as_array().is_some_and(|all| all.len() == 2)).await;
    let mut share = 0;
    for _ in 0..100 {
        share += usize::from(front.get("/api/").await.expect(200).text() == "new");
    }
    share
}

#[tokio::test]
async fn a_new_one_gets_its_share_bit_by_bit() {
    let share = share_of_a_new_one("slow_start_ms = 3600000, slow_start_percent = 1").await;
    assert!(share < 15, "{share}");
    let share = share_of_a_new_one("slow_start_ms = 0").await;
    assert!(share > 25, "{share}");
}
