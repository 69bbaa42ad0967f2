//! Sizes: bodies, headers, and what is logged.

use std::time::Duration;

use bytes::Bytes;
use http::Request;

use super::hostiles;
use crate::harness::guests::{ECHO, HOSTILE, LEAN_BARE, WASIP3_HELLO, WSTD_HELLO};
use crate::harness::host::Host;
use crate::harness::http::{Body, Client, full, get, pushed, request, with};
use crate::harness::wait::eventually;
use crate::harness::world::Place;

crate::both_ways! {
    a_request_body,
    a_request_body_by_default,
    headers,
    headers_of_a_response,
}

/// A body without a length, in several pieces.
fn streamed(len: usize) -> Body {
    let (sender, body) = pushed();
    tokio::spawn(async move {
        let mut left = len;
        while left > 0 {
            let piece = left.min(100);
            left -= piece;
            if sender.send(Ok(Bytes::from(vec![b'x'; piece]))).await.is_err() {
                return;
            }
        }
    });
    body
}

async fn a_request_body(place: Place) {
    let mut plan = place.plan();
    for guest in [&ECHO, &LEAN_BARE, &WASIP3_HELLO, &WSTD_HELLO] {
        plan = plan.callee(guest).manifest(guest.name, "[limits]\nbody_bytes_max = 1000\n");
    }
    let world = plan.start().await;
    for client in [Client::h1(world.edge), Client::h2(world.edge)] {
        for path in
            ["/echo/echo", "/echo/count", "/lean-bare/x", "/lean-bare/stream", "/wasip3-hello/echo", "/wstd-hello/echo"]
        {
            for len in [0, 1000] {
                for body in [full(vec![b'x'; len]), streamed(len)] {
                    client.send(request("POST", &world.url(path), body)).await.expect(200);
                }
            }
            // Said beforehand, it is refused beforehand.
            let too_large = request("POST", &world.url(path), full(vec![b'x'; 1001]));
            client.send(too_large).await.expect_problem(413, "body-too-large");
            // Otherwise when it shows, unless the answer has begun by then; but never is it taken.
            let too_large = request("POST", &world.url(path), streamed(5000));
            match client.try_send(too_large).await {
                Ok(reply) if reply.status == 413 => drop(reply.expect_problem(413, "body-too-large")),
                Ok(reply) if path == "/echo/count" || path == "/lean-bare/x" => {
                    assert_eq!(reply.status, 400, "{path}: the guest saw it break off: {reply}");
                }
                Ok(reply) => panic!("{path}: {reply}"),
                Err(_) => {}
            }
        }
    }
    for service in ["echo", "lean-bare", "wasip3-hello", "wstd-hello"] {
        world.in_flight(service, 0).await;
    }
}

async fn a_request_body_by_default(place: Place) {
    let world = place.with(&[], &[&ECHO]).await;
    const MAX: usize = 4 << 20;
    let reply = world.post("/echo/echo-stream", vec![b'x'; MAX]).await.expect(200);
    assert_eq!(reply.body.len(), MAX);
    let reply = world.post("/echo/echo-stream", vec![b'x'; MAX + 1]).await;
    reply.expect_problem(413, "body-too-large");
}

fn with_header(url: &str, len: usize) -> Request<Body> {
    with(get(url), "x-large", &"x".repeat(len))
}

async fn headers(place: Place) {
    let world = place
        .plan()
        .callee(&ECHO)
        .manifest("echo", "[limits]\nheaders_bytes_max = 2048\n")
        .callee_as("open", &ECHO)
        .start()
        .await;
    for client in [Client::h1(world.edge), Client::h2(world.edge)] {
        let url = world.url("/echo/hello/x");
        client.send(with_header(&url, 1000)).await.expect(200);
        let reply = client.send(with_header(&url, 2100)).await;
        reply.expect_problem(431, "headers-too-large");
        // The edge's own limit, for all services.
        let url = world.url("/open/hello/x");
        client.send(with_header(&url, 8000)).await.expect(200);
        let reply = client.try_send(with_header(&url, 40_000)).await;
        // HTTP/2 may refuse it without a response of its own.
        if let Ok(reply) = reply {
            assert_eq!(reply.status, 431, "{reply}");
        }
        let many = (0..150).fold(get(&url), |request, _| with(request, "x-many", "1"));
        if let Ok(reply) = client.try_send(many).await {
            assert_eq!(reply.status, 431, "{reply}");
        }
        client.send(get(&url)).await.expect(200);
    }
}

async fn headers_of_a_response(place: Place) {
    let world = hostiles(place, "").start().await;
    for path in [
        "/hostile/bad-headers/huge",
        "/hostile/bad-headers/many",
        "/hostile-lean/bad-headers/huge",
        "/hostile-lean/bad-headers/many",
        "/hostile-lean/bad-trailers/huge",
        "/hostile-lean/bad-trailers/many",
    ] {
        for client in [Client::h1(world.edge), Client::h2(world.edge)] {
            // Too much for the client, perhaps; then it says so.
            if let Ok(reply) = client.try_send(get(&world.url(path))).await {
                assert!([200, 502].contains(&reply.status), "{path}: {reply}");
            }
        }
        world.answers("/hostile/ok", 200, "ok").await;
        world.answers("/hostile-lean/ok", 200, "ok").await;
    }
}

#[tokio::test]
async fn lines_in_the_log() {
    let host = Host::builder()
        .guest(&HOSTILE)
        .manifest("hostile", "[limits]\nlog_lines_per_s_max = 20\nlog_line_bytes_max = 500\n")
        .guest(&ECHO)
        .start()
        .await;
    let logs = host.logs.onward();
    host.get("/hostile/log-flood/5000").await.expect(200);
    // Counted, not written.
    eventually("the dropped lines are counted", Duration::from_secs(10), async || {
        let metrics = host.metrics().await;
        let dropped = metrics.sum("hostel_guest_log_lines_dropped_total", &[("service", "hostile")]);
        let wanted = (4000.0..5000.0).contains(&dropped);
        wanted.then_some(()).ok_or_else(|| dropped.to_string())
    })
    .await;
    let written = logs.matching(|event| event.is_about("hostile") && event.message().contains("and on")).len();
    assert!((20..=200).contains(&written), "{written} lines were written");
    // Others have limits of their own.
    host.get("/echo/log/still-heard").await.expect(200);
    logs.wait_for("another service is heard", Duration::from_secs(5), |event| {
        event.is_about("echo") && event.message().contains("still-heard")
    })
    .await;
    // And after a while it is heard again, with one line about what was not.
    eventually("it is heard again", Duration::from_secs(10), async || {
        host.get("/hostile/log-line/64").await.expect(200);
        let lines = logs.matching(|event| event.is_about("hostile") && event.message().contains("xxxx"));
        let line = lines.first().ok_or("not yet")?;
        assert!(line.message().len() <= 600, "{} bytes in a line", line.message().len());
        Ok(())
    })
    .await;
    let notices = logs.matching(|event| event.is_about("hostile") && event.message().contains("dropped"));
    assert!(!notices.is_empty() && notices.len() < 50, "{notices:?}");
}

/// A service that writes without end is stopped by its CPU time, and the host's log is not full of it.
#[tokio::test]
async fn a_log_without_end() {
    let host = hostiles(Place::Local, "[limits]\ncpu_ms = 500\n").start().await;
    let logs = host.logs.onward();
    host.get("/hostile/log-flood").await.expect_problem(502, "service-failed");
    let written = logs.matching(|event| event.message().contains("and on")).len();
    // 200 a second and twice as many at once.
    assert!(written < 3000, "{written} lines were written");
}
