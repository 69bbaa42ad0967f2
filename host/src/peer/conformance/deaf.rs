//! Peers that send and never read: what cannot be answered must not pile up, and ends with keepalive at the latest.

use std::time::Duration;

use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::time::Instant;

use super::frames::{CALL, DATA, END_HEADERS, END_STREAM, HEADERS, HELLO, PING, RST_STREAM, SETTINGS, frame, head};
use super::million::{call, streams};
use super::world::{World, echo, get, identity, soon};
use super::{Kind, heap};
use crate::peer::Connected;

/// Sends frames until none are taken any more, or the connection ends, or there were enough.
async fn send(ours: &mut DuplexStream, flood: &mut dyn Iterator<Item = Vec<u8>>) -> u64 {
    let mut sent = 0;
    for bytes in flood.take(300_000) {
        // Time is paused: it goes on only when everybody waits.
        match tokio::time::timeout(Duration::from_millis(1), ours.write_all(&bytes)).await {
            Ok(Ok(())) => sent += 1,
            _ => break,
        }
    }
    sent
}

/// What a server may hold for one peer that never reads.
const HELD_MAX: i64 = 16 << 20;

async fn holds_little(what: &str, mut flood: Box<dyn Iterator<Item = Vec<u8>>>) {
    let world = World::new(Kind::Memory, echo()).await;
    world.call(get("/")).await.unwrap();
    let (mut ours, theirs) = tokio::io::duplex(64 << 10);
    let (server, stop) = (world.server.clone(), world.stop.clone());
    let before = heap::live();
    heap::reset_peak();
    let serving = tokio::spawn(async move {
        server.serve(Connected { io: Box::new(theirs), peer: identity("mad") }, stop).await;
    });
    ours.write_all(HELLO).await.unwrap();
    let sent = send(&mut ours, &mut flood).await;
    println!("{what}: {sent} taken, {} bytes held, at most {}", heap::live() - before, heap::peak() - before);
    assert!(heap::peak() - before < HELD_MAX, "{} bytes after {sent}", heap::peak() - before);
    // Others are served while it is so.
    soon("an answer", world.call(get("/"))).await.unwrap();
    // Once it is silent, it is as good as dead.
    let silent = Instant::now();
    soon("its end", serving).await.unwrap();
    assert!(silent.elapsed() <= Duration::from_millis(4_100), "{:?}", silent.elapsed());
    soon("an answer", world.call(get("/"))).await.unwrap();
    assert_eq!((world.server.snapshot().connections, world.server.snapshot().panics), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn pings() {
    holds_little("pings", Box::new(std::iter::repeat_with(|| frame(PING, 0, 0, &[7; 8])))).await;
}

#[tokio::test(start_paused = true)]
async fn settings() {
    holds_little("settings", Box::new(std::iter::repeat_with(|| frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 9])))).await;
}

#[tokio::test(start_paused = true)]
async fn calls() {
    let flood = streams().map(|stream| call(stream, END_HEADERS | END_STREAM));
    holds_little("calls", Box::new(flood)).await;
}

#[tokio::test(start_paused = true)]
async fn calls_that_are_given_up() {
    let reset = |stream| [call(stream, END_HEADERS), frame(RST_STREAM, 0, stream, &8u32.to_be_bytes())].concat();
    holds_little("calls that are given up", Box::new(streams().map(reset))).await;
}

#[tokio::test(start_paused = true)]
async fn calls_that_have_to_be_reset() {
    let mut fields = CALL.to_vec();
    fields.push(("content-length", "x"));
    let block = head(&fields);
    let flood = streams().map(move |stream| frame(HEADERS, END_HEADERS, stream, &block));
    holds_little("calls that have to be reset", Box::new(flood)).await;
}

#[tokio::test(start_paused = true)]
async fn calls_that_are_too_large() {
    let mut block = head(&CALL);
    block.extend([0x40, 1, b'x', 0x7f, 0xc1, 0x3d]);
    block.resize(block.len() + 3_500, b'v');
    block.resize(block.len() + 100, 0x80 | 62);
    let flood = streams().map(move |stream| frame(HEADERS, END_HEADERS | END_STREAM, stream, &block));
    holds_little("calls that are too large", Box::new(flood)).await;
}

#[tokio::test(start_paused = true)]
async fn data_for_calls_that_are_forgotten() {
    let flood = streams().flat_map(|stream| {
        let mut forgotten = vec![call(stream, END_HEADERS), frame(RST_STREAM, 0, stream, &8u32.to_be_bytes())];
        forgotten.push(frame(DATA, 0, stream, b"late"));
        forgotten
    });
    holds_little("data for calls that are forgotten", Box::new(flood)).await;
}
