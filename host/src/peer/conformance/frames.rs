//! Frames of HTTP/2 by hand, and what real links have sent. Source: RFC 9113, sections 3.4, 4.1 and 6; RFC 7541.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::future::BoxFuture;
use http_body::Frame;
use rand::Rng;
use rand::rngs::SmallRng;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio_util::sync::CancellationToken;

use super::world::{Echo, TWO, bytes, context, echo, get, identity, orders, post, soon, streamed};
use crate::call::Body;
use crate::peer::fake::{FakeDialer, Network};
use crate::peer::{Client, Connected, Dial, Io, LinkError, NodeName, Peer, Server, Settings};

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// What a client begins with: that it speaks HTTP/2, and that it has no wishes.
pub(super) const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// The part of it that is no frame.
pub(super) const PREFACE_BYTES: usize = 24;

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A frame that is well formed on the outside at least.
pub(super) fn at_random(random: &mut SmallRng, out: &mut Vec<u8>) {
    let length = match random.random_range(0..10) {
        0 => 0,
        1..=7 => random.random_range(0..40),
        _ => random.random_range(0..2_000),
    };
    let stream: u32 = if random.random_bool(0.2) { random.random() } else { random.random_range(0..12) };
    let said = if random.random_bool(0.02) { random.random_range(0..1 << 24) } else { length as u32 };
    out.extend_from_slice(&said.to_be_bytes()[1..]);
    out.push(random.random_range(0..12));
    out.push(random.random());
    out.extend_from_slice(&stream.to_be_bytes());
    let begin = out.len();
    out.resize(begin + length, 0);
    random.fill(&mut out[begin..]);
    if random.random_bool(0.5) {
        // Indexed fields, mostly: heads that HPACK can read.
        out[begin..].iter_mut().for_each(|byte| *byte = 0x80 | (1 + *byte % 61));
    }
}

/// HPACK of a head: literal fields, names and values in plain.
pub(super) fn head(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(text.len() as u8);
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// The head of a call that a server takes.
pub(super) const CALL: [(&str, &str); 9] = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/"),
    ("hostel-target", "orders"),
    ("hostel-caller", "edge"),
    ("hostel-depth", "1"),
    ("hostel-timeout", "5S"),
    ("hostel-whole", "1"),
    ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
];

/// Cuts a stream of bytes into its frames.
pub(super) fn frames(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    while let Some(head) = bytes.get(..9) {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let (frame, rest) = bytes.split_at((9 + length).min(bytes.len()));
        frames.push(frame);
        bytes = rest;
    }
    frames
}

/// What went over a link while it was used as links are.
pub(super) struct Recorded {
    /// From the caller, behind the preface.
    pub(super) there: Vec<u8>,
    pub(super) back: Vec<u8>,
}

type Tape = Arc<Mutex<Vec<u8>>>;

/// Dials in memory, and records.
struct Recording {
    inner: FakeDialer,
    there: Tape,
    back: Tape,
}

impl Dial for Recording {
    fn dial(&self, address: SocketAddr, node: Option<&NodeName>) -> BoxFuture<'static, Result<Connected, LinkError>> {
        let dialing = self.inner.dial(address, node);
        let (there, back) = (self.there.clone(), self.back.clone());
        Box::pin(async move {
            let connected = dialing.await?;
            let (ours, end) = tokio::io::duplex(64 << 10);
            let (reader, writer) = tokio::io::split(Box::new(end) as Box<dyn Io>);
            let (their_reader, their_writer) = tokio::io::split(connected.io);
            tokio::spawn(copy(reader, their_writer, there));
            tokio::spawn(copy(their_reader, writer, back));
            Ok(Connected { io: Box::new(ours), peer: connected.peer })
        })
    }

    fn generation(&self) -> u64 {
        0
    }
}

async fn copy(mut from: ReadHalf<Box<dyn Io>>, mut to: WriteHalf<Box<dyn Io>>, tape: Tape) {
    let mut piece = Vec::new();
    while from.read_buf(&mut piece).await.is_ok_and(|read| read > 0) {
        tape.lock().unwrap().extend_from_slice(&piece);
        if to.write_all(&piece).await.is_err() {
            return;
        }
        piece.clear();
    }
    let _ = to.shutdown().await;
}

/// Uses a link in every way there is, and says what went over it.
pub(super) async fn recorded() -> Recorded {
    let (network, address) = (Network::new(), SocketAddr::from(([10, 0, 0, 2], 7946)));
    let server = Server::new(TWO, Arc::new(echo()), Arc::new(Echo), Settings::default());
    network.listen(address, identity("two"), server, CancellationToken::new());
    let (there, back) = (Tape::default(), Tape::default());
    let dial = Recording { inner: network.dialer(identity("one")), there: there.clone(), back: back.clone() };
    let runtime = tokio::runtime::Handle::current();
    let client = Client::new(Arc::new(dial), Settings::default(), Arc::new(|_, _| ()), 1, runtime);
    let peer = Peer { incarnation: TWO, node: identity("two").node, address };
    let call = async |request| client.call(&peer, &orders(), request, &context()).await.unwrap();
    call(get("/some/path?with=query")).await;
    let mut trailers = http::HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
    for body in [Body::full("hello", Some(trailers.clone())), Body::full(vec![7; 20_000], None)] {
        bytes(call(post(body)).await.into_body()).await.unwrap();
    }
    let (sender, body) = streamed();
    let mut answer = call(post(body)).await.into_body();
    for piece in [Frame::data(Bytes::from_static(b"piece")), Frame::trailers(trailers)] {
        sender.send(Ok(piece)).await.unwrap();
        soon("an echo", std::future::poll_fn(|cx| http_body::Body::poll_frame(std::pin::pin!(&mut answer), cx))).await;
    }
    client.control(&peer, "state", Bytes::from_static(b"?"), std::time::Duration::from_secs(5)).await.unwrap();
    // A call that is given up.
    let (_sender, body) = streamed();
    drop((answer, call(post(body)).await));
    client.close().await;
    let there = std::mem::take(&mut *there.lock().unwrap());
    assert!(there.starts_with(&HELLO[..PREFACE_BYTES]));
    let recorded =
        Recorded { there: there[PREFACE_BYTES..].to_vec(), back: std::mem::take(&mut *back.lock().unwrap()) };
    for (tape, least) in [(&recorded.there, 15), (&recorded.back, 12)] {
        let frames = frames(tape);
        assert!(frames.len() >= least, "{} frames", frames.len());
        assert_eq!(frames.iter().map(|frame| frame.len()).sum::<usize>(), tape.len());
    }
    recorded
}
