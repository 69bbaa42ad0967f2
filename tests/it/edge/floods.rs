//! What clients can send cheaply, and what a server would pay for it. Each is cut off, nobody else notices, and the host
//! does not grow.

use std::time::Duration;

use crate::harness::frames::{
    CONTINUATION, DATA, END, END_HEADERS, ENHANCE_YOUR_CALM, HEADERS, Http2, PING, PRIORITY, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, frame, get, head,
};
use crate::harness::guests::ECHO;
use crate::harness::host::Host;
use crate::harness::http::Client;
use crate::harness::logs::Event;
use crate::harness::raw::Raw;
use crate::harness::wait::{LONG, eventually};

const MIB: f64 = 1024.0 * 1024.0;

/// A host, and what others see of it meanwhile.
struct Target {
    host: Host,
    other: Client,
    memory: f64,
}

impl Target {
    async fn new(config: &str) -> Self {
        let host = Host::builder()
            .guest(&ECHO)
            .config(&format!("[log]\nfilter = \"info,hostel::edge=debug\"\n[edge]\n{config}\n"))
            .start()
            .await;
        let other = Client::h2(host.edge);
        // Code and buffers are there after the first calls.
        for _ in 0..20 {
            host.get("/echo/hello/x").await.expect(200);
            other.get(&host.url("/echo/hello/x")).await.expect(200);
        }
        let memory = memory(&host).await;
        Self { host, other, memory }
    }

    async fn connect(&self) -> Http2 {
        Http2::connect(self.host.edge).await
    }

    async fn closed(&self, reason: &str) -> f64 {
        self.host.metrics().await.sum("hostel_edge_connections_closed_total", &[("reason", reason)])
    }

    /// Others are served on the connection they had, nothing is left of what was sent, and memory is as it was.
    async fn is_well(&self) {
        self.other.get(&self.host.url("/echo/hello/x")).await.expect(200);
        self.host.in_flight("echo", 0).await;
        let grown = memory(&self.host).await - self.memory;
        assert!(grown < 64.0 * MIB, "{} MiB more than before", grown / MIB);
        assert!(!self.host.logs.events().iter().any(|event| event.level() == "error"));
        eventually("one connection is left, or two", LONG, async || {
            let open = self.host.metrics().await.sum("hostel_edge_connections", &[]);
            (open <= 2.0).then_some(()).ok_or_else(|| open.to_string())
        })
        .await;
    }
}

async fn memory(host: &Host) -> f64 {
    host.metrics().await.sum("process_resident_memory_bytes", &[])
}

/// CVE-2023-44487, in one piece: streams are reset before anybody looked at them.
#[tokio::test]
async fn streams_that_are_reset_at_once() {
    let target = Target::new("").await;
    let mut client = target.connect().await;
    let flood: Vec<u8> = (0..20_000)
        .flat_map(|stream| {
            let stream = 2 * stream + 1;
            [get(stream, "/echo/sleep/9000"), frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()
        })
        .collect();
    client.send(&flood).await;
    let code = client.end().await;
    assert!(code == Some(ENHANCE_YOUR_CALM) || target.closed("flood").await == 1.0, "{code:?}");
    target.is_well().await;
}

/// The same for servers that look at once: each is taken up before it is reset.
#[tokio::test]
async fn streams_that_are_reset_when_they_are_taken_up() {
    let target = Target::new("").await;
    let mut client = target.connect().await;
    let mut stream = 1;
    let mut rounds = 0;
    loop {
        let streams: Vec<u32> = (0..50).map(|number| stream + 2 * number).collect();
        stream += 100;
        let begin: Vec<u8> = streams.iter().flat_map(|stream| get(*stream, "/echo/sleep/9000")).collect();
        let reset: Vec<u8> =
            streams.iter().flat_map(|stream| frame(RST_STREAM, 0, *stream, &8_u32.to_be_bytes())).collect();
        if !client.send(&begin).await || !client.caught_up().await || !client.send(&reset).await {
            break;
        }
        rounds += 1;
        assert!(rounds < 400, "20,000 requests were given up, and nobody minds");
    }
    // When the host is busy, many are reset before they are taken up after all.
    let refused = |event: &Event| event.message() == "a connection ended with an error";
    let how = target.host.logs("the connection is ended", refused).await;
    let is_flood = how.contains("the client floods the connection") || how.contains("ENHANCE_YOUR_CALM");
    assert!(is_flood, "{how:?}");
    target.is_well().await;
}

#[tokio::test]
async fn headers_that_are_continued_for_ever() {
    let target = Target::new("").await;
    let mut client = target.connect().await;
    client.send(&frame(HEADERS, END, 1, &head("GET", "/echo/hello/x"))).await;
    // A header without a value each, never indexed.
    let more = frame(CONTINUATION, 0, 1, b"\x10\x01a\x00");
    client.send(&more.repeat(100_000)).await;
    assert_eq!(client.end().await, Some(ENHANCE_YOUR_CALM));
    target.is_well().await;
}

/// One that waits for the end of its headers has no more time than any other.
#[tokio::test]
async fn headers_that_are_never_continued() {
    let target = Target::new("header_timeout_ms = 500").await;
    let mut client = target.connect().await;
    client.send(&frame(HEADERS, END, 1, &head("GET", "/echo/hello/x"))).await;
    assert_eq!(client.end().await, None);
    assert_eq!(target.closed("head").await, 1.0);
    target.is_well().await;
}

#[tokio::test]
async fn frames_that_ask_for_nothing() {
    let target = Target::new("").await;
    let settings = [0, 4, 0, 1, 0, 0];
    for (number, flood) in [
        frame(SETTINGS, 0, 0, &settings),
        frame(SETTINGS, 0, 0, &[]),
        frame(PING, 0, 0, b"12345678"),
        frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 7]),
        frame(200, 0, 0, b"nothing that anybody knows"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = target.connect().await;
        let flood = flood.repeat(1_000);
        // The answers are not read, as little as they would be by who means it.
        let mut rounds = 0;
        while client.send(&flood).await {
            rounds += 1;
            assert!(rounds < 1_000, "a million frames of kind {number}");
        }
        assert_eq!(client.end().await, None);
        assert_eq!(target.closed("flood").await, (number + 1) as f64);
    }
    target.is_well().await;
}

/// A header that is sent once and referred to often: each reference is a byte, and becomes thousands.
#[tokio::test]
async fn headers_that_grow_when_they_are_unpacked() {
    let target = Target::new("").await;
    let mut client = target.connect().await;
    // Literal with indexing: name `a`, a value of 3,000 bytes (a length of 127 + 2,873).
    let bomb = [&b"\x40\x01a\x7f\xb9\x16"[..], &[b'x'; 3_000]].concat();
    let load = [head("GET", "/echo/hello/x"), bomb, vec![0xbe; 12_000]].concat();
    let mut stream = 1;
    let mut sent = 0;
    while sent < 200 && client.send(&frame(HEADERS, END | END_HEADERS, stream, &load)).await {
        stream += 2;
        sent += 1;
    }
    // Each would be 36 MB. It ends the connection, or is refused by itself.
    let answered = tokio::time::timeout(Duration::from_secs(2), client.end()).await;
    assert!(answered.is_ok(), "the connection goes on after {sent}");
    target.is_well().await;
}

#[tokio::test]
async fn bodies_in_tiny_pieces() {
    let target = Target::new("").await;
    for (piece, times) in [(&b"x"[..], 100_000), (b"", 10_000)] {
        let mut client = target.connect().await;
        client.send(&frame(HEADERS, END_HEADERS, 1, &head("POST", "/echo/sleep/9000"))).await;
        // Some are read before the service is called, which then reads none.
        assert!(client.caught_up().await);
        client.send(&frame(DATA, 0, 1, piece).repeat(times)).await;
        assert_eq!(client.end().await, Some(ENHANCE_YOUR_CALM), "{piece:?}");
    }
    target.is_well().await;
}

/// What is answered and never read is not kept for long, and not much of it.
#[tokio::test]
async fn responses_that_nobody_reads() {
    let target = Target::new("keepalive_interval_ms = 2000\nkeepalive_timeout_ms = 1000").await;
    // Windows as wide as they get.
    let mut clients = Vec::new();
    for _ in 0..4 {
        let mut client = Http2::with_settings(target.host.edge, &[0, 4, 0x7f, 0xff, 0xff, 0xff]).await;
        client.send(&frame(WINDOW_UPDATE, 0, 0, &(0x7fff_ffff_u32 - 65_535).to_be_bytes())).await;
        let requests: Vec<u8> = (0..100).flat_map(|stream| get(2 * stream + 1, "/echo/stream/100000")).collect();
        assert!(client.send(&requests).await);
        clients.push(client);
    }
    eventually("they are taken for dead", LONG, async || {
        let dead = target.closed("dead").await;
        let grown = memory(&target.host).await - target.memory;
        assert!(grown < 160.0 * MIB, "{} MiB more than before", grown / MIB);
        (dead == 4.0).then_some(()).ok_or_else(|| format!("{dead} are"))
    })
    .await;
    drop(clients);
    let mut client = Raw::connect(target.host.edge).await;
    client.send("GET /echo/stream/100000 HTTP/1.1\r\nhost: x\r\n\r\n").await;
    eventually("over HTTP/1.1 too", LONG, async || {
        let dead = target.closed("dead").await;
        (dead == 5.0).then_some(()).ok_or_else(|| format!("{dead} are"))
    })
    .await;
    target.host.in_flight("echo", 0).await;
    target.other.get(&target.host.url("/echo/hello/x")).await.expect(200);
}
