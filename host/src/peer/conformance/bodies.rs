//! Bodies: at hand, over time, given up, broken off, and held back.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::sync::{mpsc, oneshot};

use super::Kind;
use super::world::{World, bytes, data, echo, endless, get, handler, post, soon, streamed, until};
use crate::call::{Body, CallError, ErrorKind, Response, Side};

pub(super) async fn bodies_at_hand_arrive_at_hand(kind: Kind) {
    let world = World::new(
        kind,
        handler(|_, request, _| async move {
            assert!(!request.body().is_stream());
            Ok(Response::new(request.into_body()))
        }),
    )
    .await;
    let trailers: HeaderMap = [(http::header::ETAG, HeaderValue::from_static("1"))].into_iter().collect();
    for (size, trailers) in [(0, None), (1, None), (65_536, None), (0, Some(trailers.clone())), (100, Some(trailers))] {
        let response = world.call(post(Body::full(vec![1; size], trailers.clone()))).await.unwrap();
        let (data, got) = response.into_body().try_into_full().unwrap_or_else(|_| panic!("{size} came as a stream"));
        assert_eq!((data.len(), got), (size, trailers));
    }
}

pub(super) async fn big_bodies_cross_both_ways(kind: Kind) {
    let world = World::new(kind, echo()).await;
    let big: Bytes = (0..5_000_000u32).map(|at| (at % 251) as u8).collect();
    let response = world.call(post(Body::full(big.clone(), None))).await.unwrap();
    assert!(bytes(response.into_body()).await.unwrap() == big);
    let (sender, body) = streamed();
    let pieces = big.clone();
    let sending = tokio::spawn(async move {
        for piece in pieces.chunks(70_001) {
            sender.send(Ok(Frame::data(Bytes::copy_from_slice(piece)))).await.unwrap();
        }
        let trailers = [(http::header::ETAG, HeaderValue::from_static("end"))].into_iter().collect();
        sender.send(Ok(Frame::trailers(trailers))).await.unwrap();
    });
    let collected = soon("all", world.call(post(body)).await.unwrap().into_body().collect()).await.unwrap();
    assert_eq!(collected.trailers().unwrap()["etag"], "end");
    assert!(collected.to_bytes() == big);
    sending.await.unwrap();
}

pub(super) async fn bidirectional_streams_take_turns(kind: Kind) {
    let world = World::new(kind, echo()).await;
    let (sender, body) = streamed();
    let mut answer = world.call(post(body)).await.unwrap().into_body();
    for text in ["one", "two", "three"] {
        sender.send(data(text)).await.unwrap();
        let frame = soon("the answer to each", answer.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), text);
    }
    drop(sender);
    assert!(soon("the end", answer.frame()).await.is_none());
    until("the place is free", || world.client.snapshot().peers[0].in_flight == 0).await;
}

pub(super) async fn a_slow_reader_stops_the_producer(kind: Kind) {
    let produced = Arc::new(AtomicUsize::new(0));
    let counter = produced.clone();
    let world = World::new(
        kind,
        handler(move |_, _, _| {
            let counter = counter.clone();
            async move { Ok(Response::new(endless(10_000, counter, oneshot::channel().0))) }
        }),
    )
    .await;
    let mut body = world.call(get("/")).await.unwrap().into_body();
    let mut read = body.frame().await.unwrap().unwrap().into_data().unwrap().len();
    let mut last = 0;
    until("the producer stands still", || {
        let now = produced.load(Ordering::SeqCst);
        std::mem::replace(&mut last, now) == now && now >= 1 << 20
    })
    .await;
    // A window, and what is buffered below and beside it.
    let ahead = produced.load(Ordering::SeqCst) - read;
    assert!(ahead < 2 << 20, "{ahead} bytes ahead of the reader");
    let before = produced.load(Ordering::SeqCst);
    while read < 4 << 20 {
        read += soon("more", body.frame()).await.unwrap().unwrap().into_data().unwrap().len();
    }
    assert!(produced.load(Ordering::SeqCst) > before);
}

pub(super) async fn a_stalled_stream_holds_up_no_other(kind: Kind) {
    let produced = Arc::new(AtomicUsize::new(0));
    let counter = produced.clone();
    let world = World::new(
        kind,
        handler(move |_, request, _| {
            let counter = counter.clone();
            async move {
                match request.uri().path() {
                    "/endless" => Ok(Response::new(endless(100_000, counter, oneshot::channel().0))),
                    _ => Ok(Response::new(Body::full(vec![1; 300_000], None))),
                }
            }
        }),
    )
    .await;
    let mut stalled = Vec::new();
    for _ in 0..20 {
        stalled.push(world.call(get("/endless")).await.unwrap());
    }
    until("all of them are full", || produced.load(Ordering::SeqCst) >= 20 << 20).await;
    let response = soon("others", world.call(get("/other"))).await.unwrap();
    assert_eq!(soon("others", bytes(response.into_body())).await.unwrap().len(), 300_000);
    assert_eq!(world.client.snapshot().connected, 1);
}

pub(super) async fn a_dropped_call_cancels_its_handler(kind: Kind) {
    let (entered, mut entering) = mpsc::unbounded_channel();
    let world = World::new(
        kind,
        handler(move |_, _, _| {
            let (dropped, dropping) = oneshot::channel::<()>();
            entered.send(dropping).unwrap();
            async move {
                std::future::pending::<()>().await;
                drop(dropped);
                Ok(Response::new(Body::empty()))
            }
        }),
    )
    .await;
    // With nothing, a whole body and an endless one still being sent.
    let endless_body = endless(1_000, Arc::default(), oneshot::channel().0);
    for body in [Body::empty(), Body::full("x", None), endless_body] {
        let mut calling = Box::pin(world.call(post(body)));
        let dropping = tokio::select! {
            _ = &mut calling => panic!("answered"),
            dropping = entering.recv() => dropping.unwrap(),
        };
        drop(calling);
        soon("the handler is dropped", dropping).await.unwrap_err();
    }
    until("the places are free", || world.client.snapshot().peers[0].in_flight == 0).await;
    assert_eq!(world.client.snapshot().connected, 1);
}

pub(super) async fn a_dropped_response_cancels_its_producer(kind: Kind) {
    let (dropped, dropping) = oneshot::channel();
    let dropped = Mutex::new(Some(dropped));
    let world = World::new(
        kind,
        handler(move |_, _, _| {
            let body = endless(1_000, Arc::default(), dropped.lock().unwrap().take().unwrap());
            async move { Ok(Response::new(body)) }
        }),
    )
    .await;
    let mut body = world.call(get("/")).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    soon("the producer is dropped", dropping).await.unwrap_err();
}

pub(super) async fn a_handler_that_drops_the_request_stops_its_sender(kind: Kind) {
    let world = World::new(kind, handler(|_, _, _| async { Ok(Response::new(Body::full("enough", None))) })).await;
    let (dropped, dropping) = oneshot::channel();
    let produced = Arc::new(AtomicUsize::new(0));
    let response = world.call(post(endless(50_000, produced.clone(), dropped))).await.unwrap();
    assert_eq!(bytes(response.into_body()).await.unwrap(), "enough");
    soon("the sender is dropped", dropping).await.unwrap_err();
    world.call(get("/")).await.unwrap();
    assert_eq!(world.client.snapshot().connected, 1);
}

pub(super) async fn a_body_that_breaks_off_says_why_behind_its_data(kind: Kind) {
    let world = World::new(
        kind,
        handler(|_, request, _| async move {
            let (sender, body) = streamed();
            tokio::spawn(async move {
                for text in ["first", "second"] {
                    sender.send(data(text)).await.unwrap();
                }
                let error = CallError::new(ErrorKind::Trap, Side::Callee, "the guest trapped in the middle");
                sender.send(Err(error)).await.unwrap();
            });
            let mut response = Response::new(body);
            if request.uri().path() == "/length" {
                response.headers_mut().insert("content-length", HeaderValue::from_static("100"));
            }
            Ok(response)
        }),
    )
    .await;
    for path in ["/", "/length"] {
        let response = world.call(get(path)).await.unwrap();
        assert_eq!(response.headers().contains_key("content-length"), path == "/length");
        let mut body = response.into_body();
        let mut read = Vec::new();
        let error = loop {
            match soon("the end", body.frame()).await.expect("a clean end") {
                Ok(frame) => read.extend_from_slice(&frame.into_data().unwrap()),
                Err(error) => break error,
            }
        };
        assert_eq!(read, b"firstsecond");
        assert_eq!(
            (error.kind(), error.side(), error.message()),
            (ErrorKind::Trap, Side::Callee, "the guest trapped in the middle")
        );
        assert!(body.frame().await.is_none());
    }
}

pub(super) async fn a_request_that_breaks_off_says_why(kind: Kind) {
    let (seen, mut seeing) = mpsc::unbounded_channel();
    let world = World::new(
        kind,
        handler(move |_, request, _| {
            let seen = seen.clone();
            async move {
                let error = bytes(request.into_body()).await.unwrap_err();
                seen.send(error.kind()).unwrap();
                Err(error)
            }
        }),
    )
    .await;
    let (sender, body) = streamed();
    sender.send(data("some")).await.unwrap();
    let calling = world.call(post(body));
    let breaking = async {
        sender.send(Err(CallError::new(ErrorKind::SlowClient, Side::Caller, "too slow"))).await.unwrap();
        seeing.recv().await.unwrap()
    };
    let (answer, seen) = soon("both", async { tokio::join!(calling, breaking) }).await;
    assert_eq!((seen, answer.unwrap_err().kind()), (ErrorKind::SlowClient, ErrorKind::SlowClient));
}

pub(super) async fn content_lengths_are_what_services_say(kind: Kind) {
    let world = World::new(
        kind,
        handler(|_, request, _| async move {
            let length = request.headers().get("content-length").cloned();
            let (stream, said) = (request.uri().path() == "/stream", request.uri().query().unwrap_or("4").to_owned());
            assert_eq!(bytes(request.into_body()).await.unwrap(), "body");
            let body = if stream {
                let (sender, body) = streamed();
                sender.send(data("body")).await.unwrap();
                body
            } else {
                Body::full("body", None)
            };
            let mut response = Response::new(body);
            response.headers_mut().insert("content-length", said.parse().unwrap());
            response.headers_mut().insert("x-length", length.unwrap());
            Ok(response)
        }),
    )
    .await;
    for (path, said) in [("/", "4"), ("/?7", "7"), ("/stream", "4"), ("/stream?3", "3"), ("/?nonsense", "nonsense")] {
        let mut request = post(Body::full("body", None));
        *request.uri_mut() = path.parse().unwrap();
        request.headers_mut().insert("content-length", said.parse().unwrap());
        let response = soon(path, world.call(request)).await.unwrap();
        assert_eq!(
            (&response.headers()["content-length"], &response.headers()["x-length"]),
            (&said.parse().unwrap(), &said.parse().unwrap())
        );
        assert_eq!(soon(path, bytes(response.into_body())).await.unwrap(), "body", "{path}");
    }
}

pub(super) async fn many_small_frames_are_no_attack(kind: Kind) {
    let world = World::new(kind, echo()).await;
    let (sender, body) = streamed();
    let mut answer = world.call(post(body)).await.unwrap().into_body();
    let sending = tokio::spawn(async move {
        for _ in 0..5_000 {
            sender.send(data("")).await.unwrap();
            sender.send(data("x")).await.unwrap();
        }
    });
    // Nobody reads for a while.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut read = 0;
    while let Some(frame) = soon("all", answer.frame()).await {
        read += frame.unwrap().into_data().unwrap().len();
    }
    assert_eq!(read, 5_000);
    sending.await.unwrap();
    assert_eq!(world.client.snapshot().connected, 1);
}
