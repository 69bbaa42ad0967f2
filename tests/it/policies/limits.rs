//! How many calls may be under way, and those that would be late anyway.

use std::time::Duration;

use futures::future::join_all;
use tonic::Code;

use super::{called, cluster, echo, refused, start, under_way, with_front};
use crate::harness::grpc::{ask, ask_within};
use crate::harness::host::Host;

#[tokio::test]
async fn to_a_service() {
    let host = with_front(echo("[policy]\nlimits.calls_max = 2\n")).start().await;
    // Whoever calls: from outside, and from a service.
    let sleeping = [start(&host, "/echo/sleep/4000"), start(&host, "/front/call/echo/sleep/4000")];
    under_way(&host, "echo", 2).await;
    host.get("/echo/hello/x").await.expect_problem(503, "unavailable");
    assert_eq!(host.get("/front/call/echo/hello/x").await.status, 503);
    assert_eq!(refused(&host, "echo", "saturated").await, 2.0);
    assert_eq!(called(&host, "echo").await["saturated"], 2);
    for sleeping in sleeping {
        sleeping.await.unwrap().expect(200);
    }
    under_way(&host, "echo", 0).await;
    host.get("/echo/hello/x").await.expect(200);
}

#[tokio::test]
async fn to_one_endpoint() {
    let policy = "[policy]\nlimits.endpoint_calls_max = 1\n";
    let nodes = [("front", Host::builder()), ("one", echo(policy)), ("two", echo(policy))];
    let cluster = cluster(nodes, "/echo/hello/x").await;
    let front = cluster.host("front");
    let first = start(front, "/echo/sleep/5000");
    under_way(front, "echo", 1).await;
    let second = start(front, "/echo/sleep/5000");
    under_way(front, "echo", 2).await;
    for node in ["one", "two"] {
        cluster.host(node).in_flight("echo", 1).await;
    }
    front.get("/echo/hello/x").await.expect_problem(503, "unavailable");
    assert_eq!(refused(front, "echo", "saturated").await, 1.0);
    // Each host counts what it sends itself.
    cluster.host("one").get("/echo/hello/x").await.expect(200);
    for sleeping in [first, second] {
        sleeping.await.unwrap().expect(200);
    }
}

/// It has taken a second each time, so there is no use in waiting for a tenth of it.
#[tokio::test]
async fn who_would_be_late_is_told_at_once() {
    let host = echo("[policy]\nshed.in_flight_min = 1\n").start().await;
    for sleep in join_all((0..16).map(|_| host.get("/echo/sleep/1000"))).await {
        sleep.expect(200);
    }
    let mut client = host.grpc("echo");
    let hasty = || ask_within(Duration::from_millis(100), ask("x", 0, 0));
    client.unary(hasty()).await.expect("with nothing under way, somebody tries");
    let sleeping = start(&host, "/echo/sleep/4000");
    under_way(&host, "echo", 1).await;
    let status = client.unary(hasty()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert_eq!(refused(&host, "echo", "shed").await, 1.0);
    assert_eq!(called(&host, "echo").await["shed"], 1);
    host.get("/echo/hello/x").await.expect(200);
    sleeping.await.unwrap().expect(200);
}
