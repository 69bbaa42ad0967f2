//! Nodes join, leave, die, freeze and come back, and the edge of every node serves what the cluster has.

use std::time::Duration;

use crate::harness::cluster::{Cluster, QUICK};
use crate::harness::grpc::ask;
use crate::harness::guests::{ECHO, RELAY};
use crate::harness::host::Host;
use crate::harness::tiny::answering;

fn node(name: &str) -> crate::harness::builder::Builder {
    Host::builder().config(QUICK).module(name, &answering(name))
}

#[tokio::test]
async fn nodes_come_and_go() {
    let mut cluster = Cluster::start([("one", node("one")), ("two", node("two"))]).await;
    for viewer in ["one", "two"] {
        for service in ["one", "two"] {
            let reply = cluster.host(viewer).get(&format!("/{service}/")).await.expect(200);
            assert_eq!(reply.text(), service, "at the edge of {viewer}");
        }
    }

    cluster.add("three", node("three")).await;
    cluster.settled().await;
    cluster.host("one").get("/three/").await.expect(200);
    let id = cluster.sees("one", "three", "it is alive", |three| three["state"] == "alive").await["id"].clone();

    // One that leaves says so, and nobody has to find out.
    assert!(cluster.stop("three").await.success());
    cluster.sees("one", "three", "it has left", |three| three["state"] == "down").await;
    cluster.host("one").get("/three/").await.expect_problem(404, "not-found");

    // It comes back where it was, as somebody else.
    cluster.start_again("three").await;
    cluster.settled().await;
    cluster.host("two").get("/three/").await.expect(200);
    let back = cluster.sees("one", "three", "it is back", |three| three["state"] == "alive").await;
    assert_ne!(back["id"], id);

    // One that dies is missed.
    cluster.kill("three");
    cluster.sees("one", "three", "it is dead", |three| three["state"] == "down").await;
    assert_eq!(cluster.running().count(), 2);
    let peer = cluster.peer("three");
    cluster.start_again("three").await;
    cluster.settled().await;
    assert_eq!(cluster.peer("three"), peer);
    cluster.host("one").get("/three/").await.expect(200);

    // One that says nothing for a while is suspected, and objects when it can.
    cluster.freeze("three");
    cluster.sees("one", "three", "it is missed", |three| three["state"] != "alive").await;
    cluster.thaw("three");
    cluster.settled().await;
    cluster.host("one").get("/three/").await.expect(200);
}

/// A node that knows only somebody who is gone finds the others when that one is back.
#[tokio::test]
async fn the_first_node_may_be_away() {
    let mut cluster = Cluster::start([("one", node("one")), ("two", node("two"))]).await;
    cluster.kill("one");
    cluster.host("two").get("/two/").await.expect(200);
    cluster.start_again("one").await;
    cluster.settled().await;
    cluster.host("two").get("/one/").await.expect(200);
}

/// A module that is put into one node's folder is there for all of them, and so is its next version, and its removal.
#[tokio::test]
async fn what_one_node_gets_all_nodes_serve() {
    let cluster = Cluster::start([("one", node("one")), ("two", node("two"))]).await;
    let (one, two) = (cluster.host("one"), cluster.host("two"));
    one.get("/late/").await.expect_problem(404, "not-found");
    two.install("late", &answering("first"));
    one.answers("/late/", 200, "first").await;
    two.install("late", &answering("second"));
    one.answers("/late/", 200, "second").await;
    two.remove("late");
    one.answers("/late/", 404, "").await;
}

/// Names, prefixes, hosts and routes of manifests, and gRPC services lead to other nodes.
#[tokio::test]
async fn the_edge_of_every_node_knows_all_routes() {
    let routed = "[[route]]\nhost = 'shop.example'\npath = '/buy/{*rest}'\n[[route]]\nhost = 'shop.localhost'\npath = '/{*rest}'\n";
    let cluster = Cluster::start([
        ("front", Host::builder().arguments(&["--zone", "a"])),
        ("back", Host::builder().arguments(&["--zone", "b"]).guest(&ECHO)),
        ("routed", Host::builder().module("shop", &answering("shop")).manifest("shop", routed)),
    ])
    .await;
    let front = cluster.host("front");
    assert_eq!(front.member("back").await["zone"], "b");
    assert_eq!(front.get("/echo/hello/x").await.expect(200).text(), "hello x");
    let url = format!("http://echo.localhost:{}/hello/y", front.edge.port());
    assert_eq!(front.http.get(&url).await.expect(200).text(), "hello y");
    let url = format!("http://shop.example:{}/buy/this", front.edge.port());
    assert_eq!(front.http.get(&url).await.expect(200).text(), "shop");
    let url = format!("http://shop.example:{}/sell/this", front.edge.port());
    assert_eq!(front.http.get(&url).await.status, 404);
    let reply = front.grpc("echo").unary(ask("z", 0, 0)).await.unwrap();
    assert_eq!(reply.get_ref().text, "z");
    // And through the name of the gRPC service alone.
    let reply = front.grpc_post("/hostel.test.v1.Echo/Unary", vec![0; 5]).await;
    assert_eq!((reply.status, reply.trailer("grpc-status")), (200, "0"), "{reply}");
}

/// Calls are counted on both ends: as remote where they come from, as local where they are served.
#[tokio::test]
async fn remoteness_is_not_hidden_from_the_operator() {
    let cluster = Cluster::start([
        ("edge", Host::builder()),
        ("caller", Host::builder().guest(&RELAY)),
        ("callee", Host::builder().guest(&ECHO)),
    ])
    .await;
    for _ in 0..3 {
        cluster.host("edge").get("/relay/via/x").await.expect(200);
    }
    let counted = async |node: &str, service: &str, locality: &str| {
        let metrics = cluster.host(node).metrics().await;
        metrics.sum("hostel_calls_total", &[("service", service), ("locality", locality)])
    };
    for (node, service, locality, calls) in [
        ("edge", "relay", "remote", 3.0),
        ("edge", "relay", "local", 0.0),
        ("edge", "echo", "remote", 0.0),
        ("caller", "relay", "local", 3.0),
        ("caller", "relay", "remote", 0.0),
        ("caller", "echo", "remote", 3.0),
        ("caller", "echo", "local", 0.0),
        ("callee", "echo", "local", 3.0),
        ("callee", "echo", "remote", 0.0),
        ("callee", "relay", "local", 0.0),
    ] {
        assert_eq!(counted(node, service, locality).await, calls, "{node}: {service}, {locality}");
    }
    let link = cluster.host("edge").member("caller").await["link"].clone();
    assert!(link["connections"].as_u64().is_some_and(|connections| connections > 0), "{link}");
    let link = cluster.host("edge").member("callee").await["link"].clone();
    assert!(link["in_flight"].as_u64().is_none_or(|calls| calls == 0), "{link}");
    crate::harness::wait::eventually("nothing is in flight", Duration::from_secs(5), async || {
        let report = cluster.host("edge").cluster().await;
        let left = report["client"]["in_flight"].as_u64();
        (left == Some(0)).then_some(()).ok_or_else(|| report.to_string())
    })
    .await;
}

/// A node that says it is ready serves what the cluster has: whoever sends it clients looks at nothing else.
#[tokio::test]
async fn a_node_that_is_ready_knows_what_others_serve() {
    let mut cluster = Cluster::start([("one", node("one")), ("two", node("two"))]).await;
    for late in ["three", "four", "five"] {
        cluster.add(late, Host::builder()).await;
        cluster.host(late).get("/one/").await.expect(200);
        cluster.host(late).get("/two/").await.expect(200);
    }
}
