//! A host that has run out of file descriptors goes on, and is well again when there are some.

use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tokio::net::TcpStream;

use crate::harness::cluster::{Cluster, QUICK};
use crate::harness::guests::ECHO;
use crate::harness::host::Host;
use crate::harness::http::Client;
use crate::harness::logs::Event;
use crate::harness::tiny::answering;
use crate::harness::wait::{eventually, throughout};

fn open_descriptors(host: &Host) -> u64 {
    std::fs::read_dir(format!("/proc/{}/fd", host.process.pid())).unwrap().count() as u64
}

/// Lets the host open as many more descriptors than it has now.
fn permit(host: &Host, more: u64) {
    let pid = Pid::from_raw(i32::try_from(host.process.pid()).unwrap());
    // The host's is the one that this process has, too.
    let maximum = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit { current: Some(open_descriptors(host) + more), maximum };
    prlimit(pid, Resource::Nofile, limit).unwrap();
}

fn cannot_accept(event: &Event, what: &str) -> bool {
    event.level() == "error" && event.message().contains(what) && event.contains("os error 24")
}

#[tokio::test]
async fn a_host_without_descriptors_recovers() {
    let builder = || Host::builder().config(QUICK);
    let mut cluster =
        Cluster::start([("full", builder().module("full", &answering("full"))), ("other", builder().guest(&ECHO))])
            .await;
    let full = cluster.host("full");
    // Connections that are there go on: that of this client, and the link.
    let held = Client::h1(full.edge);
    let url = full.url("/echo/hello/x");
    held.get(&url).await.expect(200);

    permit(full, 4);
    let mut taken = Vec::new();
    for _ in 0..16 {
        taken.push(TcpStream::connect(full.edge).await.unwrap());
    }
    full.logs("the edge has no descriptors", |event| cannot_accept(event, "cannot accept a connection")).await;
    // A link that has to be made is not; it waits in the system's queue.
    let mut links = Vec::new();
    for _ in 0..4 {
        links.push(TcpStream::connect(cluster.peer("full")).await.unwrap());
    }
    full.logs("links have no descriptors", |event| cannot_accept(event, "cannot accept a link")).await;
    throughout("what is connected goes on", Duration::from_secs(2), async || {
        let reply = held.get(&url).await;
        if reply.status == 200 { Ok(()) } else { Err(reply.to_string()) }
    })
    .await;
    // Gossip needs no new descriptors, so it stays a member; and nothing is told a hundred times.
    cluster.sees("other", "full", "it is a member", |full| full["state"] == "alive").await;
    for what in ["cannot accept a connection", "cannot accept a link"] {
        let lines = full.logs.matching(|event| cannot_accept(event, what));
        assert_eq!(lines.len(), 1, "{lines:?}");
    }
    assert!(open_descriptors(full) > 0, "it runs");

    // Some are free again, under the same limit.
    drop((taken, links));
    eventually("a new client is served", Duration::from_secs(20), async || {
        match Client::h1(full.edge).try_send(crate::harness::http::get(&url)).await {
            Ok(reply) if reply.status == 200 => Ok(()),
            Ok(reply) => Err(reply.to_string()),
            Err(error) => Err(error.to_string()),
        }
    })
    .await;
    // New links both ways: a node that comes finds the host, and is called by it.
    permit(cluster.host("full"), 64);
    cluster.add("third", builder().module("third", &answering("third"))).await;
    cluster.settled().await;
    assert_eq!(cluster.host("full").get("/third/").await.expect(200).text(), "third");
    assert_eq!(cluster.host("third").get("/full/").await.expect(200).text(), "full");
}
