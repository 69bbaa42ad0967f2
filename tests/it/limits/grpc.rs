//! The same failures as gRPC clients see them: a response that is nothing but a status, without internals.

use super::hostiles;
use crate::harness::guests::{ECHO, HOSTILE, RELAY};
use crate::harness::host::Host;
use crate::harness::http::{Client, full, request, with};
use crate::harness::reply::Reply;
use crate::harness::world::Place;

crate::both_ways! {
    failures_are_trailers_only,
    full_is_unavailable,
    a_service_sees_the_status_of_what_it_calls,
}

impl Host {
    /// A request that looks like gRPC, to any path.
    pub async fn grpc_post(&self, path: &str, body: Vec<u8>) -> Reply {
        let request = request("POST", &self.url(path), full(body));
        let request = with(request, "content-type", "application/grpc");
        let request = with(request, "te", "trailers");
        Client::h2(self.edge).send(with(request, "grpc-timeout", "5S")).await
    }
}

#[track_caller]
fn expect_trailers_only(reply: &Reply, code: u32) {
    assert_eq!(reply.status, 200, "{reply}");
    assert_eq!(reply.header("content-type"), "application/grpc", "{reply}");
    assert_eq!(reply.header("grpc-status"), code.to_string(), "{reply}");
    assert!(reply.body.is_empty(), "{reply}");
    let message = reply.header("grpc-message").to_lowercase();
    assert!(!message.is_empty(), "{reply}");
    for word in ["wasm", "backtrace", "unreachable", "panick", ".rs", "::", "stack"] {
        assert!(!message.contains(word), "{message}");
    }
}

const NOT_FOUND_OR_UNIMPLEMENTED: u32 = 12;

async fn failures_are_trailers_only(place: Place) {
    let manifest = "[limits]\ncpu_ms = 200\nwall_ms = 1500\nbody_bytes_max = 1000\nheaders_bytes_max = 4096\n";
    let world = hostiles(place, manifest).callee(&ECHO).start().await;
    for (path, body, code) in [
        ("/hostile/trap", 0, 13),
        ("/hostile/panic", 0, 13),
        ("/hostile/recurse", 0, 13),
        ("/hostile/spin", 0, 13),
        ("/hostile/error", 0, 13),
        ("/hostile2/trap", 0, 13),
        ("/hostile2/drop", 0, 13),
        ("/hostile-lean/trap", 0, 13),
        ("/hostile/never", 0, 4),
        ("/hostile2/never", 0, 4),
        ("/hostile-lean/never", 0, 4),
        ("/hostile/ok", 1001, 8),
        ("/nobody/x", 0, NOT_FOUND_OR_UNIMPLEMENTED),
        ("/hostel.test.v1.Nobody/Unary", 0, NOT_FOUND_OR_UNIMPLEMENTED),
    ] {
        let reply = world.grpc_post(path, vec![0; body]).await;
        expect_trailers_only(&reply, code);
    }
    let request = request("POST", &world.url("/hostile/ok"), full(""));
    let request = with(request, "content-type", "application/grpc");
    let request = with(request, "x-large", &"x".repeat(5000));
    expect_trailers_only(&Client::h2(world.edge).send(request).await, 8);
}

async fn full_is_unavailable(place: Place) {
    let world =
        place.plan().callee(&HOSTILE).manifest("hostile", "[limits]\ncalls_max = 1\nqueue_len_max = 0\n").start().await;
    let (http, url) = (world.http.clone(), world.url("/hostile/sleep/2000"));
    let sleeping = tokio::spawn(async move { http.get(&url).await });
    world.in_flight("hostile", 1).await;
    expect_trailers_only(&world.grpc_post("/hostile/ok", Vec::new()).await, 14);
    sleeping.await.unwrap().expect(200);
}

/// A service's own error passes as it is, and one that the host made for its callee reaches it as a status.
async fn a_service_sees_the_status_of_what_it_calls(place: Place) {
    let world = place.plan().caller(&RELAY).callee(&ECHO).manifest("echo", "[limits]\nwall_ms = 300\n").start().await;
    let request = crate::harness::grpc::ask("x", 0, 5000);
    let status = world.grpc("relay").unary(request).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::DeadlineExceeded, "{status:?}");
    // Through HTTP as well: `relay` says what it got.
    world.remove("echo").await;
    let reply = world.get("/relay/via/x").await.expect(502);
    assert!(reply.text().starts_with("Unimplemented: "), "{reply}");
}
