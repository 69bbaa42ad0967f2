//! Calls that belong together go to the same node, whichever node they come in at.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{cluster, echo, get_with, start, under_way};
use crate::harness::builder::Builder;
use crate::harness::host::Host;
use crate::harness::http::{get, with};
use crate::harness::tiny::answering;
use crate::harness::wait::eventually;

/// The bound is for others to test.
const BOUND: &str = "balance.load_bound_percent = 10000\n";

fn node(name: &str) -> Builder {
    let wasm = answering(name);
    let policies = [
        ("by-header", "balance.hash = 'header:x-user'"),
        ("by-cookie", "balance.hash = 'cookie:sid'"),
        ("by-source", "balance.hash = 'source-address'"),
    ];
    let builder = policies.iter().fold(Host::builder(), |builder, (service, hash)| {
        builder.module(service, &wasm).manifest(service, &format!("[policy]\n{hash}\n{BOUND}"))
    });
    // The last one is where the harness asks whether a node knows of it.
    let routes = "[[route]]\npath = '/bound/{*rest}'\npolicy = { hash = 'header:x-user' }\n\
                  [[route]]\npath = '/free/{*rest}'\n\
                  [[route]]\nhost = 'by-route.localhost'\npath = '/{*rest}'\n[policy]\nlocality.local_first = false\n\
                  balance.latency_us_min = 10000000\n";
    builder.module("by-route", &wasm).manifest("by-route", &format!("{routes}{BOUND}"))
}

async fn owners(host: &Host, path: &str, name: &'static str, value: impl Fn(u32) -> String) -> BTreeMap<u32, String> {
    let mut owners = BTreeMap::new();
    for user in 0..30 {
        owners.insert(user, get_with(host, path, name, &value(user)).await.expect(200).text());
    }
    owners
}

fn spread(owners: &BTreeMap<u32, String>) -> BTreeSet<&str> {
    owners.values().map(String::as_str).collect()
}

#[tokio::test]
async fn all_nodes_send_a_key_to_the_same_one() {
    let nodes = [("front", Host::builder()), ("one", node("one")), ("two", node("two")), ("three", node("three"))];
    let mut cluster = cluster(nodes, "/by-header/").await;
    for (_, host) in cluster.running() {
        for path in ["/by-cookie/", "/by-source/", "/bound/", "/free/"] {
            host.answers(path, 200, "").await;
        }
    }
    let user = |user: u32| format!("user-{user}");
    let cookie = |user: u32| format!("theme=dark; sid=user-{user}");
    let front = cluster.host("front");
    let by_header = owners(front, "/by-header/", "x-user", user).await;
    assert_eq!(spread(&by_header).len(), 3, "{by_header:?}");
    let by_cookie = owners(front, "/by-cookie/", "cookie", cookie).await;
    let by_route = owners(front, "/bound/", "x-user", user).await;
    // A key is a key, wherever it stands.
    assert_eq!((&by_header, &by_header), (&by_cookie, &by_route));
    for name in ["one", "two", "three"] {
        let host = cluster.host(name);
        assert_eq!(owners(host, "/by-header/", "x-user", user).await, by_header, "at {name}");
        assert_eq!(owners(host, "/by-cookie/", "cookie", cookie).await, by_cookie, "at {name}");
        assert_eq!(owners(host, "/bound/", "x-user", user).await, by_route, "at {name}");
    }
    // On the other route the same header means nothing.
    let mut free = BTreeSet::new();
    for _ in 0..30 {
        free.insert(get_with(front, "/free/", "x-user", "ann").await.expect(200).text());
    }
    assert!(free.len() > 1, "{free:?}");
    // All of them come from here.
    let mut sources = BTreeSet::new();
    for (_, host) in cluster.running() {
        sources.insert(host.get("/by-source/").await.expect(200).text());
    }
    assert_eq!(sources.len(), 1, "{sources:?}");
    // Without the cookie there is nothing to hash.
    front.http.send(with(get(&front.url("/by-cookie/")), "cookie", "theme=dark")).await.expect(200);

    // When one leaves, only what it had moves.
    cluster.stop("three").await;
    cluster.settled().await;
    for name in ["front", "one", "two"] {
        let now = owners(cluster.host(name), "/by-header/", "x-user", user).await;
        for (user, owner) in &by_header {
            match owner.as_str() {
                "three" => assert_ne!(now[user], "three"),
                owner => assert_eq!(now[user], owner, "user {user} at {name}"),
            }
        }
    }
}

/// Who has more than its share of the calls under way passes the next ones on.
#[tokio::test]
async fn a_key_that_everybody_wants_spills_over() {
    let policy = "[policy]\nbalance = { hash = 'source-address', load_bound_percent = 125 }\n";
    let nodes = [("front", Host::builder()), ("one", echo(policy)), ("two", echo(policy))];
    let cluster = cluster(nodes, "/echo/hello/x").await;
    let front = cluster.host("front");
    let mut sleeping = Vec::new();
    for number in 1..=4 {
        sleeping.push(start(front, "/echo/sleep/6000"));
        under_way(front, "echo", number).await;
    }
    // The third found both others at the owner, and 125 % of its part of three is room for two.
    eventually("the calls are where they should be", Duration::from_secs(5), async || {
        let mut held = Vec::new();
        for node in ["one", "two"] {
            let metrics = cluster.host(node).metrics().await;
            held.push(metrics.sum("hostel_calls_in_flight", &[("service", "echo")]));
        }
        held.sort_by(f64::total_cmp);
        if held == [1.0, 3.0] { Ok(()) } else { Err(format!("{held:?}")) }
    })
    .await;
    for sleeping in sleeping {
        sleeping.await.unwrap().expect(200);
    }
}
