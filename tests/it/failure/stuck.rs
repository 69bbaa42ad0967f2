//! Nodes that are neither well nor dead.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::failure::{MIXED, NAMES, OUT_WITHIN, forgiving, nodes, served, serves_again};
use crate::harness::alone::alone;
use crate::harness::cluster::Cluster;
use crate::harness::host::Host;
use crate::harness::steady::{Balancer, Steady};
use crate::harness::wait::eventually;

const STUCK: &str = "four";

/// Nobody who asks for an answer should have to ask somebody who does not answer.
fn but_the_stuck(cluster: &Cluster) -> Balancer {
    let balancer = Balancer::default();
    for name in NAMES.into_iter().filter(|name| *name != STUCK) {
        balancer.add(name, cluster.host(name));
    }
    balancer
}

/// Frozen for as long as it takes to be declared dead, and longer. Nothing breaks by itself: a link that has been silent for
/// one second (`keepalive_interval_ms`) is asked for a sign of life, and given up two seconds later
/// (`keepalive_timeout_ms`). So
/// - an idempotent call that was sent to it is answered by another node, after some three seconds, and never lost;
/// - one that is not fails after some three seconds, and not at the end of its ten;
/// - nothing that was begun later is lost: no link to it can be made;
/// - it is out of everyone's membership within eight seconds;
/// - when it goes on, it finds out, comes back, and serves.
#[tokio::test]
async fn a_frozen_node_costs_time_and_comes_back() {
    /// When a link is given up, at the latest: three seconds, and the time to notice.
    const GIVEN_UP: Duration = Duration::from_secs(5);
    let _alone = alone();
    let mut cluster = Cluster::start(NAMES.map(|name| (name, forgiving(name)))).await;
    let load = Steady::start(&but_the_stuck(&cluster), MIXED);
    load.goes_on(Duration::from_secs(2)).await;
    cluster.freeze(STUCK);
    let frozen = Instant::now();
    eventually("it is out of everyone's membership", OUT_WITHIN, async || {
        for (viewer, host) in cluster.running() {
            let member = host.member(STUCK).await;
            if member["state"] != "down" {
                return Err(format!("{viewer} says {member}"));
            }
        }
        Ok(())
    })
    .await;
    let out = frozen.elapsed();
    load.goes_on(Duration::from_secs(2)).await;
    let before = cluster.host("one").member(STUCK).await["id"].clone();
    cluster.thaw(STUCK);
    cluster.settled().await;
    assert_eq!(cluster.host("one").member(STUCK).await["id"], before, "it is another node");
    let again = serves_again(&cluster, STUCK, "echo").await;
    let outcome = load.stop().await;
    eprintln!("out of membership after {out:?}, serves {again:?} after it is back");
    assert_eq!(outcome.lost("GET").len(), 0, "{:?}", outcome.lost);
    for lost in outcome.lost("POST") {
        assert!(lost.begun < frozen + GIVEN_UP && lost.begun + lost.took > frozen, "it should not be lost: {lost:?}");
        assert!(lost.took < GIVEN_UP, "that took long: {lost:?}");
    }
}

/// Nobody else has what it serves. A call that it has is given up with the link, after some three seconds; from then on the node
/// counts as out of reach until it is heard from, so nobody waits for a connection that its system takes and it does not. Before,
/// each call took two seconds more (`connect_timeout_ms`), and a retried one six in all.
#[tokio::test]
async fn a_frozen_node_that_nobody_can_replace_costs_no_more_time_than_its_link() {
    const GIVEN_UP: Duration = Duration::from_millis(4_500);
    let _alone = alone();
    // The breaker opens too, as calls that reach nobody are failures; it should not stay open for half a minute.
    let mut cluster = Cluster::start([("edge", Host::builder()), (STUCK, forgiving(STUCK))]).await;
    cluster.host("edge").get("/echo/hello/x").await.expect(200);
    cluster.freeze(STUCK);
    for again in [false, true] {
        let begun = Instant::now();
        let reply = cluster.host("edge").get("/echo/hello/x").await.expect(503);
        let took = begun.elapsed();
        eprintln!("a call to it took {took:?}, and is answered {}", reply.status);
        let limit = if again { Duration::from_secs(1) } else { GIVEN_UP };
        assert!(took < limit, "{took:?}: {reply}");
    }
    cluster.thaw(STUCK);
    cluster.host("edge").answers("/echo/hello/x", 200, "hello x").await;
}

/// A node that gets a fifth of the time that it needs, in pieces: it runs for 40 ms, and stands still for 160 ms. All it does
/// takes longer, and none of it fails. So
/// - nothing is lost, idempotent or not;
/// - it stays a member to everyone, as it always objects in time;
/// - it gets less than the others: those that answer sooner are chosen, of any two.
#[tokio::test]
async fn a_slow_node_gets_less_and_loses_nothing() {
    let _alone = alone();
    let (mut cluster, _) = nodes(&NAMES).await;
    let load = Steady::start(&but_the_stuck(&cluster), MIXED);
    load.goes_on(Duration::from_secs(1)).await;
    let mut before = Vec::new();
    for name in ["three", STUCK, "five"] {
        before.push(served(&cluster, name, "echo").await);
    }
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end {
        cluster.freeze(STUCK);
        sleep(Duration::from_millis(160)).await;
        cluster.thaw(STUCK);
        sleep(Duration::from_millis(40)).await;
        let member = cluster.host("one").member(STUCK).await;
        assert_ne!(member["state"], "down", "{member}");
    }
    let mut calls = Vec::new();
    for (name, before) in ["three", STUCK, "five"].into_iter().zip(before) {
        calls.push(served(&cluster, name, "echo").await - before);
    }
    load.stop().await.expect_nothing_lost();
    cluster.settled().await;
    // A share of its own would be a third of what comes by the edges of others; it has no clients of its own.
    let [three, slow, five] = calls[..] else { panic!("three nodes serve") };
    eprintln!("calls: {three} and {five}, and {slow} at the slow node");
    assert!(slow > 0.0, "it gets nothing at all");
    assert!(slow < three.min(five) / 2.0, "{three} and {five}, and {slow} at the slow node");
}
