//! Peers that answer calls with garbage: as many frames as `million` has, against the client.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use futures::future::BoxFuture;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, RST_STREAM, Recorded, SETTINGS, WINDOW_UPDATE,
    at_random, frame, frames, head, recorded,
};
use super::million::{PEAK_MAX, ends_max, flip, frames_max, shuffled};
use super::world::{World, bytes, context, echo, get, identity, orders, post, soon};
use super::{Kind, heap};
use crate::call::Body;
use crate::peer::{Client, Connected, Dial, Incarnation, LinkError, NodeName, Peer, Settings};

/// What a mad server sends when it has seen the first call, and how many frames that is.
type Attack = fn(&mut SmallRng, &Recorded) -> (Vec<u8>, u64);

/// The stream of the call: the first one asks who is there.
const CALL: u32 = 3;

/// The head of a response, with which the answer begins.
fn begun(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = vec![0x88];
    block.extend(head(fields));
    frame(HEADERS, END_HEADERS, CALL, &block)
}

fn random_frames(random: &mut SmallRng, _: &Recorded) -> (Vec<u8>, u64) {
    let fields = [("hostel-error", "trap"), ("hostel-whole", "1"), ("hostel-length", "x")];
    let mut out = if random.random_bool(0.8) { begun(&fields[random.random_range(0..3)..]) } else { Vec::new() };
    let count = random.random_range(1..30);
    (0..count).for_each(|_| at_random(random, &mut out));
    (out, count + 1)
}

fn random_bytes(random: &mut SmallRng, _: &Recorded) -> (Vec<u8>, u64) {
    let mut out = vec![0; random.random_range(9..500)];
    random.fill(&mut out[..]);
    let count = frames(&out).len() as u64;
    (out, count)
}

/// What answered the calls that were recorded, which are of the same numbers: all but what came before them.
fn answers(recorded: &Recorded) -> &[u8] {
    let frames = frames(&recorded.back);
    let of_call = |frame: &&&[u8]| u32::from_be_bytes([frame[5], frame[6], frame[7], frame[8]]) >= CALL;
    let before = frames.iter().position(|frame| of_call(&frame)).unwrap();
    &recorded.back[frames[..before].iter().map(|frame| frame.len()).sum()..]
}

fn truncated(random: &mut SmallRng, recorded: &Recorded) -> (Vec<u8>, u64) {
    let mut out = answers(recorded).to_vec();
    out.truncate(random.random_range(0..out.len()));
    let count = frames(&out).len() as u64;
    (out, count)
}

fn flipped(random: &mut SmallRng, recorded: &Recorded) -> (Vec<u8>, u64) {
    let mut out = answers(recorded).to_vec();
    let count = frames(&out).len() as u64;
    flip(random, &mut out);
    (out, count)
}

fn replayed(random: &mut SmallRng, recorded: &Recorded) -> (Vec<u8>, u64) {
    shuffled(random, answers(recorded))
}

/// Interim heads without end, and heads that are continued without end.
fn heads(random: &mut SmallRng, _: &Recorded) -> (Vec<u8>, u64) {
    let interim = frame(HEADERS, END_HEADERS, CALL, &head(&[(":status", "103"), ("link", "</style.css>")]));
    let (begin, again) = match random.random_range(0..3) {
        0 => (Vec::new(), interim),
        1 => (frame(HEADERS, 0, CALL, &[0x88]), frame(CONTINUATION, 0, CALL, &[0x88; 50])),
        _ => (begun(&[]), begun(&[])),
    };
    ([begin, again.repeat(1_000)].concat(), 1_001)
}

fn control(random: &mut SmallRng, _: &Recorded) -> (Vec<u8>, u64) {
    let mut out = begun(&[]);
    for _ in 0..1_000 {
        out.extend(match random.random_range(0..5) {
            0 => frame(PING, random.random_range(0..2), 0, &[7; 8]),
            1 => frame(SETTINGS, 0, 0, &[[0, 3, 0, 0, 0, 0], [0, 4, 0, 0, 255, 255]][random.random_range(0..2)]),
            2 => frame(WINDOW_UPDATE, 0, CALL, &[0, 0, 0, 1]),
            3 => frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]),
            _ => frame(7, 0, 0, &[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
        });
    }
    (out, 1_001)
}

/// More than there is room for, and trailers that are too large.
fn bodies(random: &mut SmallRng, _: &Recorded) -> (Vec<u8>, u64) {
    let mut out = begun(&[[("hostel-whole", "1"), ("hostel-length", "5")][random.random_range(0..2)]]);
    let size = [0, 1, 5, 16_000][random.random_range(0..4)];
    let count = if size > 5 { 100 } else { 500 };
    (0..count).for_each(|_| out.extend(frame(DATA, 0, CALL, &vec![b'x'; size])));
    let field = head(&[("x-large", &"y".repeat(100))]);
    out.extend(frame(HEADERS, END_HEADERS | END_STREAM, CALL, &field.repeat(random.random_range(1..100))));
    (out, count + 2)
}

/// Says who it is, and then what it was told to.
struct Mad(Arc<Mutex<Vec<u8>>>);

impl Dial for Mad {
    fn dial(&self, _: SocketAddr, _: Option<&NodeName>) -> BoxFuture<'static, Result<Connected, LinkError>> {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        let answer = std::mem::take(&mut *self.0.lock().unwrap());
        tokio::spawn(async move { drop(play(theirs, answer).await) });
        Box::pin(std::future::ready(Ok(Connected { io: Box::new(ours), peer: identity("two") })))
    }

    fn generation(&self) -> u64 {
        0
    }
}

async fn play(mut io: DuplexStream, answer: Vec<u8>) -> std::io::Result<()> {
    io.read_exact(&mut [0; 24]).await?;
    io.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
    let hello = [&[1][..], &[2; 16]].concat();
    for stream in [1, CALL] {
        loop {
            let mut head = [0; 9];
            io.read_exact(&mut head).await?;
            let length = usize::from(head[1]) << 8 | usize::from(head[2]);
            io.read_exact(&mut vec![0; length]).await?;
            if head[3] == HEADERS {
                break;
            }
        }
        if stream == 1 {
            io.write_all(&[frame(HEADERS, END_HEADERS, 1, &[0x88]), frame(DATA, 1, 1, &hello)].concat()).await?;
        }
    }
    let (mut reader, mut writer) = tokio::io::split(io);
    let reading = async { while reader.read(&mut [0; 4_096]).await.is_ok_and(|read| read > 0) {} };
    let writing = async {
        let _ = writer.write_all(&answer).await;
        let _ = writer.shutdown().await;
    };
    tokio::join!(reading, writing);
    Ok(())
}

async fn withstand(what: &str, most: u64, make: Attack) {
    let honest = World::new(Kind::Memory, echo()).await;
    let recorded = recorded().await;
    let answer = Arc::new(Mutex::new(Vec::new()));
    let client = Client::new(
        Arc::new(Mad(answer.clone())),
        Settings { drain_ms: 600_000, ..Settings::default() },
        Arc::new(|_, _| ()),
        1,
        tokio::runtime::Handle::current(),
    );
    let peer =
        Peer { incarnation: Incarnation([2; 16]), node: identity("two").node, address: ([10, 0, 0, 2], 1).into() };
    let begun = Instant::now();
    let (mut count, mut connections, mut answered, mut before, mut peak) = (0, 0u64, 0u64, None, 0);
    while count < most {
        if count >= most / 4 && before.is_none() {
            before = Some(heap::live());
        }
        let mut random = SmallRng::seed_from_u64(connections);
        let (bytes_sent, frames) = make(&mut random, &recorded);
        *answer.lock().unwrap() = bytes_sent;
        let held = heap::live();
        heap::reset_peak();
        // Whatever comes is an answer or an error, and soon.
        let called = soon("an end", client.call(&peer, &orders(), get("/"), &context())).await;
        if let Ok(response) = called {
            answered += 1;
            let _ = soon("an end of the body", bytes(response.into_body())).await;
        }
        client.forget(&peer);
        peak = peak.max(heap::peak() - held);
        (count, connections) = (count + frames, connections + 1);
        if connections % 64 == 0 {
            let answer = soon("an honest answer", honest.call(post(Body::full("honest", None)))).await.unwrap();
            assert_eq!(bytes(answer.into_body()).await.unwrap(), "honest");
        }
    }
    // Its tasks are gone before the drain is over.
    soon("all links are gone", client.close()).await;
    let (left, took) = (heap::live() - before.unwrap(), begun.elapsed());
    println!(
        "{what}: {count} frames, {connections} connections, {answered} begun, {took:.1?}, peak {peak} B, left {left} B"
    );
    assert!(left < 256 << 10, "{left} bytes stay behind");
    assert!(peak < PEAK_MAX, "one connection took {peak} bytes");
    assert_eq!(client.snapshot().connected, connections);
    assert!(client.snapshot().peers.is_empty());
    assert_eq!(honest.client.snapshot().connected, 1);
}

macro_rules! attacks {
    ($($attack:ident: $most:expr;)*) => {
        mod client_withstands {
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
    heads: super::frames_max();
    control: super::frames_max();
    bodies: super::frames_max();
}
