//! The policies of a service, through real calls: each is set to something that a test can see in a few calls, and the
//! faults are planned ahead with `/fault/KEY` of the guest `echo`. What they come to is looked up where an operator would:
//! in answers, in `GET /api/v1/status`, in metrics, and in what `hostel status` prints.
//!
//! Counts decide, not times: what must not happen during a test takes an hour, what must is waited for.

mod balance;
mod breaker;
mod deadline;
mod hashing;
mod limits;
mod locality;
mod outlier;
mod retry;
mod swap;

use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinHandle;

use crate::harness::builder::Builder;
use crate::harness::cluster::Cluster;
use crate::harness::command;
use crate::harness::guests::ECHO;
use crate::harness::host::Host;
use crate::harness::http::{full, get, request, with};
use crate::harness::reply::Reply;
use crate::harness::wait::eventually;

/// How soon what has to become visible must be.
const SOON: Duration = Duration::from_secs(20);

/// A host with `echo` under this manifest.
fn echo(manifest: &str) -> Builder {
    Host::builder().guest(&ECHO).manifest("echo", manifest)
}

/// Another `echo` that calls it. What it answers is not asked for again.
fn with_front(builder: Builder) -> Builder {
    builder.guest_as("front", &ECHO).manifest("front", "[policy]\nretry.retries_max = 0\n")
}

/// Hosts of which each has been able to get this path.
async fn cluster(nodes: impl IntoIterator<Item = (&'static str, Builder)>, path: &str) -> Cluster {
    let cluster = Cluster::start(nodes).await;
    for (_, host) in cluster.running() {
        host.answers(path, 200, "").await;
    }
    cluster
}

/// Says what is to become of the calls of `/echo/fault/KEY` that this host serves itself.
async fn plan(host: &Host, key: &str, faults: &str) {
    let url = host.url(&format!("/echo/kv/fault/{key}"));
    host.http.send(request("PUT", &url, full(faults.to_owned()))).await.expect(204);
}

/// How many such calls this host has served.
async fn calls(host: &Host, key: &str) -> u64 {
    let reply = host.post(&format!("/echo/kv/fault/{key}.calls/add/0"), "").await.expect(200);
    reply.text().parse().expect("a number")
}

async fn send(host: &Host, method: &str, path: &str) -> Reply {
    host.http.send(request(method, &host.url(path), full(""))).await
}

/// `GET` with one header.
async fn get_with(host: &Host, path: &str, name: &'static str, value: &str) -> Reply {
    host.http.send(with(get(&host.url(path)), name, value)).await
}

/// A call that somebody else waits for.
fn start(host: &Host, path: &str) -> JoinHandle<Reply> {
    let (http, url) = (host.http.clone(), host.url(path));
    tokio::spawn(async move { http.get(&url).await })
}

/// What a host says of a service that it calls; null if nothing.
async fn called(host: &Host, service: &str) -> Value {
    let status = host.status().await;
    let all = status["called"].as_array().unwrap_or_else(|| panic!("nothing called in {status}"));
    all.iter().find(|called| called["service"] == service).cloned().unwrap_or_default()
}

/// What it says of the service on one node, or on the host itself; null if nothing.
async fn endpoint(host: &Host, service: &str, node: Option<&str>) -> Value {
    let called = called(host, service).await;
    let endpoints = called["endpoints"].as_array().cloned().unwrap_or_default();
    endpoints.into_iter().find(|endpoint| endpoint["node"].as_str() == node).unwrap_or_default()
}

/// Waits until what it says of a service that it calls is as wanted.
async fn called_is(host: &Host, service: &str, what: &str, want: impl Fn(&Value) -> bool) -> Value {
    eventually(&format!("{service}: {what}"), SOON, async || {
        let called = called(host, service).await;
        if want(&called) { Ok(called) } else { Err(called.to_string()) }
    })
    .await
}

/// Waits until so many calls of a service are under way from here, wherever they go.
async fn under_way(host: &Host, service: &str, calls: u64) {
    called_is(host, service, "calls under way", |called| called["in_flight"] == calls).await;
}

/// How many endpoints of a service are in a state, as metrics say.
async fn endpoints(host: &Host, service: &str, state: &str) -> f64 {
    host.metrics().await.sum("hostel_endpoints", &[("service", service), ("state", state)])
}

/// A counter of a service.
async fn total(host: &Host, name: &str, service: &str) -> f64 {
    host.metrics().await.sum(name, &[("service", service)])
}

/// Calls that were sent nowhere.
async fn refused(host: &Host, service: &str, reason: &str) -> f64 {
    host.metrics().await.sum("hostel_calls_refused_total", &[("service", service), ("reason", reason)])
}

/// What `hostel status` prints, one space between words.
async fn status_text(host: &Host) -> String {
    let dir = tempfile::tempdir().unwrap();
    let output = command::hostel(dir.path(), &["status", "--admin", &host.admin.to_string()]).await.expect(0);
    let lines = output.out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.collect::<Vec<_>>().join("\n")
}
