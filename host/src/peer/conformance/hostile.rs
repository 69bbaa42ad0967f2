//! Whoever else can reach the port, and peers that have gone mad: bounded, no panic, and others are served meanwhile.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::{HeaderValue, Request};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::frames::{CALL, HELLO, at_random, head};
use super::world::{Echo, TWO, World, echo, get, handler, identity, soon, until};
use super::{Kind, heap};
use crate::call::Response;
use crate::peer::{Connected, Dial, Server, Settings, TlsDialer};

async fn raw(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _ = stream.write_all(bytes).await;
    stream
}

#[tokio::test]
async fn strangers_are_refused_and_disturb_nobody() {
    let settings = Settings { handshake_timeout_ms: 200, handshakes_max: 8, ..Settings::default() };
    let world = World::with(Kind::Tls, echo(), settings).await;
    let address = world.peer.address;
    let mut random = SmallRng::seed_from_u64(4);
    let garbage: Vec<u8> = (0..10_000).map(|_| random.random()).collect();
    for bytes in [
        &b""[..],
        b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        HELLO,
        &garbage,
        b"\x16\x03\x01\xff\xff",
        b"\x16\x03\x01\x00\x05\x01",
    ] {
        let refused = world.server.snapshot().refused;
        let mut stream = raw(address, bytes).await;
        until("it is refused", || world.server.snapshot().refused > refused).await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
        soon("others are served", world.call(get("/"))).await.unwrap();
    }
    assert!(world.server.snapshot().last_refusal.is_some());
    assert_eq!(world.server.snapshot().connections, 1);
}

#[tokio::test]
async fn handshakes_that_went_wrong_disturb_nobody() {
    // What a node begins with when it connects.
    let (_dir, one, _) = super::world::credentials();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let dialing = tokio::spawn(async move { drop(TlsDialer::new(one).dial(address, None).await) });
    let mut hello = vec![0; 4_096];
    let read = listener.accept().await.unwrap().0.read(&mut hello).await.unwrap();
    hello.truncate(read);
    assert!(hello.starts_with(&[0x16, 3, 1]) && read > 200, "{read}");
    soon("it gives up", dialing).await.unwrap();

    let settings = Settings { handshake_timeout_ms: 500, ..Settings::default() };
    let world = World::with(Kind::Tls, echo(), settings).await;
    soon("a call", world.call(get("/"))).await.unwrap();
    let before = heap::live();
    for seed in 0..300u64 {
        let mut random = SmallRng::seed_from_u64(seed);
        let mut bytes = hello.clone();
        super::million::flip(&mut random, &mut bytes);
        if random.random_bool(0.3) {
            bytes.truncate(random.random_range(0..bytes.len()));
        }
        if random.random_bool(0.5) {
            // Behind it, what no client sends.
            bytes.extend((0..random.random_range(1..2_000)).map(|_| random.random::<u8>()));
        }
        drop(raw(world.peer.address, &bytes).await);
        if seed % 20 == 0 {
            soon("others are served", world.call(get("/"))).await.unwrap();
        }
    }
    until("all are refused", || world.server.snapshot().refused == 300).await;
    assert!(heap::live() - before < 1 << 20, "{} bytes", heap::live() - before);
    assert_eq!((world.server.snapshot().connections, world.client.snapshot().connected), (1, 1));
}

#[tokio::test]
async fn a_thousand_silent_connections_keep_nobody_out() {
    let settings = Settings { handshakes_max: 32, connections_max: 400, ..Settings::default() };
    let world = World::with(Kind::Tls, echo(), settings).await;
    let mut silent = Vec::new();
    for _ in 0..1_000 {
        silent.push(TcpStream::connect(world.peer.address).await.unwrap());
    }
    let begun = Instant::now();
    soon("a peer gets in", world.call(get("/"))).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    until("the others are given up", || world.server.snapshot().refused >= 1_000 - 32).await;
    assert_eq!(world.server.snapshot().connections, 1);
}

/// A server, and a connection to it from a peer that passed TLS.
fn inside(
    settings: Settings,
    server: &Server,
    stop: &CancellationToken,
) -> (tokio::io::DuplexStream, tokio::task::JoinHandle<()>) {
    let (ours, theirs) = tokio::io::duplex(settings.window_bytes as usize);
    let (server, stop) = (server.clone(), stop.clone());
    let serving = tokio::spawn(async move {
        server.serve(Connected { io: Box::new(theirs), peer: identity("mad") }, stop).await;
    });
    (ours, serving)
}

/// How long to go on, in seconds; a long run says `HOSTEL_FUZZ_SECONDS=60`.
fn fuzz_seconds() -> u64 {
    std::env::var("HOSTEL_FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(1)
}

/// What nearly is a number of calls, what is anything but, and how many frames they are.
fn mad(random: &mut SmallRng) -> (Vec<u8>, Vec<u8>, u64) {
    let mut out = HELLO.to_vec();
    let mut frames = 0;
    for stream in (1..).step_by(2).take(random.random_range(0..4)) {
        let without = random.random_range(0..CALL.len() * 3);
        let kept: Vec<_> = CALL.iter().enumerate().filter(|(at, _)| *at != without).map(|(_, field)| *field).collect();
        let mut block = head(&kept);
        if random.random_bool(0.3) {
            let at = random.random_range(0..block.len());
            block[at] = random.random();
        }
        out.extend_from_slice(&(block.len() as u32).to_be_bytes()[1..]);
        out.push(1);
        out.push(if random.random_bool(0.5) { 4 } else { 5 });
        out.extend_from_slice(&(stream as u32).to_be_bytes());
        out.extend_from_slice(&block);
        frames += 1;
    }
    let mut rest = Vec::new();
    for _ in 0..random.random_range(1..40) {
        at_random(random, &mut rest);
        frames += 1;
    }
    if random.random_bool(0.3) {
        rest.truncate(random.random_range(0..rest.len()));
    }
    (out, rest, frames)
}

#[tokio::test]
async fn frames_at_random_end_their_own_connection_at_most() {
    let calls = Arc::new(AtomicU64::new(0));
    let counter = calls.clone();
    let echo = handler(move |_, request, _| {
        counter.fetch_add(1, Ordering::Relaxed);
        async move { Ok(Response::new(request.into_body())) }
    });
    let server = Server::new(TWO, Arc::new(echo), Arc::new(Echo), Settings::default());
    let stop = CancellationToken::new();
    let begun = Instant::now();
    let (mut connections, mut frames) = (0u64, 0);
    while begun.elapsed() < Duration::from_secs(fuzz_seconds()) {
        let mut random = SmallRng::seed_from_u64(connections);
        let (calls, bytes, count) = mad(&mut random);
        let (mut ours, serving) = inside(Settings::default(), &server, &stop);
        // What comes back is read, or a full pipe would be all that is tested.
        let _ = ours.write_all(&calls).await;
        // h2 drops calls that it reads together with the end of their connection.
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
        let _ = ours.write_all(&bytes).await;
        let _ = ours.shutdown().await;
        let _ = soon("an end", ours.read_to_end(&mut Vec::new())).await;
        soon("an end", serving).await.unwrap_or_else(|error| panic!("seed {connections}: {error}"));
        (connections, frames) = (connections + 1, frames + count);
    }
    let snapshot = server.snapshot();
    println!("{connections} connections, {frames} frames, {} calls got through", calls.load(Ordering::Relaxed));
    assert_eq!((snapshot.connections, snapshot.panics), (0, 0));
    assert!(calls.load(Ordering::Relaxed) > 100, "too mad to test anything");
}

#[tokio::test]
async fn a_whole_body_in_many_pieces_is_put_together_once() {
    let server = Server::new(TWO, Arc::new(echo()), Arc::new(Echo), Settings::default());
    let stop = CancellationToken::new();
    let (ours, serving) = inside(Settings::default(), &server, &stop);
    let (mut sender, connection) = h2::client::handshake(ours).await.unwrap();
    tokio::spawn(async move { drop(connection.await) });
    let mut request = Request::post("/").body(()).unwrap();
    for (name, value) in &CALL[3..] {
        request.headers_mut().insert(*name, HeaderValue::from_static(value));
    }
    let before = heap::total();
    let (response, mut body) = sender.send_request(request, false).unwrap();
    const PIECES: usize = 20_000;
    (0..PIECES).for_each(|at| body.send_data(bytes::Bytes::from_static(b"x"), at + 1 == PIECES).unwrap());
    let mut answer = soon("an answer", response).await.unwrap().into_body();
    let mut read = 0;
    while let Some(data) = answer.data().await {
        read += data.unwrap().len();
    }
    assert_eq!(read, PIECES);
    // Copying all of it for each piece would be 200 MB.
    let allocated = heap::total() - before;
    assert!(allocated < 40 << 20, "{allocated} bytes");
    stop.cancel();
    drop((sender, answer, body));
    soon("the end", serving).await.unwrap();
}

#[tokio::test]
async fn a_peer_cannot_make_requests_of_its_own_kind() {
    let server = Server::new(TWO, Arc::new(echo()), Arc::new(Echo), Settings::default());
    let stop = CancellationToken::new();
    let (ours, serving) = inside(Settings::default(), &server, &stop);
    let (sender, connection) = h2::client::handshake(ours).await.unwrap();
    tokio::spawn(async move { drop(connection.await) });
    let good = [
        ("hostel-target", "orders"),
        ("hostel-caller", "edge"),
        ("hostel-depth", "1"),
        ("hostel-timeout", "5S"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ];
    let ask = async |change: Option<(&'static str, &'static str)>, remove: &str, large: usize| {
        let mut request = Request::post("/").body(()).unwrap();
        for (name, value) in good.into_iter().filter(|(name, _)| *name != remove).chain(change) {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        if large > 0 {
            request.headers_mut().insert("x-large", HeaderValue::from_bytes(&vec![b'a'; large]).unwrap());
        }
        let (response, _) = sender.clone().send_request(request, true)?;
        let response = response.await?;
        let error = response.headers().get("hostel-error").map(|slug| slug.to_str().unwrap().to_owned());
        Ok::<_, h2::Error>((response.status().as_u16(), error))
    };
    assert_eq!(ask(None, "", 0).await.unwrap(), (200, None));
    for (name, _) in good {
        assert_eq!(ask(None, name, 0).await.unwrap().1.as_deref(), Some("invalid-request"), "without {name}");
    }
    for change in [
        ("hostel-control", "state"),
        ("hostel-target", "Not a service"),
        ("hostel-caller", "a/b"),
        ("hostel-depth", "-1"),
        ("hostel-depth", "99999999999"),
        ("hostel-timeout", "soon"),
        ("traceparent", "00-0-0-0"),
        ("hostel-method", "a b"),
    ] {
        assert_eq!(ask(Some(change), "", 0).await.unwrap().1.as_deref(), Some("invalid-request"), "{change:?}");
    }
    // Too large for HTTP/2 as agreed: refused without the connection being lost.
    let large = ask(None, "", 200_000).await;
    assert!(large.as_ref().map_or(true, |(status, _)| *status == 431), "{large:?}");
    assert_eq!(ask(None, "", 0).await.unwrap(), (200, None));
    stop.cancel();
    soon("the end", serving).await.unwrap();
    assert_eq!(server.snapshot().panics, 0);
}
