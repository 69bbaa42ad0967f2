//! How calls end: with an error and its details, before the first message or in the middle, or because one side has
//! had enough.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::{StreamExt, stream};
use prost::Message;
use tonic::{Code, Status};

use crate::harness::grpc::{FailDetail, RichStatus, ask, next};
use crate::harness::guests::{ECHO, HOSTILE, HOSTILE_LEAN, HOSTILE2, LEAN_BARE, RELAY};
use crate::harness::http::{Client, next as next_piece, pushed, request};
use crate::harness::wait::{LONG, within};
use crate::harness::world::{NO_POLICIES, Place};

crate::both_ways! {
    errors_keep_their_details,
    an_error_after_messages_comes_after_them,
    unknown_methods_and_services_are_unimplemented,
    the_callee_may_answer_before_the_request_has_ended,
    a_service_that_sends_without_end_is_stopped,
    a_client_stream_that_breaks_off_reaches_the_callee_as_an_end,
    bodies_that_break_off_do_not_end_well,
    a_callee_that_is_removed_is_not_found,
}

#[track_caller]
fn assert_failed_as_asked(status: &Status, reason: &str) {
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    assert_eq!(status.message(), "failed as asked, 100 % ✓");
    let details = RichStatus::decode(status.details()).unwrap();
    assert_eq!(details.code, Code::FailedPrecondition as i32);
    assert_eq!(details.details.len(), 1);
    let detail = FailDetail::decode(&*details.details[0].value).unwrap();
    assert_eq!(detail.reason, reason);
    let metadata = status.metadata().get("x-reason");
    assert_eq!(metadata.map(|value| value.as_bytes()), Some(&b"asked"[..]));
}

async fn errors_keep_their_details(place: Place) {
    let world = place.with(&[&RELAY], &[&ECHO]).await;
    for service in ["echo", "relay"] {
        let status = world.grpc(service).fail(ask("why", 0, 0)).await.unwrap_err();
        assert_failed_as_asked(&status, "why");
    }
}

async fn an_error_after_messages_comes_after_them(place: Place) {
    let world = place.with(&[&RELAY], &[&ECHO]).await;
    for service in ["echo", "relay"] {
        for count in [0, 1, 100] {
            let replies = world.grpc(service).fail_late(ask("late", count, 0)).await;
            let status = match replies {
                // Nothing was sent before: it may be an error at once.
                Err(status) if count == 0 => status,
                Err(status) => panic!("{status:?}"),
                Ok(replies) => {
                    let mut replies = replies.into_inner();
                    for number in 0..count {
                        let reply = next(&mut replies).await.unwrap().expect("a message");
                        assert_eq!(reply.count, number);
                    }
                    next(&mut replies).await.unwrap_err()
                }
            };
            assert_failed_as_asked(&status, "late");
        }
    }
}

async fn unknown_methods_and_services_are_unimplemented(place: Place) {
    let world = place.with(&[&RELAY], &[&ECHO]).await;
    let status = world.grpc("echo").no_such_method().await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented, "{status:?}");
    // The service that `relay` calls goes away.
    world.remove("echo").await;
    let status = world.grpc("relay").unary(ask("x", 0, 0)).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented, "{status:?}");
}

/// The callee answers without reading the request to its end, and its caller is told to stop sending.
async fn the_callee_may_answer_before_the_request_has_ended(place: Place) {
    let world = place.plan().callee(&HOSTILE).manifest("hostile", "[limits]\nbody_bytes_max = 0\n").start().await;
    for client in [Client::h1(world.edge), Client::h2(world.edge)] {
        let (sender, body) = pushed();
        let request = request("POST", &world.url("/hostile/ignore-body"), body);
        let sending = tokio::spawn(async move {
            let piece = bytes::Bytes::from(vec![b'x'; 64 * 1024]);
            while sender.send(Ok(piece.clone())).await.is_ok() {}
        });
        let reply = client.send(request).await.expect(200);
        assert_eq!(reply.text(), "not interested\n");
        drop(client);
        within("the sender is told to stop", LONG, sending).await.unwrap();
    }
}

/// The same between two services: `hostile2` sends without end to one that answers 404 or 413 at once.
async fn a_service_that_sends_without_end_is_stopped(place: Place) {
    let world = place
        .plan()
        .caller(&HOSTILE2)
        .manifest("hostile2", "[limits]\ncpu_ms = 10000\n")
        .callee(&HOSTILE)
        .callee(&ECHO)
        .start()
        .await;
    for target in ["hostile", "echo"] {
        let reply = world.get(&format!("/hostile2/upload/{target}")).await;
        assert_eq!(reply.expect(200).text(), "somebody stopped it\n", "{target}");
        world.in_flight(target, 0).await;
    }
}

async fn a_client_stream_that_breaks_off_reaches_the_callee_as_an_end(place: Place) {
    let world = place.with(&[&RELAY], &[&ECHO]).await;
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    for service in ["echo", "relay"] {
        TAKEN.store(0, Ordering::Relaxed);
        let requests = stream::iter(0..).then(async |number: u32| {
            tokio::time::sleep(Duration::from_millis(5)).await;
            TAKEN.store(number, Ordering::Relaxed);
            ask("x", 0, 0)
        });
        let mut echo = world.grpc(service);
        let call = tokio::spawn(async move { echo.client_stream(Box::pin(requests)).await });
        world.in_flight("echo", 1).await;
        call.abort();
        let _ = call.await;
        world.in_flight("echo", 0).await;
        world.in_flight(service, 0).await;
    }
}

/// A body that breaks off must not look like one that is whole.
async fn bodies_that_break_off_do_not_end_well(place: Place) {
    let mut plan = place.plan().caller_as("front", &ECHO).manifest("front", NO_POLICIES);
    for guest in [&ECHO, &HOSTILE, &HOSTILE2, &HOSTILE_LEAN] {
        plan = plan.callee(guest).manifest(guest.name, NO_POLICIES);
    }
    let world = plan.start().await;
    for path in [
        "/echo/break/3",
        "/front/call/echo/break/3",
        "/hostile/half-response",
        "/hostile/broken-response",
        "/hostile/short-response",
        "/front/call/hostile/half-response",
        "/front/call/hostile/broken-response",
        "/hostile2/half-response",
        "/hostile2/drop-body",
        "/hostile-lean/half",
        "/hostile-lean/broken",
        "/front/call/hostile-lean/half",
        "/front/call/hostile-lean/broken",
    ] {
        for client in [Client::h1(world.edge), Client::h2(world.edge)] {
            let response = client.open(crate::harness::http::get(&world.url(path))).await;
            // A guest may be so quick to die that the host has nothing to send before; that is an error too.
            let Ok(mut response) = response else { continue };
            if response.status() == 502 {
                continue;
            }
            assert_eq!(response.status(), 200, "{path}");
            let mut seen = 0;
            let end = loop {
                match next_piece(response.body_mut()).await {
                    Some(Ok(bytes)) => seen += bytes.len(),
                    other => break other,
                }
            };
            assert!(matches!(end, Some(Err(_))), "{path}: ended well after {seen} bytes");
        }
    }
    // Whoever fell down is up again.
    for service in ["hostile", "hostile2", "hostile-lean"] {
        world.answers(&format!("/{service}/ok"), 200, "ok").await;
    }
}

/// Whoever calls a service that is not there any more is told so, as if it had never been.
async fn a_callee_that_is_removed_is_not_found(place: Place) {
    let world = place.plan().caller(&LEAN_BARE).caller(&RELAY).callee(&ECHO).start().await;
    world.get("/echo/hello/x").await.expect(200);
    world.get("/lean-bare/call/echo/hello/x").await.expect(200);
    world.remove("echo").await;
    world.get("/echo/hello/x").await.expect_problem(404, "not-found");
    let reply = world.get("/lean-bare/call/echo/hello/x").await.expect(404);
    assert!(reply.text().starts_with("ErrorKind::NotFound (retryable: false)"), "{reply}");
    let status = world.grpc("echo").unary(ask("x", 0, 0)).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented, "{status:?}");
    let status = world.grpc("relay").unary(ask("x", 0, 0)).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented, "{status:?}");
    // And back.
    world.home("echo").install("echo", &ECHO.bytes());
    world.answers("/lean-bare/call/echo/hello/x", 200, "hello x").await;
}
