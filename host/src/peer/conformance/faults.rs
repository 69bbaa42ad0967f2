//! Draining, saturation, and peers that are not there.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::BodyExt;
use tokio::sync::{Semaphore, mpsc};

use super::Kind;
use super::world::{World, data, echo, get, handler, post, soon, streamed, until};
use crate::call::{Body, ErrorKind, Response};
use crate::peer::{LinkEvent, Settings};

/// A handler that waits for a permit, and says when it has begun.
fn gated() -> (Arc<Semaphore>, mpsc::UnboundedReceiver<()>, super::world::Handler) {
    let gate = Arc::new(Semaphore::new(0));
    let (begun, beginning) = mpsc::unbounded_channel();
    let inner = gate.clone();
    let call = handler(move |_, _, _| {
        let gate = inner.clone();
        let _ = begun.send(());
        async move {
            gate.acquire().await.unwrap().forget();
            Ok(Response::new(Body::full("done", None)))
        }
    });
    (gate, beginning, call)
}

pub(super) async fn calls_in_flight_are_answered_while_draining(kind: Kind) {
    let (gate, mut beginning, call) = gated();
    let world = World::new(kind, call).await;
    let calling =
        tokio::spawn(world.client.call(&world.peer, &super::world::orders(), get("/"), &super::world::context()));
    beginning.recv().await.unwrap();
    world.stop.cancel();
    // What comes now finds nobody, and nobody has seen it.
    let refused = async {
        loop {
            match tokio::time::timeout(Duration::from_millis(50), world.call(get("/"))).await {
                Ok(Err(error)) => break error,
                Ok(Ok(_)) => panic!("answered"),
                // It came before the news, and waits for its permit like the first.
                Err(_) => {}
            }
        }
    };
    let refused = match kind {
        Kind::Tls => soon("refused", refused).await,
        Kind::Memory => {
            world.network.as_ref().unwrap().close(world.peer.address);
            soon("refused", refused).await
        }
    };
    assert!(refused.is_retryable(), "{}", refused.chain());
    gate.add_permits(100);
    let answer = soon("the call in flight", calling).await.unwrap().unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "done");
    if let Some(serving) = world.serving {
        soon("the server ends", serving).await.unwrap();
    }
    until("all links are closed", || world.server.snapshot().connections == 0).await;
}

pub(super) async fn a_full_connection_gets_a_second_and_then_refuses(kind: Kind) {
    let (gate, mut beginning, call) = gated();
    let settings = Settings { streams_max: 2, connections_per_peer_max: 2, ..Settings::default() };
    let world = World::with(kind, call, settings).await;
    let call =
        || tokio::spawn(world.client.call(&world.peer, &super::world::orders(), get("/"), &super::world::context()));
    let mut calls = Vec::new();
    for _ in 0..4 {
        calls.push(call());
        soon("it begins", beginning.recv()).await.unwrap();
    }
    assert_eq!(world.client.snapshot().peers[0].connections, 2);
    let error = world.call(get("/")).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, true));
    assert_eq!(world.client.snapshot().saturated, 1);
    gate.add_permits(5);
    for call in calls {
        soon("each", call).await.unwrap().unwrap();
    }
    until("places are free", || world.client.snapshot().peers[0].in_flight == 0).await;
    soon("room again", world.call(get("/"))).await.unwrap();
}

pub(super) async fn nobody_there_is_news_and_retryable(kind: Kind) {
    let mut world = World::new(kind, echo()).await;
    let mut gone = world.peer.clone();
    gone.address = "127.0.0.1:1".parse().unwrap();
    for _ in 0..20 {
        let error =
            soon("refused", world.client.call(&gone, &super::world::orders(), get("/"), &super::world::context()))
                .await;
        let error = error.unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, true));
        assert!(!error.message().contains("127.0.0.1"), "addresses are for logs: {}", error.message());
    }
    assert!(matches!(world.events.recv().await, Some(LinkEvent::ConnectFailed(_))));
    let snapshot = world.client.snapshot();
    // In between, calls fail without trying.
    assert!(snapshot.connect_failed >= 1 && snapshot.connect_failed < 20, "{snapshot:?}");
    assert!(snapshot.peers[0].last_error.as_ref().unwrap().contains("cannot connect to 127.0.0.1:1"));
    world.client.forget(&gone);
    assert!(world.client.snapshot().peers.is_empty());
}

pub(super) async fn a_handler_that_panics_costs_its_call_only(kind: Kind) {
    let world = World::new(
        kind,
        handler(|_, request, _| async move {
            assert!(request.uri().path() != "/panic", "as it should");
            Ok(Response::new(Body::empty()))
        }),
    )
    .await;
    let error = soon("reset", world.call(get("/panic"))).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Internal, false));
    world.call(get("/")).await.unwrap();
    assert_eq!((world.client.snapshot().connected, world.server.snapshot().panics), (1, 1));
}

pub(super) async fn many_callers_share_one_connection(kind: Kind) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    let world = World::new(
        kind,
        handler(move |_, request, _| {
            counter.fetch_add(1, Ordering::SeqCst);
            async move { Ok(Response::new(request.into_body())) }
        }),
    )
    .await;
    let world = Arc::new(world);
    let callers: Vec<_> = (0..100)
        .map(|at: usize| {
            let world = world.clone();
            tokio::spawn(async move {
                for round in 0..20 {
                    let text = format!("{at} {round}");
                    let response = world.call(post(Body::full(text.clone(), None))).await.unwrap();
                    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), text);
                }
            })
        })
        .collect();
    for caller in callers {
        soon("all", caller).await.unwrap();
    }
    assert_eq!(count.load(Ordering::SeqCst), 2_000);
    assert_eq!((world.client.snapshot().connected, world.client.snapshot().calls), (1, 2_000));
}

pub(super) async fn forgetting_a_peer_again_and_again_loses_no_call(kind: Kind) {
    let world = Arc::new(World::new(kind, echo()).await);
    let done = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..16)
        .map(|at: usize| {
            let (world, done) = (world.clone(), done.clone());
            tokio::spawn(async move {
                for round in 0..50 {
                    let text = format!("{at} {round}");
                    let answer = loop {
                        match world.call(post(Body::full(text.clone(), None))).await {
                            Ok(answer) => break answer,
                            // Between a connection and the next; nobody has seen it.
                            Err(error) => assert!(error.is_retryable(), "{}", error.chain()),
                        }
                        tokio::task::yield_now().await;
                    };
                    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), text);
                    done.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    while done.load(Ordering::SeqCst) < 16 * 50 && callers.iter().any(|caller| !caller.is_finished()) {
        world.client.forget(&world.peer);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    for caller in callers {
        soon("all", caller).await.unwrap();
    }
    world.client.forget(&world.peer);
    until("no link is left", || world.server.snapshot().connections == 0).await;
    assert!(world.client.snapshot().connected > 1);
}

pub(super) async fn closing_lets_calls_in_flight_end(kind: Kind) {
    let (gate, mut beginning, call) = gated();
    let world = World::new(kind, call).await;
    let call =
        || tokio::spawn(world.client.call(&world.peer, &super::world::orders(), get("/"), &super::world::context()));
    let calls: Vec<_> = (0..100).map(|_| call()).collect();
    for _ in 0..100 {
        soon("it begins", beginning.recv()).await.unwrap();
    }
    let client = world.client.clone();
    let closing = tokio::spawn(async move { client.close().await });
    until("it takes no more", || world.client.snapshot().peers.is_empty()).await;
    for _ in 0..10 {
        assert!(soon("refused", world.call(get("/"))).await.unwrap_err().is_retryable());
    }
    assert!(!closing.is_finished());
    gate.add_permits(100);
    for call in calls {
        let answer = soon("each", call).await.unwrap().unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "done");
    }
    soon("closed", closing).await.unwrap();
    until("no link is left", || world.server.snapshot().connections == 0).await;
}

pub(super) async fn a_released_peer_is_let_go(kind: Kind) {
    let world = World::new(kind, echo()).await;
    let (sender, body) = streamed();
    let mut answer = world.call(post(body)).await.unwrap().into_body();
    world.client.forget(&world.peer);
    // What is in flight goes on, and the connection ends with it.
    sender.send(data("still")).await.unwrap();
    assert_eq!(soon("still there", answer.frame()).await.unwrap().unwrap().into_data().unwrap(), "still");
    assert_eq!(world.server.snapshot().connections, 1);
    drop((sender, answer));
    until("the link is closed", || world.server.snapshot().connections == 0).await;
    soon("closed", world.client.close()).await;
    assert!(world.call(get("/")).await.unwrap_err().is_retryable());
}
