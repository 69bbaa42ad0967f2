//! What a cluster of five nodes loses when something happens to it, under a steady load: nothing when it was asked for,
//! and next to nothing when it was not.
//!
//! All tests run with the default settings, so their numbers are those of `docs/cluster.md`, "When something fails". Where
//! a test allows for more, it is because five hosts that are not optimised, their clients and whatever else the machine
//! has to do share a few cores; each such number says what it should be.

mod identity;
mod killed;
mod network;
mod planned;
mod stuck;

use std::time::Duration;

use tokio::time::Instant;

use crate::harness::builder::Builder;
use crate::harness::cluster::Cluster;
use crate::harness::guests::{ECHO, LEAN_BARE};
use crate::harness::host::Host;
use crate::harness::steady::{Balancer, Kind};
use crate::harness::wait::eventually;

const NAMES: [&str; 5] = ["one", "two", "three", "four", "five"];

/// How soon a node that is gone must be out of everyone's membership: the limit of issue 4. It should take five seconds:
/// one or two until somebody probes it, three (`suspect_ms`) that it has to object.
const OUT_WITHIN: Duration = Duration::from_secs(8);

/// From the edge to a service, with and without the right to send the call twice, at once and after a while; and from one
/// service to another.
const MIXED: &[Kind] = &[
    Kind::get("/echo/hello/x", "hello x"),
    Kind::post("/echo/echo", "a body"),
    Kind::get("/lean-bare/call/echo/hello/y", "hello y"),
    Kind::get("/echo/sleep/20", "slept 20"),
    Kind::post("/echo/sleep/20", "slept 20"),
];

/// One of five nodes: two of them serve a service that calls the other one, which the other three serve. So of all calls
/// most go from one host to another.
fn node(name: &str) -> Builder {
    let guest = if ["one", "two"].contains(&name) { LEAN_BARE } else { ECHO };
    Host::builder().guest(&guest)
}

/// What keeps calls from an endpoint that is well again, shortened to a tenth and a fifth: the pauses of the policies for those
/// that failed five times in a row, and the memory of how long these failures took. By default it takes half a minute until
/// it is tried again, and as long until three seconds without an answer are forgotten for which the others take milliseconds.
const FORGIVING: &str = "
[policy.breaker]
open_ms = 3000
[policy.outlier]
ejection_ms = 3000
[policy.balance]
decay_ms = 1000
";

/// One of five nodes whose callers find out soon that it is better.
fn forgiving(name: &str) -> Builder {
    let service = if ["one", "two"].contains(&name) { LEAN_BARE.name } else { ECHO.name };
    node(name).manifest(service, FORGIVING)
}

/// Waits until a node has served another call of a service, and says after how long.
async fn serves_again(cluster: &Cluster, node: &str, service: &str) -> Duration {
    /// One after the other: a pause of the policies, one between two attempts to connect (`backoff_max_ms`), an attempt that
    /// is under way (`connect_timeout_ms`), and six seconds in which three seconds become some milliseconds: fourteen.
    const AGAIN_WITHIN: Duration = Duration::from_secs(20);
    let (begun, before) = (Instant::now(), served(cluster, node, service).await);
    eventually("calls come through again", AGAIN_WITHIN, async || {
        let now = served(cluster, node, service).await;
        (now > before).then(|| begun.elapsed()).ok_or_else(|| format!("still {now} calls"))
    })
    .await
}

/// Nodes that know each other, and a balancer that sends to all of them.
async fn nodes(names: &[&'static str]) -> (Cluster, Balancer) {
    let cluster = Cluster::start(names.iter().map(|name| (*name, node(name)))).await;
    let balancer = Balancer::default();
    for name in names {
        balancer.add(name, cluster.host(name));
    }
    (cluster, balancer)
}

/// How many calls of a service a node has served.
async fn served(cluster: &Cluster, node: &str, service: &str) -> f64 {
    let metrics = cluster.host(node).metrics().await;
    metrics.sum("hostel_calls_total", &[("service", service), ("locality", "local")])
}
