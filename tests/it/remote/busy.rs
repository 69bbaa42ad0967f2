//! Guests that take all cores: gossip, timers and health keep time all the same.

use std::time::Duration;

use tokio::time::Instant;

use crate::harness::alone;
use crate::harness::cluster::Cluster;
use crate::harness::guests::{ECHO, HOSTILE_LEAN};
use crate::harness::host::Host;
use crate::harness::http::{Client, get};
use crate::harness::load::Load;

/// More than one core each: a call that never ends, again and again, on both nodes.
const CLIENTS: usize = 8;
const FOR: Duration = Duration::from_secs(8);

/// With the default settings a node that says nothing is suspected after one second, and dead after four.
#[tokio::test]
async fn gossip_and_health_keep_time_while_guests_take_every_core() {
    let _alone = alone::alone();
    let node = || {
        let manifest = "[limits]\ncpu_ms = 1000\nwall_ms = 5000\n[policy]\nbreaker.enabled = false\n";
        Host::builder().guest(&ECHO).guest(&HOSTILE_LEAN).manifest(HOSTILE_LEAN.name, manifest)
    };
    let cluster = Cluster::start([("one", node()), ("two", node())]).await;
    for (_, host) in cluster.running() {
        for guest in [&ECHO, &HOSTILE_LEAN] {
            host.runs_optimised(guest.name).await;
        }
    }
    let started = age(&cluster, "one", "two").await.min(age(&cluster, "two", "one").await);
    let loads: Vec<Load> = cluster
        .running()
        .map(|(_, host)| {
            let (client, url) = (Client::h1(host.edge), host.url("/hostile-lean/spin"));
            Load::start(CLIENTS, Duration::ZERO, move |_| {
                let (client, url) = (client.clone(), url.clone());
                async move { client.try_send(get(&url)).await.map(drop).map_err(|error| error.to_string()) }
            })
        })
        .collect();
    let begun = Instant::now();
    let mut slowest = Duration::ZERO;
    while begun.elapsed() < FOR {
        for (viewer, other) in [("one", "two"), ("two", "one")] {
            let asked = Instant::now();
            let member = cluster.host(viewer).member(other).await;
            cluster.host(viewer).admin_get("/livez").await.expect(200);
            slowest = slowest.max(asked.elapsed());
            assert_ne!(member["state"], "down", "{viewer} says of {other}: {member}");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for load in loads {
        load.stop().await;
    }
    // Nobody was held for dead: as members they are as old as before, and the time since then.
    for (viewer, other) in [("one", "two"), ("two", "one")] {
        let age = age(&cluster, viewer, other).await;
        assert!(age >= started + FOR.as_secs_f64() - 2.0, "{viewer} has known {other} for {age} s");
        let metrics = cluster.host(viewer).metrics().await;
        assert_eq!(metrics.sum("hostel_cluster_rejoins_total", &[]), 0.0, "at {viewer}");
    }
    assert!(slowest < Duration::from_secs(1), "health and status took {slowest:?}");
    println!("health and status took at most {slowest:?}");
}

async fn age(cluster: &Cluster, viewer: &str, other: &str) -> f64 {
    let member = cluster.host(viewer).member(other).await;
    member["age_s"].as_f64().unwrap_or_else(|| panic!("no age in {member}"))
}
