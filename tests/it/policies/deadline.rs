//! How long calls may take: the service's word, and that of a route.

use std::time::{Duration, Instant};

use super::{calls, echo, plan};
use crate::harness::guests::ECHO;
use crate::harness::world::Place;

crate::both_ways! { between_services }

/// Much less than the ten seconds that calls may take otherwise.
const EARLY: Duration = Duration::from_secs(6);

#[tokio::test]
async fn the_shorter_of_service_and_route_counts() {
    let manifest = "
[[route]]
path = '/echo/{*rest}'
strip_prefix = '/echo'
[[route]]
path = '/quick/{*rest}'
strip_prefix = '/quick'
policy = { timeout_ms = 200 }
[[route]]
path = '/patient/{*rest}'
strip_prefix = '/patient'
policy = { timeout_ms = 9000 }
[policy]
timeout_ms = 1500
";
    let host = echo(manifest).start().await;
    for (path, status) in [
        ("/echo/sleep/400", 200),
        ("/echo/sleep/9000", 504),
        ("/quick/sleep/400", 504),
        ("/quick/hello/x", 200),
        ("/patient/sleep/9000", 504),
    ] {
        let begun = Instant::now();
        let reply = host.get(path).await;
        assert_eq!(reply.status, status, "{path}: {reply}");
        assert!(begun.elapsed() < EARLY, "{path}: {:?}", begun.elapsed());
    }
    // There would be no time left after the pause.
    plan(&host, "x", "9 later:2").await;
    host.get("/echo/fault/x").await.expect(503);
    assert_eq!(calls(&host, "x").await, 1);
}

async fn between_services(place: Place) {
    let plan = place.plan().caller_as("front", &ECHO).callee(&ECHO).manifest("echo", "[policy]\ntimeout_ms = 300\n");
    let world = plan.start().await;
    for host in world.all() {
        host.answers("/front/call/echo/hello/x", 200, "hello x").await;
    }
    let begun = Instant::now();
    let reply = world.get("/front/call/echo/sleep/9000").await;
    assert_eq!(reply.status, 504, "{reply}");
    assert!(begun.elapsed() < EARLY, "{:?}", begun.elapsed());
    // All attempts together.
    assert_eq!(world.get("/front/call/echo/hello/x").await.expect(200).text(), "hello x");
    world.in_flight("echo", 0).await;
}
