//! A cluster on `::1`: all addresses of hosts, seeds and tokens may be of IPv6.

use std::net::{Ipv6Addr, SocketAddr, TcpListener, UdpSocket};

use crate::harness::cluster::{Cluster, QUICK};
use crate::harness::command::hostel;
use crate::harness::guests::{ECHO, RELAY};
use crate::harness::host::Host;
use crate::harness::tiny::answering;

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V6(Ipv6Addr::LOCALHOST), 0);

/// Whether the machine has `::1`. Containers often have not.
fn has_loopback() -> bool {
    let both = TcpListener::bind(ANY).and_then(|_| UdpSocket::bind(ANY));
    if let Err(error) = &both {
        eprintln!("skipped: this machine has no IPv6 loopback: {error}");
    }
    both.is_ok()
}

#[tokio::test]
async fn three_hosts_call_each_other() {
    if !has_loopback() {
        return;
    }
    let builder = || Host::builder().config(QUICK).at(ANY.ip());
    let mut cluster = Cluster::start([
        ("one", builder().module("one", &answering("one"))),
        ("two", builder().guest(&ECHO)),
        ("three", builder().guest(&RELAY)),
    ])
    .await;
    for name in ["one", "two", "three"] {
        let host = cluster.host(name);
        assert!(host.edge.is_ipv6() && host.admin.is_ipv6() && cluster.peer(name).is_ipv6());
        // From the edge to a service elsewhere; and from there to one on the third host.
        assert_eq!(host.get("/one/").await.expect(200).text(), "one", "at the edge of {name}");
        assert_eq!(host.get("/echo/hello/x").await.expect(200).text(), "hello x", "at the edge of {name}");
        assert!(host.get("/relay/via/x").await.expect(200).text().contains('x'), "at the edge of {name}");
    }
    let admin = cluster.host("one").admin.to_string();
    let shown = hostel(cluster.ca(), &["cluster", "status", "--admin", &admin]).await.expect(0);
    assert!(shown.out.contains(&cluster.peer("two").to_string()) && shown.out.contains("2 alive"), "{shown}");

    // A token with a seed of IPv6 brings a fourth one there.
    let seed = cluster.peer("one").to_string();
    let ca = cluster.ca().to_str().unwrap();
    let token = hostel(cluster.ca(), &["cluster", "token", ca, "--node", "four", "--seed", &seed]).await.expect(0);
    let dir = tempfile::tempdir().unwrap();
    let joined = hostel(dir.path(), &["cluster", "join", &token.out]).await.expect(0);
    assert!(joined.out.contains("--peer [::1]:7947") && joined.out.contains(&seed), "{joined}");
    let folder = dir.path().join("cluster");
    let arguments = ["--cluster", folder.to_str().unwrap(), "--peer", "[::1]:0"];
    let four = builder().arguments(&arguments).start().await;
    assert!(four.peer.is_some_and(|peer| peer.is_ipv6()));
    four.answers("/echo/hello/x", 200, "hello x").await;
    cluster.sees("one", "four", "it is alive", |four| four["state"] == "alive").await;
    cluster.stop("two").await;
}
