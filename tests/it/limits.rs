//! Every limit of a manifest, exceeded: the call ends with the right status, the service goes on, and so does the host.

mod grpc;
mod queue;
mod sizes;

use std::time::Duration;

use tokio::time::Instant;

use crate::harness::guests::{HOSTILE, HOSTILE_LEAN, HOSTILE2};
use crate::harness::http::get;
use crate::harness::world::{NO_POLICIES, Place, Plan};

crate::both_ways! {
    cpu_time_of_a_call,
    time_of_a_call,
    time_of_a_body,
    the_stack_and_other_ways_to_die,
    answers_that_are_none,
    a_head_that_is_none_is_refused_and_harms_nobody,
}

const HOSTILES: [&str; 3] = ["hostile", "hostile2", "hostile-lean"];

/// All hostile guests, with the same manifest, and without policies: each call is to meet the limit itself.
fn hostiles(place: Place, manifest: &str) -> Plan {
    let guests = [&HOSTILE, &HOSTILE2, &HOSTILE_LEAN];
    let manifest = format!("{manifest}{NO_POLICIES}");
    guests.iter().fold(place.plan(), |plan, guest| plan.callee(guest).manifest(guest.name, &manifest))
}

async fn cpu_time_of_a_call(place: Place) {
    let world = hostiles(place, "[limits]\ncpu_ms = 200\n").start().await;
    for guest in HOSTILES {
        let start = Instant::now();
        let reply = world.get(&format!("/{guest}/spin")).await;
        let took = start.elapsed();
        reply.expect_problem(502, "service-failed");
        assert!(took >= Duration::from_millis(190), "{guest}: {took:?}");
        assert!(took < Duration::from_secs(3), "{guest}: {took:?}");
        world.answers(&format!("/{guest}/ok"), 200, "ok").await;
        world.logs("the log says why", |event| event.is_about(guest) && event.contains("cpu")).await;
    }
    // Half of what a call may take, again and again on the same instance: the limit is per call.
    for _ in 0..6 {
        world.get("/hostile/spin/100").await.expect(200);
    }
}

/// Time spent waiting is not CPU time.
#[tokio::test]
async fn waiting_costs_no_cpu_time() {
    let host = hostiles(Place::Local, "[limits]\ncpu_ms = 100\n").start().await;
    for guest in ["hostile", "hostile2"] {
        host.get(&format!("/{guest}/sleep/600")).await.expect(200);
    }
}

/// What goes on after the answer is stopped as well.
#[tokio::test]
async fn cpu_time_after_the_answer() {
    let host = hostiles(Place::Local, "[limits]\ncpu_ms = 200\n[instances]\nmax = 1\n").start().await;
    for guest in HOSTILES {
        host.get(&format!("/{guest}/spin-later")).await;
        host.logs("the instance is ended", |event| event.is_about(guest) && event.contains("cpu")).await;
        host.answers(&format!("/{guest}/ok"), 200, "ok").await;
    }
}

async fn time_of_a_call(place: Place) {
    let world = hostiles(place, "[limits]\nwall_ms = 300\n").start().await;
    for path in
        ["/hostile/never", "/hostile/sleep/60000", "/hostile2/never", "/hostile2/sleep/60000", "/hostile-lean/never"]
    {
        let start = Instant::now();
        let reply = world.get(path).await;
        let took = start.elapsed();
        reply.expect_problem(504, "timeout");
        assert!(took >= Duration::from_millis(290), "{path}: {took:?}");
        assert!(took < Duration::from_secs(2), "{path}: {took:?}");
    }
    for guest in HOSTILES {
        world.answers(&format!("/{guest}/ok"), 200, "ok").await;
        world.in_flight(guest, 0).await;
    }
}

/// A response that has begun and does not end is broken off.
async fn time_of_a_body(place: Place) {
    let world = hostiles(place, "[limits]\nwall_ms = 500\n").start().await;
    for path in
        ["/hostile-lean/stuck", "/hostile-lean/yield", "/hostile/endless-response", "/hostile2/endless-response"]
    {
        let start = Instant::now();
        let outcome = world.http.try_send(get(&world.url(path))).await;
        let took = start.elapsed();
        match outcome {
            Ok(reply) => drop(reply.expect_problem(504, "timeout")),
            Err(error) => assert!(took >= Duration::from_millis(450), "{path}: {took:?} {error}"),
        }
        assert!(took < Duration::from_secs(3), "{path}: {took:?}");
    }
    for guest in HOSTILES {
        world.answers(&format!("/{guest}/ok"), 200, "ok").await;
        world.in_flight(guest, 0).await;
    }
}

#[tokio::test]
async fn memory_of_an_instance() {
    let manifest = "[limits]\nmemory_mib = 32\ncpu_ms = 10000\n";
    let host = hostiles(Place::Local, manifest).start().await;
    for guest in HOSTILES {
        let reply = host.get(&format!("/{guest}/eat")).await.expect(200);
        let text = reply.text();
        let mib = text.strip_suffix(" MiB, then refused\n").and_then(|mib| mib.parse().ok());
        let mib: u32 = mib.unwrap_or_else(|| panic!("{guest}: {text}"));
        assert!((20..32).contains(&mib), "{guest}: {mib} MiB of 32");
    }
    // All instances of all of them together stay within what they may have.
    for guest in HOSTILES {
        host.answers(&format!("/{guest}/ok"), 200, "ok").await;
    }
}

/// What a guest can make the host itself keep is bounded, too.
#[tokio::test]
async fn memory_that_a_guest_makes_the_host_use() {
    let manifest = "[limits]\nmemory_mib = 64\ncpu_ms = 3000\n";
    let host = hostiles(Place::Local, manifest).start().await;
    host.answers("/hostile/ok", 200, "ok").await;
    let resident = async || {
        let bytes = host.metrics().await.sum("process_resident_memory_bytes", &[]);
        bytes / 1048576.0
    };
    let before = resident().await;
    for what in ["handles", "fields", "streams", "timers"] {
        let reply = host.get(&format!("/hostile/hoard/{what}")).await;
        // It runs into one limit or another, and which one is not the point.
        assert!([200, 502, 504].contains(&reply.status), "{what}: {reply}");
        let grown = resident().await - before;
        assert!(grown < 400.0, "{what}: the host grew by {grown} MiB");
        host.answers("/hostile/ok", 200, "ok").await;
    }
}

async fn the_stack_and_other_ways_to_die(place: Place) {
    let world = hostiles(place, "[limits]\ncpu_ms = 3000\n").start().await;
    for (path, status) in [
        ("/hostile/recurse", 502),
        ("/hostile/trap", 502),
        ("/hostile/panic", 502),
        ("/hostile/exit", 502),
        ("/hostile/exit/3", 502),
        ("/hostile/error", 502),
        ("/hostile2/trap", 502),
        ("/hostile2/drop", 502),
        ("/hostile2/error", 502),
        ("/hostile-lean/trap", 502),
        ("/hostile-lean/panic", 502),
    ] {
        let reply = world.get(path).await;
        assert_eq!(reply.status, status, "{path}: {reply}");
        assert_eq!(reply.header("content-type"), "application/problem+json", "{path}: {reply}");
        reply.expect_no_internals();
    }
    for guest in HOSTILES {
        world.answers(&format!("/{guest}/ok"), 200, "ok").await;
    }
}

/// The calls that share the instance that traps fail with it, and nobody else's; the next ones get another instance.
#[tokio::test]
async fn a_trap_takes_only_its_own_instance() {
    let manifest = "[instances]\nmax = 4\nconcurrency = 4\n[limits]\nqueue_wait_ms = 5000\n";
    let host = hostiles(Place::Local, manifest).start().await;
    let sleeps: Vec<_> = (0..16)
        .map(|_| {
            let (http, url) = (host.http.clone(), host.url("/hostile/sleep/1500"));
            tokio::spawn(async move { http.try_send(get(&url)).await.map(|reply| reply.status) })
        })
        .collect();
    // All four instances are full; the trap has to wait for its turn, and then it is alone.
    host.in_flight("hostile", 16).await;
    host.get("/hostile/trap").await.expect_problem(502, "service-failed");
    let mut failed = 0;
    for sleep in sleeps {
        match sleep.await.unwrap() {
            Ok(200) => {}
            // Before it had an answer, or while it was being sent.
            Ok(502) | Err(_) => failed += 1,
            Ok(status) => panic!("{status}"),
        }
    }
    assert!(failed <= 3, "{failed} of 16 calls failed with a call that shared at most one instance with them");
    host.answers("/hostile/ok", 200, "ok").await;
}

/// A guest that says what no HTTP message can be does not bring anything down, and nothing of it gets out.
async fn answers_that_are_none(place: Place) {
    let world = hostiles(place, "").start().await;
    for status in [0, 99, 100, 101, 1000] {
        for guest in ["hostile", "hostile-lean"] {
            let reply = world.get(&format!("/{guest}/bad-status/{status}")).await;
            assert_eq!(reply.status, 502, "{guest} {status}: {reply}");
            reply.expect_no_internals();
        }
    }
    for status in [204, 304] {
        for path in [format!("/hostile/bad-status/{status}"), format!("/hostile-lean/no-such-body/{status}")] {
            let reply = world.get(&path).await;
            assert!([status, 502].contains(&reply.status), "{path}: {reply}");
            // The connection is still in step: a body that leaked would be read as the next response.
            world.answers("/hostile/ok", 200, "ok").await;
        }
    }
    for kind in [
        "crlf",
        "nul",
        "space",
        "empty",
        "colon",
        "pseudo",
        "latin",
        "hop",
        "two-lengths",
        "no-length",
        "short-length",
        "long-length",
        "upper",
    ] {
        for part in ["bad-headers", "bad-trailers"] {
            let path = format!("/hostile-lean/{part}/{kind}");
            let outcome = world.http.try_send(get(&world.url(&path))).await;
            if let Ok(reply) = outcome {
                assert!([200, 502].contains(&reply.status), "{path}: {reply}");
                assert_eq!(reply.header("x-injected"), "", "{path}: {reply}");
                assert_eq!(reply.header("upgrade"), "", "{path}: {reply}");
            }
            world.answers("/hostile-lean/ok", 200, "ok").await;
        }
    }
}

async fn a_head_that_is_none_is_refused_and_harms_nobody(place: Place) {
    let world = place.with(&[], &[&HOSTILE_LEAN]).await;
    for kind in ["nothing", "cut", "more", "count", "length", "huge"] {
        world.get(&format!("/hostile-lean/bad-head/{kind}")).await.expect(502);
        world.answers("/hostile-lean/ok", 200, "ok").await;
    }
    world.get("/hostile-lean/bad-head/good").await.expect(200);
    let failed = world.metrics().await.sum("hostel_instances_ended_total", &[("reason", "trap")]);
    assert_eq!(failed, 0.0, "an instance was ended for it");
}
