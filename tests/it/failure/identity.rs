//! Who is who: a node is what started at some time under some name with the key of some cluster, and not an address.

use std::time::Duration;

use crate::failure::{MIXED, NAMES, node, nodes};
use crate::harness::alone::alone;
use crate::harness::cluster::Cluster;
use crate::harness::host::Host;
use crate::harness::steady::{Balancer, Steady};
use crate::harness::tiny::answering;
use crate::harness::wait::{eventually, throughout};

/// Another node starts at the address of one that was killed a moment ago, with another name and another service, while the
/// others still take the old one for alive: it takes them five seconds to declare a node dead, and the new one is there
/// sooner. So
/// - no call that is meant for the old one is taken by the new one: a link is for one start of one node;
/// - nothing idempotent is lost;
/// - what the old one served is gone for all as soon as they hear of the new one, and does not come back: two nodes cannot
///   have one address;
/// - the new one's services are there.
#[tokio::test]
async fn another_node_at_an_old_address() {
    let _alone = alone();
    let (mut cluster, _) = nodes(&NAMES).await;
    let balancer = Balancer::default();
    for name in NAMES.into_iter().filter(|name| *name != "five") {
        balancer.add(name, cluster.host(name));
    }
    let load = Steady::start(&balancer, MIXED);
    load.goes_on(Duration::from_secs(1)).await;
    let old = cluster.host("one").member("five").await;
    cluster.kill("five");
    cluster.add_in_place_of("five", "six", Host::builder().module("new", &answering("new"))).await;
    let new = cluster.host("six").cluster().await["node"]["id"].clone();
    assert_ne!(old["id"], new);
    cluster.settled().await;
    for (viewer, host) in cluster.running() {
        assert_eq!(host.get("/new/").await.expect(200).text(), "new", "at the edge of {viewer}");
    }
    let watched = throughout("the old one stays away", Duration::from_secs(3), async || {
        for (viewer, host) in cluster.running() {
            let report = host.cluster().await;
            let members = report["members"].as_array().expect("members");
            let old = members.iter().find(|member| member["id"] == old["id"]);
            let is_back = |old: &&serde_json::Value| {
                old["state"] != "down" || old["services"].as_array().is_some_and(|services| !services.is_empty())
            };
            if let Some(old) = old.filter(is_back) {
                return Err(format!("{viewer} says {old}"));
            }
        }
        Ok(())
    });
    watched.await;
    let outcome = load.stop().await;
    assert_eq!(outcome.lost("GET").len(), 0, "{:?}", outcome.lost);
    let metrics = cluster.host("six").metrics().await;
    let taken = metrics.sum("hostel_calls_total", &[("service", "echo"), ("locality", "local")]);
    assert_eq!(taken, 0.0, "it took calls of the old one");
}

/// Two clusters of the same name with keys of their own, on one network, and each node is told of a node of the other cluster
/// as a seed, by mistake. So
/// - no node of one is a member of the other, or is sent calls by it, whatever time passes;
/// - no service of one is found in the other;
/// - each loses nothing;
/// - operators are told: packets of the others are counted as foreign.
#[tokio::test]
async fn two_clusters_on_one_network() {
    let _alone = alone();
    let (mut first, balancer) = nodes(&["one", "two", "three"]).await;
    let stranger = first.peer("one").to_string();
    let misled = |builder: crate::harness::builder::Builder| builder.arguments(&["--seed", &stranger]);
    let second = Cluster::start([
        ("one", misled(Host::builder().module("new", &answering("new")))),
        ("four", misled(node("four"))),
    ])
    .await;
    // And the other way round.
    let stranger = second.peer("one").to_string();
    let load = Steady::start(&balancer, MIXED);
    first.add("five", node("five").arguments(&["--seed", &stranger])).await;
    first.settled().await;
    second.settled().await;
    let metric = async |host: &Host| {
        let metrics = host.metrics().await;
        metrics.sum("hostel_cluster_packets_rejected_total", &[("reason", "foreign")])
    };
    eventually("the strangers are heard, and not listened to", Duration::from_secs(20), async || {
        let heard = [metric(first.host("one")).await, metric(second.host("one")).await];
        heard.iter().all(|packets| *packets > 0.0).then_some(()).ok_or_else(|| format!("{heard:?}"))
    })
    .await;
    throughout("the clusters are two", Duration::from_secs(3), async || {
        for (cluster, others) in [(&first, 3), (&second, 1)] {
            for (viewer, host) in cluster.running() {
                let report = host.cluster().await;
                let known = report["members"].as_array().map_or(0, Vec::len);
                if known != others {
                    return Err(format!("{viewer} knows {known} others: {report}"));
                }
            }
        }
        Ok(())
    })
    .await;
    first.host("one").get("/new/").await.expect_problem(404, "not-found");
    second.host("four").get("/lean-bare/").await.expect_problem(404, "not-found");
    assert_eq!(second.host("four").get("/new/").await.expect(200).text(), "new");
    load.stop().await.expect_nothing_lost();
}
