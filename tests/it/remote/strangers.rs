//! Nodes that do not find each other, or may not: what the log and the status say, on both sides, and how often.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use hostel::peer::{ClusterName, pki};
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::builder::{Builder, Member};
use crate::harness::command::hostel;
use crate::harness::host::Host;
use crate::harness::logs::Event;
use crate::harness::tiny::answering;
use crate::harness::wait::eventually;

/// Looked for ten times a second, so that whatever is told each time shows.
const EAGER: &str = "[cluster]\njoin_retry_ms = 100\njoin_wait_ms = 0\n";

/// How soon it must be told that nobody answers, which should take five seconds.
const TOLD_WITHIN: Duration = Duration::from_secs(20);

fn ca(name: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    pki::init(dir.path(), &ClusterName::new(name).unwrap()).unwrap();
    dir
}

fn node(ca: &Path, name: &str, seeds: &[SocketAddr]) -> Builder {
    let listen = "127.0.0.1:0".parse().unwrap();
    let member = Member { ca: ca.to_owned(), name: name.to_owned(), listen, seeds: seeds.to_vec() };
    Host::builder().config(EAGER).module(name, &answering(name)).member(member)
}

fn copy(from: &TempDir, to: &TempDir, file: &str) {
    // Keeps the mode, which has to be that of a secret.
    std::fs::copy(from.path().join(file), to.path().join(file)).unwrap();
}

fn is_warning(event: &Event, words: &[&str]) -> bool {
    event.level() == "warn" && words.iter().all(|word| event.contains(word))
}

async fn warned(host: &Host, what: &str, words: &[&str]) -> Event {
    host.logs.wait_for(what, TOLD_WITHIN, |event| is_warning(event, words)).await
}

#[tokio::test]
async fn seeds_that_nobody_answers_at_are_named_and_seldom() {
    let ca = ca("test");
    // Bound, so that nobody else answers there, and nobody reads.
    let deaf = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let deaf = deaf.local_addr().unwrap();
    let builder = node(ca.path(), "alone", &[deaf]).arguments(&["--seed", "nosuch.invalid:7946"]);
    let host = builder.start().await;
    let told = warned(&host, "nobody answers", &["no seed answers"]).await;
    for word in [&deaf.to_string(), "nosuch.invalid:7946", "firewall", "gossip key", "cannot connect to"] {
        assert!(told.contains(word), "`{word}` is not in {told:?}");
    }
    // By now it has asked some fifty times.
    for words in [&["no seed answers"][..], &["cannot resolve a seed", "nosuch.invalid:7946"]] {
        let lines = host.logs.matching(|event| is_warning(event, words));
        assert_eq!(lines.len(), 1, "{lines:?}");
    }
}

#[tokio::test]
async fn another_gossip_key_is_told_on_both_sides() {
    let (ours, theirs) = (ca("test"), ca("test"));
    for file in ["ca.pem", "ca.key"] {
        copy(&ours, &theirs, file);
    }
    let one = node(ours.path(), "one", &[]).start().await;
    let two = node(theirs.path(), "two", &[one.peer.unwrap()]).start().await;
    let words = ["gossip was refused", "gossip key", "keys list", &two.peer.unwrap().to_string()];
    warned(&one, "who sends what cannot be read", &words).await;
    // That its seed is a node of the cluster, it learns over a link.
    let words = ["no seed answers", "`one`", "another gossip key", &one.peer.unwrap().to_string()];
    warned(&two, "why nobody answers", &words).await;
    let lines = one.logs.matching(|event| is_warning(event, &["gossip was refused"]));
    assert_eq!(lines.len(), 1, "{lines:?}");
}

#[tokio::test]
async fn a_certificate_of_another_ca_is_told_on_both_sides_and_in_the_status() {
    let (ours, theirs) = (ca("test"), ca("test"));
    copy(&ours, &theirs, "gossip.keys");
    let one = node(ours.path(), "one", &[]).start().await;
    let two = node(theirs.path(), "two", &[one.peer.unwrap()]).start().await;
    // By gossip each is a member to the other. Links are made by both, and each is refused by who makes it, who sees the
    // other's certificate first.
    for (host, other, name) in [(&one, &two, "two"), (&two, &one, "one")] {
        let address = other.peer.unwrap().to_string();
        let words = ["no link to a node can be made", &address, &format!("`{name}` of the cluster `test`"), "CA"];
        warned(host, "whose certificate it was", &words).await;
        warned(host, "that it was refused", &["a node was refused a link", "127.0.0.1"]).await;
        let member = eventually("the status says that there is no link", TOLD_WITHIN, async || {
            let member = host.member(name).await;
            if member["link"]["state"] == "refused" { Ok(member) } else { Err(member.to_string()) }
        })
        .await;
        assert!(member["link"]["last_error"].as_str().is_some_and(|why| why.contains("not signed")), "{member}");
        let admin = host.admin.to_string();
        let shown = hostel(Path::new("."), &["cluster", "status", "--admin", &admin]).await.expect(0);
        for words in ["refused ", &format!("{name} gets no calls from here"), "not signed by this cluster's CA"] {
            assert!(shown.out.contains(words), "`{words}` is not in {shown}");
        }
        for words in [["no link to a node can be made"], ["a node was refused a link"]] {
            let lines = host.logs.matching(|event| is_warning(event, &words));
            assert_eq!(lines.len(), 1, "{lines:?}");
        }
    }
    // A node that may is linked to before anybody calls it.
    let three = node(ours.path(), "three", &[one.peer.unwrap()]).start().await;
    eventually("the link is there", TOLD_WITHIN, async || {
        let link: Value = three.member("one").await["link"].clone();
        if link["state"] == "ok" && link["connections"] == 1 { Ok(()) } else { Err(link.to_string()) }
    })
    .await;
}
