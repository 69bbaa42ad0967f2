//! One service on several nodes: all of them get a share, the one on the caller's own node comes first, and others help
//! out when it has no room.

use std::time::Duration;

use futures::future::join_all;

use crate::harness::builder::Builder;
use crate::harness::cluster::Cluster;
use crate::harness::guests::{ECHO, LEAN_BARE};
use crate::harness::host::Host;
use crate::harness::http::{empty, request};
use crate::harness::load::Load;
use crate::harness::wait::{LONG, eventually};

async fn served(cluster: &Cluster, node: &str) -> f64 {
    let metrics = cluster.host(node).metrics().await;
    metrics.sum("hostel_calls_total", &[("service", "echo"), ("locality", "local"), ("code", "200")])
}

fn echo() -> Builder {
    Host::builder().guest(&ECHO)
}

/// Ten clients, each of which sends one request after the other. All have to be answered with 200.
fn clients(host: &Host, method: &'static str, path: &'static str) -> Load {
    let (http, url) = (host.http.clone(), host.url(path));
    Load::start(10, Duration::ZERO, move |_| {
        let (http, url) = (http.clone(), url.clone());
        async move {
            let reply = http.try_send(request(method, &url, empty())).await.map_err(|error| error.to_string())?;
            (reply.status == 200).then_some(()).ok_or_else(|| reply.to_string())
        }
    })
}

/// Waits until so many more are answered.
async fn more(load: &Load, calls: u64) {
    let enough = load.done() + calls;
    eventually("calls are answered", LONG, async || {
        let done = load.done();
        (done >= enough).then_some(()).ok_or_else(|| done.to_string())
    })
    .await;
}

async fn load(host: &Host, path: &'static str, calls: u64) {
    let load = clients(host, "GET", path);
    more(&load, calls).await;
    load.stop().await.expect_no_failure();
}

#[tokio::test]
async fn all_nodes_get_a_share() {
    let nodes = [("front", Host::builder().guest(&LEAN_BARE)), ("one", echo()), ("two", echo())];
    let cluster = Cluster::start(nodes).await;
    // From the edge, and from a service.
    for path in ["/echo/hello/x", "/lean-bare/call/echo/hello/x"] {
        let before = [served(&cluster, "one").await, served(&cluster, "two").await];
        load(cluster.host("front"), path, 300).await;
        let share = [served(&cluster, "one").await - before[0], served(&cluster, "two").await - before[1]];
        let all = share[0] + share[1];
        assert!(all >= 300.0, "{path}: {share:?}");
        assert!(share.iter().all(|share| share / all > 0.2), "{path}: {share:?}");
    }
}

#[tokio::test]
async fn the_callers_own_node_comes_first() {
    let cluster = Cluster::start([("own", echo().guest(&LEAN_BARE)), ("other", echo())]).await;
    for path in ["/echo/hello/x", "/lean-bare/call/echo/hello/x"] {
        load(cluster.host("own"), path, 100).await;
    }
    assert!(served(&cluster, "own").await >= 200.0);
    assert_eq!(served(&cluster, "other").await, 0.0);
}

#[tokio::test]
async fn others_help_out_when_there_is_no_room() {
    let tight = "[limits]\ncalls_max = 2\nqueue_len_max = 0\n";
    let own = echo().manifest("echo", tight).guest(&LEAN_BARE);
    let cluster = Cluster::start([("own", own), ("other", echo())]).await;
    let own = cluster.host("own");
    for path in ["/echo/sleep/1500", "/lean-bare/call/echo/sleep/1500"] {
        let before = [served(&cluster, "own").await, served(&cluster, "other").await];
        let calls = (0..8).map(|_| own.get(path));
        for reply in join_all(calls).await {
            reply.expect(200);
        }
        assert_eq!(served(&cluster, "own").await - before[0], 2.0, "{path}");
        assert_eq!(served(&cluster, "other").await - before[1], 6.0, "{path}");
    }
    // There is room again, and it is used.
    let before = served(&cluster, "own").await;
    own.get("/echo/hello/x").await.expect(200);
    assert_eq!(served(&cluster, "own").await, before + 1.0);
}

/// Full everywhere is full: 503 with `Retry-After`, at once.
#[tokio::test]
async fn full_everywhere_is_said_at_once() {
    let tight = "[limits]\ncalls_max = 1\nqueue_len_max = 0\n";
    let nodes = ["one", "two"].map(|name| (name, echo().manifest("echo", tight)));
    let cluster = Cluster::start(nodes).await;
    let one = cluster.host("one");
    let sleeps: Vec<_> = (0..2)
        .map(|_| {
            let (http, url) = (one.http.clone(), one.url("/echo/sleep/3000"));
            tokio::spawn(async move { http.get(&url).await })
        })
        .collect();
    for node in ["", "two"] {
        eventually("each node serves one", LONG, async || {
            let metrics = one.metrics().await;
            let now = metrics.sum("hostel_endpoint_calls_in_flight", &[("service", "echo"), ("node", node)]);
            (now == 1.0).then_some(()).ok_or_else(|| now.to_string())
        })
        .await;
    }
    let begun = tokio::time::Instant::now();
    one.get("/echo/hello/x").await.expect_problem(503, "unavailable");
    assert!(begun.elapsed() < Duration::from_millis(1000), "{:?}", begun.elapsed());
    for sleep in sleeps {
        sleep.await.unwrap().expect(200);
    }
}

/// A node that is told to stop, and comes back: nobody notices, whatever they send.
#[tokio::test]
async fn a_node_that_stops_costs_no_call() {
    let nodes = [("front", Host::builder()), ("one", echo()), ("two", echo())];
    let mut cluster = Cluster::start(nodes).await;
    let load = clients(cluster.host("front"), "POST", "/echo/count");
    more(&load, 50).await;
    assert!(cluster.stop("one").await.success());
    more(&load, 50).await;
    cluster.start_again("one").await;
    cluster.settled().await;
    let (one, before) = (served(&cluster, "one").await, load.done());
    more(&load, 200).await;
    load.stop().await.expect_no_failure();
    assert!(served(&cluster, "one").await > one, "of those after {before} none went to the node that came back");
}

/// One that dies takes calls with it, which are sent again where they may be: those that read only.
#[tokio::test]
async fn a_node_that_dies_costs_no_call_that_may_be_repeated() {
    let nodes = [("front", Host::builder()), ("one", echo()), ("two", echo())];
    let mut cluster = Cluster::start(nodes).await;
    let load = clients(cluster.host("front"), "GET", "/echo/sleep/5");
    more(&load, 100).await;
    cluster.kill("one");
    more(&load, 300).await;
    load.stop().await.expect_no_failure();
}
