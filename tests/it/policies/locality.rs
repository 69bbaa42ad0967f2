//! Who is near is asked first, and others when that one has no room or is not there.

use super::{cluster, echo, endpoint, start, under_way};
use crate::harness::builder::Builder;
use crate::harness::host::Host;
use crate::harness::tiny::answering;

fn api(name: &str, zone: &str) -> Builder {
    let wasm = answering(name);
    let anywhere = "[policy]\nlocality.zone_first = false\nbalance.latency_us_min = 10000000\n";
    let builder = Host::builder().arguments(&["--zone", zone]);
    builder.module("api", &wasm).module("anywhere", &wasm).manifest("anywhere", anywhere)
}

#[tokio::test]
async fn the_own_zone_comes_first() {
    let front = Host::builder().arguments(&["--zone", "a"]);
    let nodes = [("front", front), ("near", api("near", "a")), ("far", api("far", "b"))];
    let cluster = cluster(nodes, "/api/").await;
    let front = cluster.host("front");
    front.answers("/anywhere/", 200, "").await;
    let mut far = 0;
    for _ in 0..30 {
        assert_eq!(front.get("/api/").await.expect(200).text(), "near");
        far += usize::from(front.get("/anywhere/").await.expect(200).text() == "far");
    }
    assert!(far > 0, "it was told that zones do not matter");
    for (node, locality) in [("near", "zone"), ("far", "elsewhere")] {
        assert_eq!(endpoint(front, "api", Some(node)).await["locality"], locality);
    }
    // It is not there any more.
    cluster.host("near").remove("api");
    front.answers("/api/", 200, "far").await;
    cluster.host("near").answers("/api/", 200, "far").await;
}

/// When the one on this host has all the calls it may have, the next one goes to the zone, and then further.
#[tokio::test]
async fn who_is_full_is_passed_over() {
    let policy = "[policy]\nlimits.endpoint_calls_max = 1\n";
    let node = |zone: &str| echo(policy).arguments(&["--zone", zone]);
    let nodes = [("own", node("a")), ("far", node("b")), ("near", node("a"))];
    let cluster = cluster(nodes, "/echo/hello/x").await;
    let own = cluster.host("own");
    let mut sleeping = Vec::new();
    for (number, node) in (1..).zip(["own", "near", "far"]) {
        sleeping.push(start(own, "/echo/sleep/6000"));
        under_way(own, "echo", number).await;
        cluster.host(node).in_flight("echo", 1).await;
        // What goes elsewhere has no place here: the version that is here could not end before it.
        assert_eq!(own.service("echo").await.unwrap()["in_flight"], 1, "with one at {node}");
    }
    own.get("/echo/hello/x").await.expect_problem(503, "unavailable");
    for sleeping in sleeping {
        sleeping.await.unwrap().expect(200);
    }
    own.get("/echo/hello/x").await.expect(200);
}
