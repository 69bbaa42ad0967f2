//! What becomes of a stream when a node at one of its ends stops, dies or freezes: the other end learns of it soon, and
//! nobody works for somebody who is gone.

use std::time::Duration;

use hyper::body::Incoming;
use tokio::time::Instant;
use tonic::{Code, Streaming};

use crate::harness::builder::Builder;
use crate::harness::cluster::{Cluster, QUICK};
use crate::harness::grpc::{EchoReply, ask, next};
use crate::harness::guests::{ECHO, RELAY};
use crate::harness::host::Host;
use crate::harness::http::{Client, get, next as next_piece};
use crate::harness::wait::within;

/// How soon an end that is gone must have been noticed. Much sooner than the time of a call, which is ten seconds.
const NOTICED: Duration = Duration::from_secs(4);

fn quick() -> Builder {
    Host::builder().config(QUICK)
}

async fn cluster() -> Cluster {
    Cluster::start([("edge", quick()), ("caller", quick().guest(&RELAY)), ("callee", quick().guest(&ECHO))]).await
}

/// A stream that would go on for longer than any test.
async fn stream(host: &Host) -> http::Response<Incoming> {
    let client = Client::h2(host.edge);
    let mut response = client.open(get(&host.url("/echo/stream/100000?gap_ms=5"))).await.unwrap();
    assert_eq!(response.status(), 200);
    next_piece(response.body_mut()).await.expect("a piece").unwrap();
    response
}

/// Reads to the end, which must be soon, and not look like a good one.
async fn breaks_off(mut response: http::Response<Incoming>) {
    let end = async {
        loop {
            match next_piece(response.body_mut()).await {
                Some(Ok(_)) => {}
                end => break end,
            }
        }
    };
    let end = within("the stream breaks off", NOTICED, end).await;
    assert!(matches!(end, Some(Err(_))), "it ended well");
}

/// The same as messages of gRPC.
async fn messages(host: &Host, service: &str) -> Streaming<EchoReply> {
    let replies = host.grpc(service).server_stream(ask("x", 1_000_000, 5)).await;
    let mut replies = replies.unwrap().into_inner();
    next(&mut replies).await.unwrap().expect("a message");
    replies
}

async fn idle(host: &Host, service: &str) {
    within(&format!("{service} is at rest"), NOTICED, host.in_flight(service, 0)).await;
}

#[tokio::test]
async fn a_callee_that_dies_breaks_the_stream_off() {
    let mut cluster = cluster().await;
    let response = stream(cluster.host("edge")).await;
    let relayed = messages(cluster.host("edge"), "relay").await;
    let direct = messages(cluster.host("edge"), "echo").await;
    cluster.kill("callee");
    let killed = Instant::now();
    breaks_off(response).await;
    let end = async |mut replies: Streaming<EchoReply>| {
        loop {
            if let Err(status) = next(&mut replies).await {
                break status;
            }
        }
    };
    let status = within("the stream breaks off", NOTICED, end(relayed)).await;
    // A guest hears that a body broke off, and not why: what `relay` says of it is its own.
    assert_eq!(status.code(), Code::Internal, "{status:?}");
    let status = within("the stream breaks off", NOTICED, end(direct)).await;
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    // The system says so at once: nobody has to wait for a sign of life.
    assert!(killed.elapsed() < Duration::from_secs(1), "{:?}", killed.elapsed());
    idle(cluster.host("edge"), "echo").await;
    idle(cluster.host("edge"), "relay").await;
    idle(cluster.host("caller"), "relay").await;
    idle(cluster.host("caller"), "echo").await;
}

#[tokio::test]
async fn a_callee_that_freezes_breaks_the_stream_off() {
    let mut cluster = cluster().await;
    let response = stream(cluster.host("edge")).await;
    cluster.freeze("callee");
    breaks_off(response).await;
    idle(cluster.host("edge"), "echo").await;
    // When it wakes up, it stops working for whoever has given it up.
    cluster.thaw("callee");
    idle(cluster.host("callee"), "echo").await;
    cluster.settled().await;
    cluster.host("edge").get("/echo/hello/x").await.expect(200);
}

#[tokio::test]
async fn nobody_works_for_a_caller_that_died() {
    let mut cluster = cluster().await;
    let _replies = messages(cluster.host("edge"), "relay").await;
    cluster.host("callee").in_flight("echo", 1).await;
    cluster.kill("caller");
    idle(cluster.host("callee"), "echo").await;
    idle(cluster.host("edge"), "relay").await;
}

#[tokio::test]
async fn nobody_works_for_a_caller_that_froze() {
    let mut cluster = cluster().await;
    let response = stream(cluster.host("edge")).await;
    cluster.host("callee").in_flight("echo", 1).await;
    cluster.freeze("edge");
    idle(cluster.host("callee"), "echo").await;
    cluster.thaw("edge");
    breaks_off(response).await;
}

/// A unary call that nobody answers any more fails as soon as that is known, and says that it may have been done.
#[tokio::test]
async fn a_unary_call_does_not_wait_for_the_dead() {
    let mut cluster = cluster().await;
    let edge = cluster.host("edge");
    let (http, url) = (edge.http.clone(), edge.url("/echo/sleep/9000"));
    let mut relay = edge.grpc("relay");
    let plain = tokio::spawn(async move { http.post(&url, "").await });
    let grpc = tokio::spawn(async move { relay.unary(ask("x", 0, 9_000)).await });
    cluster.host("callee").in_flight("echo", 2).await;
    cluster.freeze("callee");
    let reply = within("the call fails", NOTICED, plain).await.unwrap();
    assert!([502, 503].contains(&reply.status), "{reply}");
    let status = within("the call fails", NOTICED, grpc).await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    let metrics = cluster.host("edge").metrics().await;
    let retries = metrics.sum("hostel_retries_total", &[]);
    assert_eq!(retries, 0.0, "a POST was sent again");
}

/// A node that is told to stop lets a stream end that can end in time, and takes no new calls meanwhile.
#[tokio::test]
async fn a_callee_that_stops_finishes_what_it_has() {
    let mut cluster = cluster().await;
    let edge = cluster.host("edge");
    let client = Client::h2(edge.edge);
    let url = edge.url("/echo/stream/100?gap_ms=20");
    let mut response = client.open(get(&url)).await.unwrap();
    next_piece(response.body_mut()).await.expect("a piece").unwrap();
    let reading = tokio::spawn(async move {
        let mut seen = 1024;
        while let Some(piece) = next_piece(response.body_mut()).await {
            seen += piece.map_err(|error| format!("after {seen} bytes: {error}"))?.len();
        }
        Ok::<_, String>(seen)
    });
    assert!(cluster.stop("callee").await.success());
    assert_eq!(reading.await.unwrap(), Ok(100 * 1024));
    cluster.host("edge").get("/echo/hello/x").await.expect_problem(404, "not-found");
}

/// One that cannot end in time is broken off.
#[tokio::test]
async fn a_callee_that_stops_does_not_wait_for_ever() {
    let callee = quick().environment("HOSTEL_PEER_DRAIN_MS", "300").guest(&ECHO);
    let mut cluster = Cluster::start([("edge", quick()), ("callee", callee)]).await;
    let response = stream(cluster.host("edge")).await;
    let begun = Instant::now();
    cluster.stop("callee").await;
    assert!(begun.elapsed() < NOTICED, "{:?}", begun.elapsed());
    breaks_off(response).await;
    idle(cluster.host("edge"), "echo").await;
}

/// The node of the client's edge stops: what its clients have under way may end, too.
#[tokio::test]
async fn a_caller_that_stops_finishes_what_it_has() {
    let mut cluster = cluster().await;
    let edge = cluster.host("edge");
    let (http, url) = (edge.http.clone(), edge.url("/relay/via/x"));
    http.get(&url).await.expect(200);
    let mut relay = edge.grpc("relay");
    let slow = tokio::spawn(async move { relay.unary(ask("x", 0, 1_000)).await });
    cluster.host("callee").in_flight("echo", 1).await;
    let stopped = cluster.stop("caller").await;
    assert!(stopped.success(), "{stopped}");
    assert_eq!(slow.await.unwrap().unwrap().get_ref().text, "x");
}
