//! Back-pressure: who does not read stops who writes, and nobody on the way keeps what is not read.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep, timeout};

use crate::harness::alone;
use crate::harness::grpc::{ask, next};
use crate::harness::guests::{ECHO, HOSTILE, HOSTILE_LEAN, HOSTILE2, LEAN_BARE, RELAY};
use crate::harness::http::{Client, get, next as next_piece, pushed, request};
use crate::harness::world::{Place, World};

crate::both_ways! {
    a_reader_that_stops_stops_the_producer,
    a_callee_that_does_not_read_stops_the_sender,
    readers_that_stop_hold_up_nobody_else,
}

/// What may be on its way: windows and buffers of sockets and pipes. A producer that is not stopped makes this in the
/// blink of an eye.
const ON_ITS_WAY_MIB: f64 = 32.0;

const UNLIMITED: &str = "[limits]\nbody_bytes_max = 0\ncpu_ms = 60000\nwall_ms = 60000\n";

/// Runs alone, because it looks at how much CPU time the hosts take.
async fn a_reader_that_stops_stops_the_producer(place: Place) {
    let _alone = alone::alone();
    let manifest = format!("{UNLIMITED}[grants]\ncalls = ['*']\n");
    let mut plan = place.plan().config("[edge]\nrequest_timeout_ms = 60000\n").caller_as("front", &ECHO);
    plan = plan.manifest("front", &manifest);
    for caller in [&RELAY, &LEAN_BARE] {
        plan = plan.caller(caller).manifest(caller.name, &manifest);
    }
    for callee in [&ECHO, &HOSTILE, &HOSTILE2, &HOSTILE_LEAN] {
        plan = plan.callee(callee).manifest(callee.name, &manifest);
    }
    let world = plan.start().await;
    // The compiler takes CPU time and memory as well.
    for service in ["front", "relay", "lean-bare", "echo", "hostile", "hostile2", "hostile-lean"] {
        world.home(service).runs_optimised(service).await;
    }
    for path in [
        "/echo/stream/4000000",
        "/lean-bare/call/echo/stream/4000000",
        "/hostile/endless-response",
        "/front/call/hostile/endless-response",
        "/hostile2/endless-response",
        "/hostile-lean/endless-stream",
        "/front/call/hostile-lean/endless-stream",
    ] {
        for client in [Client::h1(world.edge), Client::h2(world.edge)] {
            let before = usage(&world).await;
            let mut response = client.open(get(&world.url(path))).await.unwrap();
            assert_eq!(response.status(), 200, "{path}");
            next_piece(response.body_mut()).await.expect("a piece").unwrap();
            stands_still(&world, path, &before).await;
        }
    }
    let before = usage(&world).await;
    let replies = world.grpc("relay").server_stream(ask("x", u32::MAX, 0)).await;
    let mut replies = replies.unwrap().into_inner();
    next(&mut replies).await.unwrap().expect("a message");
    stands_still(&world, "relay ServerStream", &before).await;
}

/// Nobody reads the request: whoever sends it is stopped after a while.
async fn a_callee_that_does_not_read_stops_the_sender(place: Place) {
    let mut plan = place.plan().config("[edge]\nrequest_timeout_ms = 60000\n");
    for guest in [&HOSTILE, &HOSTILE_LEAN] {
        plan = plan.callee(guest).manifest(guest.name, UNLIMITED);
    }
    let world = plan.start().await;
    for path in ["/hostile/stall-body", "/hostile-lean/stall-body"] {
        for client in [Client::h1(world.edge), Client::h2(world.edge)] {
            let (sender, body) = pushed();
            let url = world.url(path);
            let call = tokio::spawn(async move { client.open(request("POST", &url, body)).await.map(drop) });
            let piece = Bytes::from(vec![b'x'; 64 * 1024]);
            let mut mib = 0.0;
            // Until nothing more is taken for a while.
            while let Ok(sent) = timeout(Duration::from_secs(2), sender.send(Ok(piece.clone()))).await {
                sent.unwrap_or_else(|_| panic!("{path}: the request ended after {mib} MiB"));
                mib += 1.0 / 16.0;
                assert!(mib < ON_ITS_WAY_MIB, "{path}: {mib} MiB were taken, and nobody reads them");
            }
            call.abort();
            let _ = call.await;
        }
    }
}

/// Those who do not read keep nobody from being served, not even on the same link.
async fn readers_that_stop_hold_up_nobody_else(place: Place) {
    let plan = place.plan().config("[edge]\nrequest_timeout_ms = 60000\n");
    let plan = plan.callee(&ECHO).manifest("echo", UNLIMITED).caller(&LEAN_BARE).manifest("lean-bare", UNLIMITED);
    let world = plan.start().await;
    let client = Client::h2(world.edge);
    let mut unread = Vec::new();
    for path in ["/echo/stream/4000000", "/lean-bare/call/echo/stream/4000000"] {
        for _ in 0..20 {
            let response = client.open(get(&world.url(path))).await.unwrap();
            assert_eq!(response.status(), 200, "{path}");
            unread.push(response);
        }
    }
    for path in ["/echo/hello/x", "/lean-bare/call/echo/hello/x"] {
        for _ in 0..20 {
            let begun = Instant::now();
            assert_eq!(world.get(path).await.expect(200).text(), "hello x");
            assert!(begun.elapsed() < Duration::from_secs(2), "{path}: {:?}", begun.elapsed());
        }
        let reply = world.post("/echo/echo-stream", vec![b'x'; 3 << 20]).await.expect(200);
        assert_eq!(reply.body.len(), 3 << 20);
    }
}

/// Fails unless the hosts come to do next to nothing, and keep next to nothing more than before.
async fn stands_still(world: &World, what: &str, before: &Usage) {
    const LOOK: Duration = Duration::from_millis(400);
    // Filling what lies between may take a moment.
    for attempt in 1.. {
        let start = usage(world).await;
        sleep(LOOK).await;
        let end = usage(world).await;
        let busy = end.cpu_s - start.cpu_s;
        if busy < 0.25 * LOOK.as_secs_f64() && end.mib - start.mib < 1.0 {
            break;
        }
        assert!(
            attempt < 5,
            "{what}: {busy:.3} s of CPU time in {LOOK:?}, from {} to {} MiB, and nobody reads",
            start.mib,
            end.mib
        );
    }
    let more = usage(world).await.mib - before.mib;
    assert!(more < ON_ITS_WAY_MIB, "{what}: {more} MiB are kept for nobody");
}

struct Usage {
    cpu_s: f64,
    mib: f64,
}

/// What all hosts use together.
async fn usage(world: &World) -> Usage {
    let mut all = Usage { cpu_s: 0.0, mib: 0.0 };
    for host in world.all() {
        let metrics = host.metrics().await;
        all.cpu_s += metrics.sum("process_cpu_seconds_total", &[]);
        all.mib += metrics.sum("process_resident_memory_bytes", &[]) / 1048576.0;
    }
    all
}
