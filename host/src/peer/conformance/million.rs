//! A great many hostile frames of each kind, from a seed: 100,000, or a million with `HOSTEL_TEST_MILLION=1` (see
//! `frames_max`).
//!
//! Nothing panics, no memory stays behind, and an honest peer is served meanwhile and afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::frames::{
    CALL, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, HELLO, PING, PREFACE_BYTES, RST_STREAM, Recorded,
    SETTINGS, WINDOW_UPDATE, at_random, frame, frames, head, recorded,
};
use super::world::{World, bytes, echo, identity, post, soon};
use super::{Kind, heap};
use crate::call::Body;
use crate::peer::Connected;

/// How many frames there have to be of each kind.
pub(super) fn frames_max() -> u64 {
    if std::env::var_os("HOSTEL_TEST_MILLION").is_some() { 1_000_000 } else { 100_000 }
}

/// Of kinds that end their connection with the first frame: each takes a connection.
pub(super) fn ends_max() -> u64 {
    if std::env::var_os("HOSTEL_TEST_MILLION").is_some() { 1_000_000 } else { 10_000 }
}

/// What may stay behind, in bytes: buffers of 64 KiB that the honest link has in use at the moment.
const LEFT_MAX: i64 = 256 << 10;

/// What one connection may take, in bytes, with the 64 KiB of each of its pipes.
pub(super) const PEAK_MAX: i64 = 8 << 20;

/// The frames of a flood on one connection.
const FLOOD: u64 = 2_000;

/// What a mad peer sends on a connection behind [`HELLO`], and how many frames that is.
type Attack = fn(&mut SmallRng, &Recorded) -> (Vec<u8>, u64);

fn random_frames(random: &mut SmallRng, _: &Recorded) -> (Vec<u8>, u64) {
    let mut out = call(1, END_HEADERS);
    let count = random.random_range(1..40);
    (0..count).for_each(|_| at_random(random, &mut out));
    (out, count + 1)
}

fn random_bytes(random: &mut SmallRng, _: &Recorded) -> (Vec<u8>, u64) {
    let mut out = vec![0; random.random_range(9..500)];
    random.fill(&mut out[..]);
    let count = frames(&out).len() as u64;
    (out, count)
}

fn truncated(random: &mut SmallRng, recorded: &Recorded) -> (Vec<u8>, u64) {
    let mut out = recorded.there.clone();
    out.truncate(random.random_range(0..out.len()));
    let count = frames(&out).len() as u64;
    (out, count)
}

pub(super) fn flip(random: &mut SmallRng, bytes: &mut [u8]) {
    for _ in 0..random.random_range(1..8) {
        let at = random.random_range(0..bytes.len());
        bytes[at] ^= 1 << random.random_range(0..8);
    }
}

fn flipped(random: &mut SmallRng, recorded: &Recorded) -> (Vec<u8>, u64) {
    let mut out = recorded.there.clone();
    flip(random, &mut out);
    (out, frames(&recorded.there).len() as u64)
}

/// Frames as they were, some of them twice, left out or elsewhere.
pub(super) fn shuffled(random: &mut SmallRng, tape: &[u8]) -> (Vec<u8>, u64) {
    let mut frames = frames(tape);
    for _ in 0..random.random_range(1..6) {
        let (from, to) = (random.random_range(0..frames.len()), random.random_range(0..frames.len()));
        match random.random_range(0..3) {
            0 => frames.swap(from, to),
            1 => frames.insert(to, frames[from]),
            _ if frames.len() > 1 => drop(frames.remove(from)),
            _ => {}
        }
    }
    (frames.concat(), frames.len() as u64)
}

fn replayed(random: &mut SmallRng, recorded: &Recorded) -> (Vec<u8>, u64) {
    shuffled(random, &recorded.there)
}

pub(super) fn call(stream: u32, flags: u8) -> Vec<u8> {
    frame(HEADERS, flags, stream, &head(&CALL))
}

/// Stream numbers of a client.
pub(super) fn streams() -> impl Iterator<Item = u32> {
    (1..).step_by(2)
}

fn oversize_frames(random: &mut SmallRng, _: &Recorded) -> (Vec<u8>, u64) {
    let mut out = call(1, END_HEADERS);
    // Larger than was agreed, by one or by all there can be.
    let length = [(16 << 10) + 1, 1 << 20, (1 << 24) - 1][random.random_range(0..3)];
    let kind = random.random_range(0..10);
    out.extend_from_slice(&u32::to_be_bytes(length)[1..]);
    out.extend_from_slice(&[kind, 0, 0, 0, 0, 1]);
    out.resize(out.len() + random.random_range(0..20_000), b'x');
    (out, 2)
}

fn oversize_heads(random: &mut SmallRng, _: &Recorded) -> (Vec<u8>, u64) {
    let (mut out, mut count) = (Vec::new(), 0);
    for stream in streams().take(10) {
        let mut block = head(&CALL);
        // A field of 8,000 bytes put into the table, and then named again and again: 80 bytes that mean half a megabyte.
        block.extend([0x40, 1, b'x', 0x7f, 0xc1, 0x3d]);
        block.resize(block.len() + 8_000, b'v');
        let again = random.random_range(0..100);
        block.resize(block.len() + again, 0x80 | 62);
        for (at, piece) in block.chunks(4_000).enumerate() {
            let kind = if at == 0 { HEADERS } else { CONTINUATION };
            let last = if (at + 1) * 4_000 >= block.len() { END_HEADERS } else { 0 };
            let flags = if at == 0 { last | END_STREAM } else { last };
            out.extend(frame(kind, flags, stream, piece));
            count += 1;
        }
    }
    (out, count)
}

fn continuations(random: &mut SmallRng, _: &Recorded) -> (Vec<u8>, u64) {
    let mut out = call(1, 0);
    let size = [0, 1, 100][random.random_range(0..3)];
    (0..FLOOD).for_each(|_| out.extend(frame(CONTINUATION, 0, 1, &vec![0x82; size])));
    (out, FLOOD + 1)
}

fn rapid_resets(random: &mut SmallRng, _: &Recorded) -> (Vec<u8>, u64) {
    let mut out = Vec::new();
    let flags = [END_HEADERS, END_HEADERS | END_STREAM][random.random_range(0..2)];
    for stream in streams().take(FLOOD as usize / 2) {
        out.extend(call(stream, flags));
        out.extend(frame(RST_STREAM, 0, stream, &8u32.to_be_bytes()));
    }
    (out, FLOOD)
}

/// What a server has to reset itself.
fn malformed(random: &mut SmallRng, _: &Recorded) -> (Vec<u8>, u64) {
    let bad = [("content-length", "x"), (":status", "200"), ("UPPER", "case"), ("connection", "close")];
    let bad = bad[random.random_range(0..bad.len())];
    let mut fields = CALL.to_vec();
    fields.insert(random.random_range(0..=fields.len()), bad);
    let block = head(&fields);
    let mut out = Vec::new();
    streams().take(FLOOD as usize).for_each(|stream| out.extend(frame(HEADERS, END_HEADERS, stream, &block)));
    (out, FLOOD)
}

fn settings(random: &mut SmallRng, _: &Recorded) -> (Vec<u8>, u64) {
    let mut out = call(1, END_HEADERS);
    for _ in 0..FLOOD {
        let mut payload = Vec::new();
        for _ in 0..random.random_range(0..4) {
            payload.extend(random.random_range(1..7u16).to_be_bytes());
            let value: u32 = if random.random_bool(0.01) { random.random() } else { random.random_range(0..2) };
            payload.extend(value.to_be_bytes());
        }
        out.extend(frame(SETTINGS, 0, 0, &payload));
    }
    (out, FLOOD)
}

fn pings(random: &mut SmallRng, _: &Recorded) -> (Vec<u8>, u64) {
    let mut out = Vec::new();
    let flags = random.random_range(0..2);
    (0..FLOOD).for_each(|_| out.extend(frame(PING, flags, 0, &random.random::<[u8; 8]>())));
    (out, FLOOD)
}

fn windows(random: &mut SmallRng, _: &Recorded) -> (Vec<u8>, u64) {
    let mut out = Vec::new();
    for stream in streams().take(200) {
        out.extend(call(stream, END_HEADERS));
        for _ in 0..4 {
            let by = [0, 1, 1 << 20, (1 << 31) - 1][random.random_range(0..4)];
            let on = if random.random_bool(0.02) { 0 } else { stream };
            out.extend(frame(WINDOW_UPDATE, 0, on, &u32::to_be_bytes(by)));
        }
    }
    (out, 1_000)
}

/// Tiny and empty ones, and more than there is room for.
fn data(random: &mut SmallRng, _: &Recorded) -> (Vec<u8>, u64) {
    let mut out = call(1, END_HEADERS);
    let size = [0, 1, 16_000][random.random_range(0..3)];
    let count = if size > 1 { 100 } else { FLOOD };
    (0..count).for_each(|_| out.extend(frame(DATA, 0, 1, &vec![b'x'; size])));
    (out, count + 1)
}

/// Sends all of it, and reads what comes back to its end.
async fn attack(mut ours: DuplexStream, bytes: &[u8]) {
    ours.write_all(&HELLO[..PREFACE_BYTES]).await.unwrap();
    let (mut reader, mut writer) = tokio::io::split(ours);
    let sending = async {
        let _ = writer.write_all(&HELLO[PREFACE_BYTES..]).await;
        let _ = writer.write_all(bytes).await;
        // h2 drops calls that it reads together with the end of their connection.
        tokio::task::yield_now().await;
        let _ = writer.shutdown().await;
    };
    let reading = async { while reader.read(&mut [0; 4_096]).await.is_ok_and(|read| read > 0) {} };
    soon("an end", async { tokio::join!(sending, reading) }).await;
}

async fn withstand(what: &str, most: u64, make: Attack) {
    let world = Arc::new(World::new(Kind::Memory, echo()).await);
    let recorded = recorded().await;
    let served = Arc::new(AtomicU64::new(0));
    let honest = tokio::spawn({
        let (world, served) = (world.clone(), served.clone());
        async move {
            loop {
                let answer = soon("an answer", world.call(post(Body::full("honest", None)))).await.unwrap();
                assert_eq!(bytes(answer.into_body()).await.unwrap(), "honest");
                served.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
    let begun = Instant::now();
    let (mut count, mut connections, mut before) = (0, 0u64, None);
    let mut peak = 0;
    while count < most {
        // What has grown to its size by then is used again.
        if count >= most / 4 && before.is_none() {
            before = Some(heap::live());
        }
        let mut random = SmallRng::seed_from_u64(connections);
        let (bytes, frames) = make(&mut random, &recorded);
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        let (server, stop) = (world.server.clone(), world.stop.clone());
        let held = heap::live();
        heap::reset_peak();
        let serving = tokio::spawn(async move {
            server.serve(Connected { io: Box::new(theirs), peer: identity("mad") }, stop).await;
        });
        attack(ours, &bytes).await;
        soon("an end", serving).await.unwrap_or_else(|error| panic!("connection {connections}: {error}"));
        peak = peak.max(heap::peak() - held);
        (count, connections) = (count + frames, connections + 1);
    }
    let (left, took) = (heap::live() - before.unwrap(), begun.elapsed());
    let (served, snapshot) = (served.load(Ordering::Relaxed), world.server.snapshot());
    println!(
        "{what}: {count} frames, {connections} connections, {took:.1?}, peak {peak} B, left {left} B, {served} honest"
    );
    assert!(left < LEFT_MAX, "{left} bytes stay behind");
    assert!(peak < PEAK_MAX, "one connection took {peak} bytes");
    assert_eq!((snapshot.connections, snapshot.panics), (1, 0));
    // The honest one was served all the time, on the connection it had.
    assert!(served >= 1 && !honest.is_finished(), "{served} answers");
    honest.abort();
    world.call(post(Body::full("afterwards", None))).await.unwrap();
    assert_eq!(world.client.snapshot().connected, 1);
}

macro_rules! attacks {
    ($($attack:ident: $most:expr;)*) => {
        mod server_withstands {
            $(#[tokio::test]
            async fn $attack() {
                super::withstand(stringify!($attack), $most, super::$attack).await;
            })*
        }
    };
}

attacks! {
    random_frames: super::frames_max();
    random_bytes: super::ends_max();
    truncated: super::frames_max();
    flipped: super::frames_max();
    replayed: super::frames_max();
    oversize_frames: super::ends_max();
    oversize_heads: super::frames_max();
    continuations: super::frames_max();
    rapid_resets: super::frames_max();
    malformed: super::frames_max();
    settings: super::frames_max();
    pings: super::frames_max();
    windows: super::frames_max();
    data: super::frames_max();
}
