//! Networks that break, on networks of the test's own.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::failure::{MIXED, NAMES, forgiving, served, serves_again};
use crate::harness::alone::alone;
use crate::harness::cluster::Cluster;
use crate::harness::host::Host;
use crate::harness::network::Network;
use crate::harness::steady::{Balancer, Kind, Steady};
use crate::harness::tiny::answering;
use crate::harness::wait::{eventually, within};

/// The place of a node.
fn place(name: &str) -> usize {
    NAMES.iter().position(|known| *known == name).expect("one of five") + 1
}

/// Five nodes on a network, and a balancer that sends to all of them, which nothing breaks the way to.
async fn nodes(network: &Network) -> (Cluster, Balancer) {
    let nodes = NAMES.map(|name| (name, forgiving(name).network(network.place(place(name)))));
    let cluster = Cluster::start(nodes).await;
    let balancer = Balancer::default();
    for name in NAMES {
        balancer.add(name, cluster.host(name));
    }
    (cluster, balancer)
}

/// A link that loses a tenth of all packets, both ways. So
/// - nothing is lost, idempotent or not: TCP sends again what did not arrive, and a link that is slow for it is not silent
///   for three seconds;
/// - the node stays a member to everyone. Of its probes one in five fails, but those of three others as well only once in
///   some hundreds, and then it has three seconds to object;
/// - it serves calls.
#[tokio::test]
async fn a_lossy_link_loses_no_request() {
    let _alone = alone();
    let Some(network) = Network::new(NAMES.len()) else { return };
    let (cluster, balancer) = nodes(&network).await;
    let load = Steady::start(&balancer, MIXED);
    load.goes_on(Duration::from_secs(1)).await;
    network.lose(place("four"), 10);
    let before = served(&cluster, "four", "echo").await;
    let end = Instant::now() + Duration::from_secs(12);
    while Instant::now() < end {
        for (viewer, host) in cluster.running() {
            for other in NAMES.into_iter().filter(|other| *other != viewer) {
                let member = host.member(other).await;
                assert_ne!(member["state"], "down", "{viewer} says {member}");
            }
        }
        sleep(Duration::from_millis(500)).await;
    }
    load.stop().await.expect_nothing_lost();
    assert!(served(&cluster, "four", "echo").await > before);
}

/// What `one` sends does not arrive at `four`; all else does. Neither can have a link to the other, since a connection takes
/// both directions. So
/// - both stay members to everyone: others answer for `four` when `one` asks;
/// - nothing idempotent is lost: calls of `one` go to the other nodes that serve the same;
/// - what is not idempotent is lost only if it was in flight when the direction was cut, or sent before the link was given up,
///   six seconds later at most;
/// - a caller of `one` does not wait for a link that cannot be made, again and again: once the link is given up, its calls
///   take as long as ever, but for those few that find out whether it can be made again;
/// - when it is mended, `one` has calls served by `four` again.
#[tokio::test]
async fn one_direction_is_cut() {
    /// When the link is given up, at the latest. Two seconds after the cut the other end may still ask for a sign of life,
    /// which arrives, and counts as one itself; a second later this end looks again, and asks after another one, and waits for
    /// two: six. And the time to notice.
    const GIVEN_UP: Duration = Duration::from_secs(8);
    let _alone = alone();
    let Some(network) = Network::new(NAMES.len()) else { return };
    let (cluster, _) = nodes(&network).await;
    // All calls come by the node that cannot reach the other.
    let balancer = Balancer::default();
    balancer.add("one", cluster.host("one"));
    let load = Steady::start(&balancer, MIXED);
    load.goes_on(Duration::from_secs(1)).await;
    network.cut(place("one"), place("four"));
    let cut = Instant::now();
    let end = cut + Duration::from_secs(12);
    while Instant::now() < end {
        for (viewer, host) in cluster.running() {
            for other in NAMES.into_iter().filter(|other| *other != viewer) {
                let member = host.member(other).await;
                assert_ne!(member["state"], "down", "{viewer} says {member}");
            }
        }
        sleep(Duration::from_millis(500)).await;
    }
    network.heal();
    let again = serves_again(&cluster, "four", "echo").await;
    eprintln!("calls come through {again:?} after it was mended");
    let outcome = load.stop().await;
    assert_eq!(outcome.lost("GET").len(), 0, "{:?}", outcome.lost);
    for lost in outcome.lost("POST") {
        assert!(lost.begun < cut + GIVEN_UP, "it should not be lost: {lost:?}");
    }
    let late: Vec<_> = outcome.answered.iter().filter(|one| one.begun > cut + GIVEN_UP).collect();
    let slow: Vec<_> = late.iter().filter(|one| one.took > Duration::from_secs(1)).collect();
    eprintln!("of {} calls after the link was given up, {} took more than a second", late.len(), slow.len());
    assert!(slow.len() * 50 < late.len(), "callers still wait for what cannot be reached: {slow:?}");
}

/// Two nodes and three nodes do not reach each other for a while. Both sides serve `common`, and each a service of its own.
/// - Each side declares the other one dead, and itself in no part;
/// - what is idempotent and served on both sides is never lost, at no edge;
/// - a service of the other side only is unavailable (503) until that is declared dead, and then not found (404); never does
///   a call wait longer than the limit of a call, ten seconds;
/// - mended, everyone is a member to everyone within the time that two looks for the lost take (`heal_ms`, five seconds on
///   average), and everything is served at all edges.
#[tokio::test]
async fn two_and_three_are_parted_and_find_each_other() {
    const LEFT: [&str; 2] = ["one", "two"];
    const RIGHT: [&str; 3] = ["three", "four", "five"];
    const COMMON: &[Kind] = &[Kind::get("/common/", "common")];
    /// It should be from five to fourteen seconds; of 200 simulations half took eight. Who misses most of the others doubts
    /// itself (`health`), and gives them up to five times as long.
    const PARTED_WITHIN: Duration = Duration::from_secs(25);
    /// It should be ten seconds at most, most of the time.
    const TOGETHER_WITHIN: Duration = Duration::from_secs(30);
    let _alone = alone();
    let Some(network) = Network::new(NAMES.len()) else { return };
    let nodes = NAMES.map(|name| {
        let own = if LEFT.contains(&name) { "left" } else { "right" };
        let node = Host::builder().module(own, &answering(own)).network(network.place(place(name)));
        // On one node of each side, so most calls go to others.
        (name, if ["one", "three"].contains(&name) { node.module("common", &answering("common")) } else { node })
    });
    let cluster = Cluster::start(nodes).await;
    let balancer = Balancer::default();
    for name in NAMES {
        balancer.add(name, cluster.host(name));
    }
    let load = Steady::start(&balancer, COMMON);
    // Retries may be a fifth of the calls of the last ten seconds: those that wait for a node that cannot be reached must not
    // be more than that when it is given up, as they are not under a load that is steady.
    load.goes_on(Duration::from_secs(5)).await;
    for left in LEFT {
        for right in RIGHT {
            network.cut(place(left), place(right));
            network.cut(place(right), place(left));
        }
    }
    let parted = Instant::now();
    let across = async |name: &str| {
        let path = if LEFT.contains(&name) { "/right/" } else { "/left/" };
        within("an answer about the other side", Duration::from_secs(12), cluster.host(name).get(path)).await
    };
    let reply = across("two").await;
    assert!([502, 503, 504].contains(&reply.status), "{reply}");
    eventually("both sides know that they are alone", PARTED_WITHIN, async || {
        for (viewer, host) in cluster.running() {
            for other in NAMES.into_iter().filter(|other| *other != viewer) {
                let member = host.member(other).await;
                let together = LEFT.contains(&viewer) == LEFT.contains(&other);
                let right = if together { member["state"] != "down" } else { member["state"] == "down" };
                if !right {
                    return Err(format!("{viewer} says {member}"));
                }
            }
        }
        Ok(())
    })
    .await;
    let alone = parted.elapsed();
    for name in NAMES {
        across(name).await.expect_problem(404, "not-found");
        let own = if LEFT.contains(&name) { "/left/" } else { "/right/" };
        cluster.host(name).get(own).await.expect(200);
    }
    network.heal();
    let healed = Instant::now();
    within("all are together again", TOGETHER_WITHIN, cluster.settled()).await;
    eprintln!("parted after {alone:?}, together again after {:?}", healed.elapsed());
    for name in NAMES {
        for path in ["/left/", "/right/", "/common/"] {
            let host = cluster.host(name);
            host.answers(path, 200, path.trim_matches('/')).await;
        }
    }
    load.goes_on(Duration::from_secs(1)).await;
    load.stop().await.expect_nothing_lost();
}
