//! What an operator does on purpose loses no request, be it idempotent or not: the node says that it drains and goes, takes
//! calls until the others know it, finishes what it has, and only then stops. It is not ready from the start of that, so a
//! balancer has some two seconds (`drain_spread_ms`, `leave_spread_ms`) to notice before the edge stops to listen.

use std::time::Duration;

use crate::failure::{MIXED, NAMES, node, nodes, served};
use crate::harness::alone::alone;
use crate::harness::steady::Steady;

/// Before something happens, and after it.
const A_WHILE: Duration = Duration::from_secs(2);

/// One node leaves. The others have its share of the calls, and do not know it any more.
#[tokio::test]
async fn leaving_loses_nothing() {
    let _alone = alone();
    let (mut cluster, balancer) = nodes(&NAMES).await;
    let load = Steady::start(&balancer, MIXED);
    load.goes_on(A_WHILE).await;
    let status = cluster.stop("three").await;
    assert!(status.success(), "{status}");
    // Nobody has to find out: they were told before it ended.
    for (viewer, host) in cluster.running() {
        assert_eq!(host.member("three").await["state"], "down", "as {viewer} sees it");
    }
    load.goes_on(A_WHILE).await;
    load.stop().await.expect_nothing_lost();
}

/// One node is started again, and serves as before.
#[tokio::test]
async fn a_restart_loses_nothing() {
    let _alone = alone();
    let (mut cluster, balancer) = nodes(&NAMES).await;
    let load = Steady::start(&balancer, MIXED);
    load.goes_on(A_WHILE).await;
    cluster.stop("four").await;
    cluster.start_again("four").await;
    balancer.add("four", cluster.host("four"));
    cluster.settled().await;
    load.goes_on(A_WHILE).await;
    load.stop().await.expect_nothing_lost();
    assert!(served(&cluster, "four", "echo").await > 0.0);
}

/// All nodes are started again, one after the other. Nobody waits for anything but that the node is ready again: those that
/// serve the same are never away at once, as leaving takes longer than it takes to hear of a node that has come.
#[tokio::test]
async fn a_rolling_restart_of_all_nodes_loses_nothing() {
    let _alone = alone();
    let (mut cluster, balancer) = nodes(&NAMES).await;
    let load = Steady::start(&balancer, MIXED);
    load.goes_on(A_WHILE).await;
    for name in NAMES {
        let status = cluster.stop(name).await;
        assert!(status.success(), "{name}: {status}");
        cluster.start_again(name).await;
        balancer.add(name, cluster.host(name));
    }
    cluster.settled().await;
    load.goes_on(A_WHILE).await;
    load.stop().await.expect_nothing_lost();
}

/// Two more nodes come, and get a share of the calls.
#[tokio::test]
async fn scaling_out_loses_nothing() {
    let _alone = alone();
    let (mut cluster, balancer) = nodes(&["one", "two", "three"]).await;
    let load = Steady::start(&balancer, MIXED);
    load.goes_on(A_WHILE).await;
    for name in ["four", "five"] {
        cluster.add(name, node(name)).await;
        balancer.add(name, cluster.host(name));
    }
    cluster.settled().await;
    load.goes_on(A_WHILE * 2).await;
    load.stop().await.expect_nothing_lost();
    for name in ["four", "five"] {
        assert!(served(&cluster, name, "echo").await > 0.0, "{name} has served nothing");
    }
}
