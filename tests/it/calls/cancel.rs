//! Whoever stops waiting stops the work, however far down the chain it is done.

use std::time::Duration;

use crate::harness::grpc::{ask, framed, next};
use crate::harness::guests::{ECHO, HOSTILE_LEAN, LEAN_BARE, PYTHON_HELLO, RELAY, WASIP3_HELLO, WSTD_HELLO};
use crate::harness::http::{Client, get, next as next_piece, pushed, request, with};
use crate::harness::wait::within;
use crate::harness::world::{Place, World};

crate::both_ways! {
    a_client_that_leaves_a_unary_call_cancels_all_of_it,
    a_client_that_leaves_a_stream_cancels_all_of_it,
    a_client_that_leaves_a_conversation_cancels_all_of_it,
    a_client_that_hangs_up_cancels_whatever_the_module_is,
    a_service_that_gives_up_a_call_cancels_it,
    a_service_that_drops_what_it_asked_for_cancels_it,
}

async fn a_client_that_leaves_a_unary_call_cancels_all_of_it(place: Place) {
    let world = place.with(&[&RELAY], &[&ECHO]).await;
    let mut relay = world.grpc("relay");
    let call = tokio::spawn(async move { relay.unary(ask("x", 0, 9_000)).await });
    world.in_flight("echo", 1).await;
    call.abort();
    let _ = call.await;
    gone(&world, &["relay", "echo"]).await;
}

async fn a_client_that_leaves_a_stream_cancels_all_of_it(place: Place) {
    let world = place.with(&[&RELAY], &[&ECHO]).await;
    let replies = world.grpc("relay").server_stream(ask("x", 1_000_000, 10)).await;
    let mut replies = replies.unwrap().into_inner();
    for _ in 0..3 {
        next(&mut replies).await.unwrap().expect("a message");
    }
    drop(replies);
    gone(&world, &["relay", "echo"]).await;
}

/// By hand, because a client library has no way to break off a request that is under way.
async fn a_client_that_leaves_a_conversation_cancels_all_of_it(place: Place) {
    let world = place.with(&[&RELAY], &[&ECHO]).await;
    let (sender, body) = pushed();
    let request = request("POST", "http://relay.localhost/hostel.test.v1.Echo/Bidi", body);
    let request = with(with(request, "content-type", "application/grpc"), "te", "trailers");
    sender.send(Ok(framed(&ask("hello", 0, 0)))).await.unwrap();
    let mut response = Client::h2(world.edge).open(request).await.unwrap();
    next_piece(response.body_mut()).await.expect("a message").unwrap();
    world.in_flight("echo", 1).await;
    sender.send(Err("the client has had enough".into())).await.unwrap();
    gone(&world, &["relay", "echo"]).await;
}

/// Over HTTP/1.1 the connection closes, over HTTP/2 a stream is reset.
async fn a_client_that_hangs_up_cancels_whatever_the_module_is(place: Place) {
    let world = place
        .plan()
        .callee(&ECHO)
        .caller(&LEAN_BARE)
        .caller(&WASIP3_HELLO)
        .caller(&WSTD_HELLO)
        .caller(&PYTHON_HELLO)
        .ready_within(Duration::from_secs(180))
        .start()
        .await;
    let slow = "http://echo.internal/sleep/9000";
    for path in [
        "/echo/sleep/9000".to_owned(),
        "/lean-bare/call/echo/sleep/9000".to_owned(),
        format!("/wasip3-hello/call?url={slow}"),
        format!("/wstd-hello/call?url={slow}"),
        format!("/python-hello/call?url={slow}"),
    ] {
        for client in [Client::h1(world.edge), Client::h2(world.edge)] {
            let url = world.url(&path);
            let call = tokio::spawn(async move { client.open(get(&url)).await.map(drop) });
            world.in_flight("echo", 1).await;
            call.abort();
            let _ = call.await;
            println!("{path}");
            gone(&world, &["echo", path.split('/').nth(1).unwrap()]).await;
        }
    }
}

/// The caller of a call gives it up while it goes on answering its own.
async fn a_service_that_gives_up_a_call_cancels_it(place: Place) {
    let world = place.with(&[&HOSTILE_LEAN], &[&ECHO]).await;
    let reply = world.get("/hostile-lean/cancel/echo").await.expect(200);
    assert_eq!(reply.text(), "given up\n");
    gone(&world, &["echo"]).await;
}

/// The same with the SDK: a caller that drops a call, or the rest of a response.
async fn a_service_that_drops_what_it_asked_for_cancels_it(place: Place) {
    let world = place.plan().callee(&ECHO).caller_as("front", &ECHO).start().await;
    let reply = world.get("/front/hurry/echo/300").await.expect(200);
    assert_eq!(reply.text(), "gave up");
    gone(&world, &["echo", "front"]).await;
    let reply = world.get("/front/peek/echo/stream/1000000").await.expect(200);
    assert!(reply.text().starts_with("saw ") && reply.text() != "saw 0 bytes", "{reply}");
    gone(&world, &["echo", "front"]).await;
}

/// Much sooner than the work would have taken.
async fn gone(world: &World, services: &[&str]) {
    for service in services {
        within(&format!("the work of {service} has stopped"), Duration::from_secs(3), world.in_flight(service, 0))
            .await;
    }
}
