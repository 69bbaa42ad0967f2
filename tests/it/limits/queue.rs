//! How many: instances, calls at once, calls that wait. Full means 503 with `Retry-After`, at once.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::harness::guests::{ECHO, HOSTILE, HOSTILE2, MARKED};
use crate::harness::host::Host;
use crate::harness::reply::Reply;
use crate::harness::world::Place;

crate::both_ways! {
    calls_at_once_and_calls_that_wait,
    waiting_does_not_outlast_the_deadline,
    a_flood_between_services_is_bounded,
    one_call_may_cause_many,
}

fn start(host: &Host, path: &str) -> JoinHandle<(Reply, Duration)> {
    let (http, url) = (host.http.clone(), host.url(path));
    tokio::spawn(async move {
        let start = Instant::now();
        (http.get(&url).await, start.elapsed())
    })
}

async fn calls_at_once_and_calls_that_wait(place: Place) {
    let manifest = "[limits]\ncalls_max = 2\nqueue_len_max = 2\nqueue_wait_ms = 400\n";
    let world = place.plan().callee(&ECHO).manifest("echo", manifest).start().await;
    let running = [start(&world, "/echo/sleep/3000"), start(&world, "/echo/sleep/3000")];
    world.in_flight("echo", 2).await;
    let waiting = [start(&world, "/echo/sleep/1"), start(&world, "/echo/sleep/1")];
    world.in_flight("echo", 4).await;
    // No room to wait either.
    let (reply, took) = start(&world, "/echo/sleep/1").await.unwrap();
    reply.expect_problem(503, "unavailable");
    assert!(took < Duration::from_millis(200), "{took:?}");
    // Those that wait do not wait for ever.
    for call in waiting {
        let (reply, took) = call.await.unwrap();
        reply.expect_problem(503, "unavailable");
        assert!(took > Duration::from_millis(350) && took < Duration::from_millis(1500), "{took:?}");
    }
    for call in running {
        call.await.unwrap().0.expect(200);
    }
    let metrics = world.home("echo").metrics().await;
    let rejected = metrics.sum("hostel_queue_rejected_total", &[("service", "echo")]);
    assert_eq!(rejected, 3.0);
    // There is room again.
    world.get("/echo/hello/x").await.expect(200);
}

/// A call that could not be served in the time it has is refused rather than kept.
async fn waiting_does_not_outlast_the_deadline(place: Place) {
    let manifest = "[limits]\ncalls_max = 1\nqueue_wait_ms = 5000\n";
    let world = place.plan().callee(&ECHO).manifest("echo", manifest).start().await;
    let running = start(&world, "/echo/sleep/3000");
    world.in_flight("echo", 1).await;
    let request = crate::harness::http::get(&world.url("/echo/hello/x"));
    let request = crate::harness::http::with(request, "hostel-timeout", "300m");
    let begun = Instant::now();
    let reply = world.http.send(request).await;
    assert!([503, 504].contains(&reply.status), "{reply}");
    assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
    running.await.unwrap().0.expect(200);
}

/// More calls than instances take turns; nothing fails as long as they do not wait too long.
#[tokio::test]
async fn instances() {
    let manifest = "[instances]\nmax = 2\nconcurrency = 1\n[limits]\nqueue_wait_ms = 10000\n";
    let host = Host::builder()
        .guest(&ECHO)
        .manifest("echo", manifest)
        .guest(&HOSTILE2)
        .manifest("hostile2", manifest)
        .start()
        .await;
    for guest in ["echo", "hostile2"] {
        let begun = Instant::now();
        let calls = (0..10).map(|_| start(&host, &format!("/{guest}/sleep/100")));
        for call in join_all(calls).await {
            call.unwrap().0.expect(200);
        }
        let took = begun.elapsed();
        assert!(took >= Duration::from_millis(490), "{guest}: ten calls, two at a time, in {took:?}");
        let metrics = host.metrics().await;
        let instances = metrics.sum("hostel_instances", &[("service", guest)]);
        assert!(instances <= 2.0, "{guest}: {instances} instances");
    }
}

/// When all instances are busy and calls have waited long enough they are told so.
#[tokio::test]
async fn instances_that_are_all_busy() {
    let manifest = "[instances]\nmax = 2\n[limits]\nqueue_wait_ms = 300\n";
    let host = Host::builder().guest(&HOSTILE2).manifest("hostile2", manifest).start().await;
    let calls: Vec<_> = (0..6).map(|_| start(&host, "/hostile2/sleep/2000")).collect();
    let mut statuses = BTreeMap::<u16, u32>::new();
    for call in calls {
        let (reply, _) = call.await.unwrap();
        if reply.status != 200 {
            reply.expect_problem(503, "unavailable");
        }
        *statuses.entry(reply.status).or_default() += 1;
    }
    assert_eq!(statuses, BTreeMap::from([(200, 2), (503, 4)]));
}

/// Instances of all services together have a limit, too. A service that keeps idle ones gives one back.
#[tokio::test]
async fn instances_of_the_whole_host() {
    let host = Host::builder()
        .guest_as("first", &HOSTILE2)
        .guest_as("second", &HOSTILE2)
        .config("[engine]\ninstances_max = 4\n")
        .start()
        .await;
    for _ in 0..3 {
        for guest in ["first", "second"] {
            let calls = (0..3).map(|_| start(&host, &format!("/{guest}/sleep/100")));
            for call in join_all(calls).await {
                call.unwrap().0.expect(200);
            }
        }
    }
    let metrics = host.metrics().await;
    let instances = metrics.sum("hostel_instances", &[]);
    assert!(instances <= 4.0, "{instances} instances");
}

#[tokio::test]
async fn how_often_an_instance_is_used() {
    for (reuse_max, expected) in [(1, [1, 1, 1, 1]), (2, [1, 2, 1, 2]), (0, [1, 2, 3, 4])] {
        let manifest = format!("[instances]\nreuse_max = {reuse_max}\nconcurrency = 1\n");
        let host = Host::builder().guest(&MARKED).manifest("marked", &manifest).start().await;
        let mut seen: Vec<u32> = Vec::new();
        for _ in 0..4 {
            let text = host.get("/marked/instance").await.expect(200).text();
            let count = text.rsplit(' ').next().and_then(|count| count.parse().ok());
            seen.push(count.unwrap_or_else(|| panic!("{text}")));
        }
        assert_eq!(seen, expected, "reuse_max = {reuse_max}");
    }
}

#[tokio::test]
async fn idle_instances_are_given_back() {
    let host = Host::builder().guest(&HOSTILE2).manifest("hostile2", "[instances]\nidle_s = 1\n").start().await;
    let calls: Vec<_> = (0..8).map(|_| start(&host, "/hostile2/sleep/300")).collect();
    for call in calls {
        call.await.unwrap().0.expect(200);
    }
    let instances = async || {
        let metrics = host.metrics().await;
        metrics.sum("hostel_instances", &[("service", "hostile2")])
    };
    assert!(instances().await >= 2.0);
    let what = "idle instances are given back";
    crate::harness::wait::eventually(what, Duration::from_secs(10), async || {
        let now = instances().await;
        (now == 0.0).then_some(()).ok_or_else(|| now.to_string())
    })
    .await;
    host.get("/hostile2/ok").await.expect(200);
}

/// One service that calls another too much fills the other's places, not the host's.
async fn a_flood_between_services_is_bounded(place: Place) {
    let world = place
        .plan()
        .caller(&HOSTILE)
        .callee_as("victim", &HOSTILE)
        .manifest("victim", "[limits]\ncalls_max = 4\nqueue_len_max = 4\nqueue_wait_ms = 50\n")
        .start()
        .await;
    let sleeps: Vec<_> = (0..4).map(|_| start(&world, "/victim/sleep/2000")).collect();
    world.in_flight("victim", 4).await;
    let reply = world.get("/hostile/flood/victim/200").await.expect(200);
    let text = reply.text();
    let counted: u32 = text.lines().filter_map(|line| line.split(" x ").next()?.parse::<u32>().ok()).sum();
    assert_eq!(counted, 200, "{text}");
    assert!(!text.contains("x 200"), "none was served: {text}");
    for sleep in sleeps {
        sleep.await.unwrap().0.expect(200);
    }
    world.get("/victim/ok").await.expect(200);
}

/// A guest that starts many calls at once gets all its answers, one instance at a time though it is.
async fn one_call_may_cause_many(place: Place) {
    let world = place.plan().caller(&HOSTILE2).callee(&ECHO).start().await;
    let begun = Instant::now();
    let reply = world.get("/hostile2/calls/echo/50").await.expect(200);
    assert_eq!(reply.text(), "50 answered, 0 failed\n");
    // Each took a second; they ran side by side.
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

/// What a guest leaves running after its answer does not keep its instance for ever.
#[tokio::test]
async fn instances_with_something_left_to_do_are_given_back() {
    let host = Host::builder().guest(&HOSTILE).manifest("hostile", "[instances]\nidle_s = 1\n").start().await;
    for _ in 0..5 {
        host.get("/hostile/linger").await.expect(200);
    }
    let what = "the instances are given back";
    crate::harness::wait::eventually(what, Duration::from_secs(15), async || {
        let now = host.metrics().await.sum("hostel_instances", &[("service", "hostile")]);
        (now == 0.0).then_some(()).ok_or_else(|| now.to_string())
    })
    .await;
    host.get("/hostile/ok").await.expect(200);
}
