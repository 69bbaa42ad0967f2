//! Ends that fall silent and ways that are cut: in memory, in paused time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::Kind;
use super::frames::{END_HEADERS, END_STREAM, HEADERS, HELLO, RST_STREAM, frames};
use super::million::{call, streams};
use super::world::{World, context, data, echo, endless, get, handler, identity, orders, post, streamed};
use crate::call::{Body, ErrorKind, Response};
use crate::peer::{Connected, LinkEvent};

const ONE_WAY: [(&str, &str); 2] = [("one", "two"), ("two", "one")];

#[tokio::test(start_paused = true)]
async fn a_cut_in_either_direction_is_noticed_on_both_sides() {
    for (from, to) in ONE_WAY {
        let mut world = World::new(Kind::Memory, echo()).await;
        let heard = Arc::new(AtomicBool::new(false));
        let is_heard = heard.clone();
        world.client.ask_who_is_heard(Box::new(move |_| is_heard.load(Ordering::Relaxed)));
        let (_sender, body) = streamed();
        let mut answer = world.call(post(body)).await.unwrap().into_body();
        assert!(matches!(world.events.recv().await, Some(LinkEvent::Connected)));
        let network = world.network.clone().unwrap();
        let (from, to) = (identity(from).node, identity(to).node);
        network.cut(&from, &to);
        let cut = Instant::now();
        let error = answer.frame().await.expect("a clean end").unwrap_err();
        assert!(cut.elapsed() <= Duration::from_millis(4_100), "{:?}", cut.elapsed());
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, false));
        let Some(LinkEvent::Lost { in_flight: 1, reason, silent }) = world.events.recv().await else {
            panic!("no news")
        };
        assert_eq!(silent, from.as_str() != "one");
        // With only our packets lost, it is the other end that hears nothing, and closes.
        let expected = if from.as_str() == "one" { "closed it" } else { "fell silent" };
        assert!(reason.contains(expected), "{reason}");
        // The other side gives it up by itself, though no packet of ours may reach it.
        while world.server.snapshot().connections > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            assert!(cut.elapsed() <= Duration::from_millis(6_000), "{:?}", cut.elapsed());
        }
        assert!(cut.elapsed() <= Duration::from_millis(5_000), "{:?}", cut.elapsed());
        if silent {
            // Whoever is sent again does not wait for a connection that cannot be made either.
            let again = Instant::now();
            let error = world.call(get("/")).await.unwrap_err();
            assert!(error.is_retryable() && error.chain().contains("has fallen silent"), "{}", error.chain());
            assert!(again.elapsed() < Duration::from_millis(1));
            // Until it is heard from in another way.
            heard.store(true, Ordering::Relaxed);
        }
        // Meanwhile a connection cannot be made, which takes its time-out to learn once, and nothing after that.
        let error = world.call(get("/")).await.unwrap_err();
        assert!(error.is_retryable() && error.chain().contains("did not answer within 2000 ms"), "{}", error.chain());
        let again = Instant::now();
        assert!(world.call(get("/")).await.unwrap_err().is_retryable());
        assert!(again.elapsed() < Duration::from_millis(1));
        network.heal(&from, &to);
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(world.call(get("/")).await.unwrap().status(), 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_frozen_peer_stops_those_who_send_to_it() {
    // Whoever is frozen neither reads nor writes, and its machine keeps its connections.
    let mut world = World::new(Kind::Memory, echo()).await;
    world.call(get("/")).await.unwrap();
    assert!(matches!(world.events.recv().await, Some(LinkEvent::Connected)));
    let network = world.network.clone().unwrap();
    for (from, to) in ONE_WAY {
        network.cut(&identity(from).node, &identity(to).node);
    }
    let frozen = Instant::now();
    let (produced, (dropped, dropping)) = (Arc::new(AtomicUsize::new(0)), tokio::sync::oneshot::channel());
    let error = world.call(post(endless(50_000, produced.clone(), dropped))).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, false));
    assert!(frozen.elapsed() <= Duration::from_millis(4_100), "{:?}", frozen.elapsed());
    dropping.await.unwrap_err();
    // No more than one window of it was made.
    assert!(produced.load(Ordering::SeqCst) <= (1 << 20) + 200_000, "{produced:?}");
    assert!(matches!(world.events.recv().await, Some(LinkEvent::Lost { in_flight: 1, .. })));
    tokio::time::sleep(Duration::from_secs(60)).await;
    // It goes on, and all that was sent to it arrives at once, on a connection that is no more.
    for (from, to) in ONE_WAY {
        network.heal(&identity(from).node, &identity(to).node);
    }
    world.call(get("/")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!((world.server.snapshot().connections, world.server.snapshot().panics), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn idle_links_stay_and_slow_ones_too() {
    let mut world = World::new(Kind::Memory, echo()).await;
    world.call(get("/")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let network = world.network.clone().unwrap();
    for (from, to) in ONE_WAY {
        network.delay(&identity(from).node, &identity(to).node, Duration::from_millis(700));
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    let begun = Instant::now();
    world.call(get("/")).await.unwrap();
    assert_eq!(begun.elapsed().as_millis() / 100, 14);
    assert!(matches!(world.events.recv().await, Some(LinkEvent::Connected)));
    assert!(world.events.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_broken_connection_is_no_clean_end_and_no_invitation() {
    let world = World::new(
        Kind::Memory,
        handler(|_, request, _| async move {
            if request.uri().path() == "/never" {
                std::future::pending::<()>().await;
            }
            let (sender, body) = streamed();
            sender.send(data("begun")).await.unwrap();
            tokio::spawn(async move { sender.closed().await });
            Ok(Response::new(body))
        }),
    )
    .await;
    let mut answer = world.call(get("/")).await.unwrap().into_body();
    assert_eq!(answer.frame().await.unwrap().unwrap().into_data().unwrap(), "begun");
    let waiting = tokio::spawn(world.client.call(&world.peer, &orders(), get("/never"), &context()));
    tokio::time::sleep(Duration::from_millis(10)).await;
    world.network.as_ref().unwrap().break_links(&identity("one").node, &identity("two").node);
    // One may have been begun over there, the other surely was: neither may be sent again just so.
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, false), "{}", error.chain());
    let error = answer.frame().await.expect("a clean end").unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, false));
    // The next call makes a new connection.
    world.call(get("/")).await.unwrap();
    assert_eq!((world.client.snapshot().connected, world.client.snapshot().lost), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn connections_grow_old_without_anybody_noticing() {
    let settings = crate::peer::Settings { connection_age_ms: 60_000, ..Default::default() };
    let world = World::with(Kind::Memory, echo(), settings).await;
    let (sender, body) = streamed();
    let mut long = world.call(post(body)).await.unwrap().into_body();
    for _ in 0..200 {
        world.call(post(Body::full("x", None))).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let snapshot = world.client.snapshot();
    assert_eq!(snapshot.connected, 4, "{snapshot:?}");
    assert_eq!(snapshot.lost, 0);
    // A stream that outlives its connection's age goes on.
    sender.send(data("still")).await.unwrap();
    assert_eq!(long.frame().await.unwrap().unwrap().into_data().unwrap(), "still");
}

#[tokio::test(start_paused = true)]
async fn a_server_makes_its_peers_connect_anew() {
    let theirs = crate::peer::Settings { connection_age_ms: 60_000, ..Default::default() };
    let world = World::between(Kind::Memory, echo(), Default::default(), theirs).await;
    let (sender, body) = streamed();
    let mut long = world.call(post(body)).await.unwrap().into_body();
    for _ in 0..200 {
        world.call(post(Body::full("x", None))).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    // A fifth later than a client of the same settings would: at 72 s and at 144 s.
    assert_eq!(world.client.snapshot().connected, 3);
    sender.send(data("still")).await.unwrap();
    assert_eq!(long.frame().await.unwrap().unwrap().into_data().unwrap(), "still");
    drop((sender, long));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.server.snapshot().connections, 1);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_hear_that_its_connection_is_old_is_served_no_more() {
    let theirs = crate::peer::Settings { connection_age_ms: 60_000, drain_ms: 5_000, ..Default::default() };
    let world = World::between(Kind::Memory, echo(), Default::default(), theirs).await;
    let (mut ours, io) = tokio::io::duplex(1 << 20);
    let (server, stop) = (world.server.clone(), world.stop.clone());
    let serving = tokio::spawn(async move {
        server.serve(Connected { io: Box::new(io), peer: identity("mad") }, stop).await;
    });
    ours.write_all(HELLO).await.unwrap();
    let (mut answered, mut refused) = (Vec::new(), Vec::new());
    for (second, stream) in streams().take(100).enumerate() {
        ours.write_all(&call(stream, END_HEADERS | END_STREAM)).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut read = vec![0; 64 << 10];
        let length = ours.read(&mut read).await.unwrap();
        // It answers neither PING nor GOAWAY.
        for frame in frames(&read[..length]).iter().filter(|frame| frame[5..9] == stream.to_be_bytes()) {
            match frame[3] {
                HEADERS => answered.push(second),
                RST_STREAM => refused.push((second, frame[9..].to_vec())),
                _ => {}
            }
        }
    }
    assert_eq!(answered, (0..77).collect::<Vec<_>>());
    assert!(refused.iter().all(|(_, code)| *code == [0, 0, 0, 7]), "{refused:?}");
    assert_eq!(refused.iter().map(|(second, _)| *second).collect::<Vec<_>>(), (77..100).collect::<Vec<_>>());
    drop(ours);
    serving.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_while_nobody_calls_is_news() {
    let mut world = World::new(Kind::Memory, echo()).await;
    world.call(get("/")).await.unwrap();
    assert!(matches!(world.events.recv().await, Some(LinkEvent::Connected)));
    let network = world.network.clone().unwrap();
    network.close(world.peer.address);
    network.break_links(&identity("one").node, &identity("two").node);
    assert!(matches!(world.events.recv().await, Some(LinkEvent::Lost { in_flight: 0, .. })));
    let error = world.call(get("/")).await.unwrap_err();
    assert!(error.is_retryable());
    assert!(matches!(world.events.recv().await, Some(LinkEvent::ConnectFailed(_))));
    // What this host closes itself is none.
    let mut world = World::new(Kind::Memory, echo()).await;
    world.call(get("/")).await.unwrap();
    world.client.forget(&world.peer);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(matches!(world.events.recv().await, Some(LinkEvent::Connected)));
    assert!(world.events.try_recv().is_err());
    assert_eq!(world.server.snapshot().connections, 0);
}
