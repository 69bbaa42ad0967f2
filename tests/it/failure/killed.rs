//! `kill -9` of a node: its connections break, so callers know in milliseconds. What was in flight to it and may not be done
//! twice is lost, and nothing else.

use std::time::Duration;

use futures::future::join_all;
use serde_json::Value;
use tokio::time::Instant;

use crate::failure::{MIXED, NAMES, OUT_WITHIN, node};
use crate::harness::alone::alone;
use crate::harness::cluster::Cluster;
use crate::harness::guests::ECHO;
use crate::harness::host::Host;
use crate::harness::http::{empty, request};
use crate::harness::steady::{Balancer, Steady};
use crate::harness::wait::eventually;

const VICTIM: &str = "four";
const OTHERS: [&str; 4] = ["one", "two", "three", "five"];
/// Those who send calls to the victim; the others have its service themselves.
const CALLERS: [&str; 2] = ["one", "two"];

/// A service that has long calls only, so that those in flight to the victim can be counted before it is killed, and are
/// still the same when it is.
const SLOW: &str = "slow";
const SLOW_CALLS: usize = 24;

/// How soon those who call it must have it out of their balance. It should be milliseconds after the connections broke: the
/// calls in flight fail, and the first one that is sent to it then finds nobody who listens, and is the last.
const OUT_OF_BALANCE: Duration = Duration::from_secs(1);

/// Answers of those that were there all the time.
async fn send_slow(cluster: &Cluster, method: &'static str) -> Vec<tokio::task::JoinHandle<u16>> {
    let calls = (0..SLOW_CALLS).map(|number| {
        let host = cluster.host(CALLERS[number % 2]);
        let (http, url) = (host.http.clone(), host.url("/slow/sleep/3000"));
        tokio::spawn(async move { http.send(request(method, &url, empty())).await.status })
    });
    calls.collect()
}

async fn statuses(calls: Vec<tokio::task::JoinHandle<u16>>) -> Vec<u16> {
    join_all(calls).await.into_iter().map(|status| status.expect("a call does not panic")).collect()
}

/// What a caller says of a service on the victim, if it would send it a call: when nobody could connect it is none of the
/// service's endpoints, and when five calls in a row failed there, as those may that were in flight, it is left alone.
async fn in_balance(caller: &Host, service: &str) -> Option<Value> {
    let status = caller.status().await;
    let called = status["called"].as_array().expect("services that were called");
    let endpoints = called.iter().filter(|called| called["service"] == service);
    let mut endpoints = endpoints.flat_map(|called| called["endpoints"].as_array().expect("endpoints"));
    let takes_calls = |endpoint: &&Value| {
        endpoint["node"] == VICTIM && endpoint["breaker"] == "closed" && endpoint["ejected_s"].is_null()
    };
    endpoints.find(takes_calls).cloned()
}

#[tokio::test]
async fn a_killed_node_loses_what_was_in_flight_to_it() {
    let _alone = alone();
    let nodes = NAMES.map(|name| {
        let node = node(name);
        (name, if CALLERS.contains(&name) { node } else { node.guest_as(SLOW, &ECHO) })
    });
    let mut cluster = Cluster::start(nodes).await;
    // A client of the victim's edge would lose its own connection.
    let balancer = Balancer::default();
    for name in OTHERS {
        balancer.add(name, cluster.host(name));
    }
    let load = Steady::start(&balancer, MIXED);
    load.goes_on(Duration::from_secs(2)).await;

    // Which calls are in flight to the victim: these exactly, all of them POST; and as many GET among others.
    let posts = send_slow(&cluster, "POST").await;
    let in_flight = eventually("the calls are under way", Duration::from_secs(2), async || {
        let metrics = join_all(["three", VICTIM, "five"].map(|name| cluster.host(name).metrics())).await;
        let counts: Vec<f64> =
            metrics.iter().map(|metrics| metrics.sum("hostel_calls_in_flight", &[("service", SLOW)])).collect();
        let all: f64 = counts.iter().sum();
        (all == SLOW_CALLS as f64).then(|| counts[1] as usize).ok_or_else(|| format!("{counts:?}"))
    })
    .await;
    assert!(in_flight > 0, "the victim has nothing to lose");
    let gets = send_slow(&cluster, "GET").await;
    eventually("the victim has some of the others", Duration::from_secs(1), async || {
        let metrics = cluster.host(VICTIM).metrics().await;
        let now = metrics.sum("hostel_calls_in_flight", &[("service", SLOW)]) as usize;
        (now > in_flight).then_some(()).ok_or_else(|| format!("{now}, {in_flight} of them POST"))
    })
    .await;

    let posts_at_the_load = load.in_flight("POST");
    cluster.kill(VICTIM);
    let killed = Instant::now();

    // Out of balance at all who send calls to it, and out of everyone's membership.
    let out_of_balance = eventually("it is out of balance", OUT_WITHIN, async || {
        for caller in CALLERS {
            for service in ["echo", SLOW] {
                if let Some(endpoint) = in_balance(cluster.host(caller), service).await {
                    return Err(format!("{caller}: {service}: {endpoint}"));
                }
            }
        }
        Ok(killed.elapsed())
    })
    .await;
    let out = eventually("it is out of everyone's membership", OUT_WITHIN, async || {
        for (viewer, host) in cluster.running() {
            let member = host.member(VICTIM).await;
            if member["state"] != "down" {
                return Err(format!("{viewer} says {member}"));
            }
        }
        Ok(killed.elapsed())
    })
    .await;
    load.goes_on(Duration::from_secs(1)).await;
    let outcome = load.stop().await;
    let (posts, gets) = (statuses(posts).await, statuses(gets).await);
    eprintln!("out of balance after {out_of_balance:?}, out of membership after {out:?}");
    assert!(out_of_balance < OUT_OF_BALANCE, "{out_of_balance:?}");

    // What may be done twice was done by others.
    assert!(gets.iter().all(|status| *status == 200), "GET: {gets:?}");
    assert_eq!(outcome.lost("GET").len(), 0, "{:?}", outcome.lost);
    // Of what may not, as much was lost as the victim had, and nothing that was sent to others.
    let lost = posts.iter().filter(|status| **status != 200).count();
    assert_eq!(lost, in_flight, "POST: {posts:?}");
    let lost = outcome.lost("POST");
    assert!(lost.len() as u64 <= posts_at_the_load, "{lost:?}, and {posts_at_the_load} were under way");
    // A link that breaks is noticed at once, so nothing that was begun afterwards was sent into it.
    let late: Vec<_> = lost.iter().filter(|lost| lost.begun > killed + Duration::from_millis(100)).collect();
    assert!(late.is_empty(), "begun after the end of the victim, and lost: {late:?}");
}
