//! What is sent again, how often, and where to.

use std::time::{Duration, Instant};

use tonic::Code;

use super::{SOON, called, called_is, calls, cluster, echo, get_with, plan, send, total};
use crate::harness::grpc::{ask, framed};
use crate::harness::guests::{ECHO, RELAY};
use crate::harness::host::Host;
use crate::harness::http::{Client, full, get, pushed, request, with};
use crate::harness::logs::Event;
use crate::harness::wait::eventually;
use crate::harness::world::Place;

crate::both_ways! { grpc_methods_that_say_so_are_called_again }

/// The instance that trapped is gone, so it is another one that answers.
#[tokio::test]
async fn after_a_trap_another_instance_answers() {
    let host = echo("").start().await;
    for method in ["GET", "PUT", "DELETE"] {
        plan(&host, method, "2 panic").await;
        let reply = send(&host, method, &format!("/echo/fault/{method}")).await.expect(200);
        assert_eq!(reply.text(), "call 3", "{method}");
    }
    assert_eq!(total(&host, "hostel_retries_total", "echo").await, 6.0);
    let echo = called(&host, "echo").await;
    assert_eq!((&echo["retries"], &echo["endpoints"][0]["failures"]), (&6.into(), &6.into()), "{echo}");
    // Each attempt is a call of its own for whoever counts.
    let metrics = host.metrics().await;
    let counted = |code| metrics.sum("hostel_calls_total", &[("service", "echo"), ("code", code)]);
    assert_eq!((counted("502"), counted("200")), (6.0, 3.0));
}

/// Between services of one host it is the same: the caller sees nothing but the answer.
#[tokio::test]
async fn within_a_host_too() {
    let host = echo("").guest_as("front", &ECHO).start().await;
    plan(&host, "x", "2 panic").await;
    assert_eq!(host.get("/front/call/echo/fault/x").await.expect(200).text(), "call 3");
    plan(&host, "y", "2 503").await;
    assert_eq!(host.get("/front/call/echo/fault/y").await.expect(200).text(), "call 3");
    assert_eq!(total(&host, "hostel_retries_total", "echo").await, 4.0);
    assert_eq!(total(&host, "hostel_retries_total", "front").await, 0.0);
}

/// All attempts belong to the trace of the call that they are made for.
#[tokio::test]
async fn attempts_share_a_trace() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let host = echo("").guest_as("front", &ECHO).start().await;
    for path in ["/echo/fault/x", "/front/call/echo/fault/y"] {
        plan(&host, &path[path.len() - 1..], "2 panic").await;
        let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
        get_with(&host, path, "traceparent", &parent).await.expect(200);
    }
    let mut traced = |event: &Event| event.contains("as planned") && event.contains(TRACE);
    eventually("each of four failures is in the log, with its trace", SOON, async || {
        let seen = host.logs.matching(&mut traced).len();
        (seen == 4).then_some(()).ok_or_else(|| seen.to_string())
    })
    .await;
}

#[tokio::test]
async fn what_may_do_harm_is_sent_once() {
    let host = echo("").start().await;
    for (key, fault, status) in [("panic", "1 panic", 502), ("status", "1 503", 503)] {
        plan(&host, key, fault).await;
        assert_eq!(send(&host, "POST", &format!("/echo/fault/{key}")).await.status, status);
        assert_eq!(calls(&host, key).await, 1);
    }
    // Unless the client promises that it is the same.
    plan(&host, "key", "1 panic").await;
    let post = with(request("POST", &host.url("/echo/fault/key"), full("")), "idempotency-key", "7");
    assert_eq!(host.http.send(post).await.expect(200).text(), "call 2");
    // What is an answer is not asked for again.
    for (key, fault, status) in [("bug", "1 500", 500), ("busy", "1 429", 429), ("missing", "1 404", 404)] {
        plan(&host, key, fault).await;
        assert_eq!(host.get(&format!("/echo/fault/{key}")).await.status, status);
        assert_eq!(calls(&host, key).await, 1, "{fault}");
    }
}

async fn grpc_methods_that_say_so_are_called_again(place: Place) {
    let world = place.plan().caller(&RELAY).callee(&ECHO).start().await;
    for host in world.all() {
        // What methods say of themselves has got about.
        host.answers("/echo/hello/x", 200, "hello x").await;
        host.answers("/relay/via/x", 200, "hello x").await;
    }
    for (service, own) in [("echo", "own"), ("relay", "relayed")] {
        // `Fail` has an `idempotency_level`.
        let key = format!("{own}-fail");
        plan(world.home("echo"), &key, "1 panic").await;
        let status = world.grpc(service).fail(ask(&format!("fault:{key}"), 0, 0)).await.unwrap_err();
        assert_eq!(status.code(), Code::FailedPrecondition, "{service}: {status:?}");
        assert_eq!(calls(world.home("echo"), &key).await, 2, "{service}");
        // `Unary` has none.
        let key = format!("{own}-unary");
        plan(world.home("echo"), &key, "1 panic").await;
        let status = world.grpc(service).unary(ask(&format!("fault:{key}"), 0, 0)).await.unwrap_err();
        assert_eq!(status.code(), Code::Internal, "{service}: {status:?}");
        assert_eq!(calls(world.home("echo"), &key).await, 1, "{service}");
        // A status is as good as a trap.
        let key = format!("{own}-unavailable");
        plan(world.home("echo"), &key, "1 503").await;
        let status = world.grpc(service).fail(ask(&format!("fault:{key}"), 0, 0)).await.unwrap_err();
        assert_eq!(status.code(), Code::FailedPrecondition, "{service}: {status:?}");
    }
}

#[tokio::test]
async fn an_answer_that_has_begun_is_not_begun_again() {
    let host = echo("").start().await;
    plan(&host, "half", "1 half").await;
    let broken = host.http.try_send(get(&host.url("/echo/fault/half"))).await;
    assert!(broken.is_err(), "{broken:?}");
    assert_eq!(calls(&host, "half").await, 1);
    called_is(&host, "echo", "the failure counts", |echo| echo["endpoints"][0]["failures"] == 1).await;
    assert_eq!(total(&host, "hostel_retries_total", "echo").await, 0.0);
}

#[tokio::test]
async fn only_small_bodies_are_kept() {
    let host = echo("").start().await;
    for (key, size, sent) in [("small", 64 * 1024, 2), ("large", 64 * 1024 + 1, 1)] {
        plan(&host, key, "1 503").await;
        let put = request("PUT", &host.url(&format!("/echo/fault/{key}")), full(vec![b'x'; size]));
        let reply = host.http.send(put).await;
        assert_eq!(reply.status, if sent == 2 { 200 } else { 503 }, "{key}: {reply}");
        assert_eq!(calls(&host, key).await, sent, "{key}");
    }
}

/// Clients of gRPC say that a message was the last one in a frame of its own, which may come when the call has been made.
#[tokio::test]
async fn a_body_whose_end_comes_later_is_kept_too() {
    let host = echo("").start().await;
    plan(&host, "x", "1 panic").await;
    let (sender, body) = pushed();
    let url = format!("http://echo.localhost:{}/hostel.test.v1.Echo/Fail", host.edge.port());
    let call = with(with(request("POST", &url, body), "content-type", "application/grpc"), "te", "trailers");
    let client = Client::h2(host.edge);
    let sending = async move {
        sender.send(Ok(framed(&ask("fault:x", 0, 0)))).await.expect("somebody reads");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let (reply, ()) = tokio::join!(client.send(call), sending);
    assert_eq!(reply.header("grpc-status"), "9", "{reply}");
    assert_eq!(calls(&host, "x").await, 2);
}

#[tokio::test]
async fn a_service_says_when_to_come_back() {
    let host = echo("").start().await;
    plan(&host, "soon", "1 later:1").await;
    let begun = Instant::now();
    assert_eq!(host.get("/echo/fault/soon").await.expect(200).text(), "call 2");
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    // Nobody wants to wait for so long.
    plan(&host, "late", "1 later:3").await;
    let reply = host.get("/echo/fault/late").await.expect(503);
    assert_eq!(reply.header("retry-after"), "3");
    assert_eq!(calls(&host, "late").await, 1);
}

/// Ten calls in ten seconds pay for two retries, whoever makes them.
#[tokio::test]
async fn retries_have_a_budget() {
    let policy = "[policy]\nbreaker.enabled = false\nretry = { budget_percent = 20, budget_floor_per_s = 0 }\n";
    let host = echo(policy).start().await;
    plan(&host, "x", "1000 503").await;
    for _ in 0..8 {
        host.get("/echo/hello/x").await.expect(200);
    }
    assert_eq!(host.get("/echo/fault/x").await.expect(503).text(), "call 3");
    assert_eq!(host.get("/echo/fault/x").await.expect(503).text(), "call 4");
    assert_eq!(total(&host, "hostel_retries_total", "echo").await, 2.0);
    assert_eq!(total(&host, "hostel_retries_refused_total", "echo").await, 1.0);
    let echo = called(&host, "echo").await;
    assert_eq!((&echo["retries_refused"], &echo["retry_budget"]), (&1.into(), &0.into()), "{echo}");
}

/// A route has its own word, for calls that come in by it.
#[tokio::test]
async fn routes_differ() {
    let manifest = "
[[route]]
path = '/echo/{*rest}'
strip_prefix = '/echo'
[[route]]
path = '/once/{*rest}'
strip_prefix = '/once'
policy = { retry = { retries_max = 0 } }
[[route]]
path = '/again/{*rest}'
strip_prefix = '/again'
policy = { retry = { idempotent = true, retries_max = 1 } }
";
    let host = echo(manifest).start().await;
    for (method, route, sent) in [("GET", "echo", 3), ("GET", "once", 1), ("POST", "again", 2), ("POST", "echo", 1)] {
        let key = format!("{method}-{route}");
        plan(&host, &key, "2 503").await;
        let reply = send(&host, method, &format!("/{route}/fault/{key}")).await;
        assert_eq!(reply.text(), format!("call {sent}"), "{method} {route}");
    }
}

/// Who has failed is not asked again while there is another.
#[tokio::test]
async fn another_node_is_asked() {
    let policy = "[policy]\nbreaker.enabled = false\noutlier.enabled = false\nretry.budget_percent = 100\n";
    let nodes = [("front", Host::builder()), ("one", echo(policy)), ("two", echo(policy))];
    let cluster = cluster(nodes, "/echo/hello/x").await;
    let (front, one) = (cluster.host("front"), cluster.host("one"));
    plan(one, "x", "1000 503").await;
    for _ in 0..20 {
        front.get("/echo/fault/x").await.expect(200);
    }
    let failed = calls(one, "x").await;
    assert!(failed > 0, "nobody asked it");
    assert_eq!(calls(cluster.host("two"), "x").await, 20);
    assert_eq!(total(front, "hostel_retries_total", "echo").await, failed as f64);
    // Whoever takes a call from another host does not send it on.
    assert_eq!(total(one, "hostel_retries_total", "echo").await, 0.0);
}

/// A node that came while the call was waiting takes it.
#[tokio::test]
async fn a_node_that_has_just_come_is_asked() {
    let policy = "[policy]\nretry.retry_after_ms_max = 10000\n";
    let nodes = [("front", Host::builder()), ("one", echo(policy)), ("two", Host::builder())];
    let cluster = cluster(nodes, "/echo/hello/x").await;
    let (front, one, two) = (cluster.host("front"), cluster.host("one"), cluster.host("two"));
    plan(one, "x", "1 later:6").await;
    let waiting = super::start(front, "/echo/fault/x");
    called_is(front, "echo", "it waits", |echo| echo["retries"] == 1).await;
    two.install_manifest("echo", policy);
    two.install("echo", &ECHO.bytes());
    called_is(front, "echo", "there are two", |echo| echo["endpoints"].as_array().is_some_and(|all| all.len() == 2))
        .await;
    assert_eq!(waiting.await.unwrap().expect(200).text(), "call 1", "it waited for the one that had failed");
    assert_eq!((calls(one, "x").await, calls(two, "x").await), (1, 1));
}
