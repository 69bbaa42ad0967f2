//! Unary and streaming calls, from a client through `relay` to `echo`.

use std::time::Duration;

use futures::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::sync::mpsc;

use crate::harness::grpc::{EchoRequest, ask, next};
use crate::harness::guests::{ECHO, HOSTILE, LEAN_BARE, MARKED, RELAY, WASIP3_HELLO, WSTD_HELLO};
use crate::harness::host::Host;
use crate::harness::http::{Client, empty, full, get, next as next_piece, pushed, request, with};
use crate::harness::world::{NO_POLICIES, Place};

crate::both_ways! {
    unary_and_who_calls,
    the_client_streams,
    the_server_streams,
    a_stream_is_not_collected_on_its_way,
    both_sides_stream_and_take_turns,
    large_messages_arrive_whole,
    trailers_pass_between_services_and_out,
    trailers_of_a_request,
    large_bodies_arrive_whole,
    bodies_stream_through_plain_http_in_both_directions,
    a_service_streams_to_another,
    calls_between_services_open_no_sockets,
    methods_and_statuses_pass_as_they_are,
}

async fn unary_and_who_calls(place: Place) {
    let world = place.with(&[&RELAY], &[&ECHO]).await;
    let direct = world.grpc("echo").unary(ask("one", 0, 0)).await.unwrap();
    assert_eq!(direct.get_ref().text, "one");
    assert_eq!(direct.get_ref().caller, "edge");
    let relayed = world.grpc("relay").unary(ask("two", 0, 0)).await.unwrap();
    assert_eq!(relayed.get_ref().text, "two");
    assert_eq!(relayed.get_ref().caller, "relay");
    // And from HTTP to gRPC.
    let reply = world.get("/relay/via/three").await.expect(200);
    assert_eq!(reply.text(), "hello three");
}

async fn the_client_streams(place: Place) {
    let world = place.with(&[&RELAY], &[&ECHO]).await;
    for (service, caller) in [("echo", "edge"), ("relay", "relay")] {
        let texts = (0..500).map(|number| ask(&number.to_string(), 0, 0));
        let reply = world.grpc(service).client_stream(stream::iter(texts)).await;
        let reply = reply.unwrap().into_inner();
        let expected: Vec<String> = (0..500).map(|number: u32| number.to_string()).collect();
        assert_eq!(reply.text, expected.join(","));
        assert_eq!(reply.count, 500);
        assert_eq!(reply.caller, caller);
        let nothing = world.grpc(service).client_stream(stream::empty()).await;
        assert_eq!(nothing.unwrap().into_inner().count, 0);
    }
}

async fn the_server_streams(place: Place) {
    let world = place.with(&[&RELAY], &[&ECHO]).await;
    for service in ["echo", "relay"] {
        for count in [0, 1, 1000] {
            let replies = world.grpc(service).server_stream(ask("x", count, 0)).await;
            let mut replies = replies.unwrap().into_inner();
            for number in 0..count {
                let reply = next(&mut replies).await.unwrap().expect("not the end");
                assert_eq!((reply.count, &*reply.text), (number, "x"));
            }
            assert_eq!(next(&mut replies).await.unwrap(), None);
        }
    }
}

/// Messages come while the stream goes on: nobody on the way waits for its end.
async fn a_stream_is_not_collected_on_its_way(place: Place) {
    let world = place.with(&[&RELAY], &[&ECHO]).await;
    // The last message would come after a minute.
    let replies = world.grpc("relay").server_stream(ask("x", 60, 1000)).await;
    let mut replies = replies.unwrap().into_inner();
    let first = next(&mut replies).await.unwrap().expect("not the end");
    assert_eq!(first.count, 0);
}

async fn both_sides_stream_and_take_turns(place: Place) {
    let world = place.with(&[&RELAY], &[&ECHO]).await;
    for service in ["echo", "relay"] {
        let (sender, mut receiver) = mpsc::channel::<EchoRequest>(1);
        let requests = stream::poll_fn(move |context| receiver.poll_recv(context));
        let call = tokio::spawn({
            let mut echo = world.grpc(service);
            async move { echo.bidi(requests).await }
        });
        // Some implementations answer only when there is something to answer to.
        sender.send(ask("0", 0, 0)).await.unwrap();
        let mut replies = call.await.unwrap().unwrap().into_inner();
        for number in 0..200_u32 {
            let reply = next(&mut replies).await.unwrap().expect("not the end");
            assert_eq!((reply.count, reply.text), (number, number.to_string()));
            // Only now, so that the exchange stands still unless every message gets through by itself.
            sender.send(ask(&(number + 1).to_string(), 0, 0)).await.unwrap();
        }
        drop(sender);
        assert!(next(&mut replies).await.unwrap().is_some(), "the last one");
        assert_eq!(next(&mut replies).await.unwrap(), None);
    }
}

async fn large_messages_arrive_whole(place: Place) {
    let world = place.with(&[&RELAY], &[&ECHO]).await;
    // Below and above what travels in one piece, and near the default limit of a message.
    for len in [1, 64 * 1024 - 16, 64 * 1024, 1_000_000, 4_000_000] {
        let text: String = ('a'..='z').cycle().take(len).collect();
        let reply = world.grpc("relay").unary(ask(&text, 0, 0)).await.unwrap();
        assert!(reply.get_ref().text == text, "{len} bytes differ");
    }
}

async fn trailers_pass_between_services_and_out(place: Place) {
    let world = place.with(&[&LEAN_BARE], &[&MARKED]).await;
    let client = Client::h2(world.edge);
    for path in ["/marked/stream/5/1", "/lean-bare/call/marked/stream/5/1"] {
        let request = with(get(&world.url(path)), "te", "trailers");
        let reply = client.send(request).await.expect(200);
        assert_eq!(reply.text(), "marker:00000000;".repeat(5), "{path}");
        assert_eq!(reply.trailer("x-marker"), "marker:00000000;", "{path}");
    }
}

/// What comes behind a request's body reaches the guest, too.
async fn trailers_of_a_request(place: Place) {
    let world = place.with(&[], &[&LEAN_BARE]).await;
    for path in ["/lean-bare/x", "/lean-bare/stream"] {
        let trailers = http::HeaderMap::from_iter([("x-last".parse().unwrap(), "word".parse().unwrap())]);
        let frames = [Frame::data("body".into()), Frame::trailers(trailers)].map(Ok);
        let body = BodyExt::boxed(StreamBody::new(stream::iter(frames)));
        let request = with(request("POST", &world.url(path), body), "te", "trailers");
        let reply = Client::h2(world.edge).send(request).await.expect(200);
        assert!(reply.text().ends_with("body"), "{path}: {reply}");
        assert_eq!(reply.trailer("x-last"), "word", "{path}");
    }
}

async fn large_bodies_arrive_whole(place: Place) {
    const MIB: usize = 64;
    let limits = "[limits]\ncpu_ms = 10000\nbody_bytes_max = 0\n";
    let plan = place.plan().callee(&HOSTILE).manifest("hostile", limits);
    let world = plan.caller(&ECHO).manifest("echo", limits).start().await;
    for client in [Client::h1(world.edge), Client::h2(world.edge)] {
        for path in [format!("/hostile/big-response/{MIB}"), format!("/echo/call/hostile/big-response/{MIB}")] {
            let reply = client.get(&world.url(&path)).await.expect(200);
            assert_eq!(reply.body.len(), MIB << 20, "{path}");
            assert!(reply.body.iter().all(|byte| *byte == b'x'), "{path}");
        }
        let sent: Vec<u8> = (0..MIB << 20).map(|at| (at / 7) as u8).collect();
        let reply = client.post(&world.url("/echo/echo-stream"), sent.clone()).await.expect(200);
        assert!(reply.body == sent, "what came back is not what was sent");
    }
}

async fn bodies_stream_through_plain_http_in_both_directions(place: Place) {
    let world = place.with(&[], &[&ECHO, &LEAN_BARE, &WASIP3_HELLO, &WSTD_HELLO]).await;
    for path in ["/echo/echo-stream", "/lean-bare/stream", "/wasip3-hello/echo", "/wstd-hello/echo"] {
        let (sender, body) = pushed();
        let client = Client::h2(world.edge);
        let opening = tokio::spawn({
            let request = request("POST", &world.url(path), body);
            async move { client.open(request).await.unwrap() }
        });
        sender.send(Ok("first".into())).await.unwrap();
        let mut response = opening.await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        let mut seen = String::new();
        let skip = if path.starts_with("/lean-bare") { "POST /stream\n" } else { "" };
        for piece in ["second", "third", "fourth"] {
            let expected = seen_after(&seen, skip, "first");
            while seen.len() < expected.len() {
                let bytes = next_piece(response.body_mut()).await.expect("more").unwrap();
                seen += std::str::from_utf8(&bytes).unwrap();
            }
            sender.send(Ok(piece.into())).await.unwrap();
            while !seen.ends_with(piece) {
                let bytes = next_piece(response.body_mut()).await.expect("more").unwrap();
                seen += std::str::from_utf8(&bytes).unwrap();
            }
        }
        drop(sender);
        assert!(next_piece(response.body_mut()).await.is_none(), "{path}");
        assert_eq!(seen, format!("{skip}firstsecondthirdfourth"), "{path}");
    }
}

fn seen_after(seen: &str, skip: &str, first: &str) -> String {
    if seen.is_empty() { format!("{skip}{first}") } else { seen.to_owned() }
}

/// A service sends a request over time, and its callee reads it as it comes.
async fn a_service_streams_to_another(place: Place) {
    let world = place.plan().callee(&ECHO).caller_as("front", &ECHO).start().await;
    for chunks in [0, 1, 500] {
        let reply = world.post(&format!("/front/upload/echo/{chunks}"), "").await.expect(200);
        assert_eq!(reply.text(), (chunks * 1024).to_string());
    }
}

/// Every call of one service to another is a function call, not a connection; and between hosts one connection is enough for
/// all of them.
async fn calls_between_services_open_no_sockets(place: Place) {
    let world = place.with(&[&RELAY], &[&ECHO]).await;
    let mut relay = world.grpc("relay");
    relay.unary(ask("warm", 0, 0)).await.unwrap();
    let sockets = || {
        let files = std::fs::read_dir(format!("/proc/{}/fd", world.home("relay").process.pid())).unwrap();
        let links = files.filter_map(|file| std::fs::read_link(file.unwrap().path()).ok());
        links.filter(|link| link.to_string_lossy().starts_with("socket:")).count()
    };
    let before = sockets();
    let calls = (0..50).map(|_| {
        let mut relay = relay.clone();
        tokio::spawn(async move { relay.unary(ask("x", 0, 2_000)).await.map(drop) })
    });
    let calls: Vec<_> = calls.collect();
    world.in_flight("echo", 50).await;
    let during = sockets();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    // One of its own for the client that asks for metrics, which may be there or gone.
    assert!(during <= before + 1, "{before} sockets before, {during} during");
}

async fn methods_and_statuses_pass_as_they_are(place: Place) {
    let world = {
        let mut plan = place.plan().callee(&ECHO).caller_as("front", &ECHO).caller(&LEAN_BARE);
        for name in ["echo", "front", "lean-bare"] {
            plan = plan.manifest(name, NO_POLICIES);
        }
        plan.start().await
    };
    for method in ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "REPORT"] {
        let request = request(method, &world.url("/lean-bare/x"), full("body"));
        let reply = world.http.send(request).await.expect(200);
        assert_eq!(reply.text(), format!("{method} /x\nbody"));
    }
    let head = request("HEAD", &world.url("/lean-bare/x"), empty());
    let reply = world.http.send(head).await.expect(200);
    assert_eq!(reply.text(), "");
    for status in [201, 202, 204, 301, 304, 400, 404, 418, 429, 500, 503, 599] {
        let reply = world.get(&format!("/echo/status/{status}")).await;
        assert_eq!(reply.status, status);
        let reply = world.get(&format!("/front/call/echo/status/{status}")).await;
        assert_eq!(reply.status, status);
        let reply = world.get(&format!("/lean-bare/call/echo/status/{status}")).await;
        assert_eq!(reply.status, status);
    }
}

/// Calls that share an instance may wait for each other.
#[tokio::test]
async fn calls_on_one_instance_can_wake_each_other() {
    let host = Host::builder().guest(&ECHO).manifest("echo", "[instances]\nmax = 1\n").start().await;
    let waiting: Vec<_> = (0..10)
        .map(|_| {
            let (http, url) = (host.http.clone(), host.url("/echo/wait"));
            tokio::spawn(async move { http.get(&url).await })
        })
        .collect();
    host.in_flight("echo", 10).await;
    // In flight is not yet waiting: ask until all have heard.
    let woken = crate::harness::wait::eventually("all are woken", Duration::from_secs(8), async || {
        host.post("/echo/notify", "").await.expect(200);
        let left = waiting.iter().filter(|call| !call.is_finished()).count();
        if left == 0 { Ok(()) } else { Err(format!("{left} wait")) }
    });
    woken.await;
    for call in waiting {
        assert_eq!(call.await.unwrap().expect(200).text(), "notified");
    }
}
