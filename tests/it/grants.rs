//! What a module may do is what its manifest grants: other services, the world outside, configuration, storage. What
//! nobody granted, and what a host never gives, is refused.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tonic::Code;

use crate::harness::grpc::ask;
use crate::harness::guests::{ECHO, HOSTILE, HOSTILE_LEAN, LEAN_BARE, RELAY, WASIP3_HELLO, WSTD_HELLO};
use crate::harness::host::Host;
use crate::harness::http::{get, with};
use crate::harness::world::Place;

crate::both_ways! {
    calls_that_are_not_granted_do_not_reach_the_callee,
    a_grant_for_one_service_is_none_for_another,
    malformed_requests_of_guests_are_refused,
    connection_headers_stay_behind,
    a_service_may_be_for_some_callers_only,
}

async fn calls_that_are_not_granted_do_not_reach_the_callee(place: Place) {
    let no_calls = "[grants]\ncalls = []\n";
    let world = place
        .plan()
        .callee(&ECHO)
        .caller(&RELAY)
        .manifest("relay", no_calls)
        .caller(&LEAN_BARE)
        .manifest("lean-bare", no_calls)
        .caller(&WASIP3_HELLO)
        .manifest("wasip3-hello", no_calls)
        .caller(&WSTD_HELLO)
        .manifest("wstd-hello", "[grants]\ncalls = ['somebody-else']\n")
        .caller_as("front", &ECHO)
        .manifest("front", no_calls)
        .start()
        .await;
    let reply = world.get("/lean-bare/call/echo/hello/x").await.expect(403);
    assert!(reply.text().starts_with("ErrorKind::Denied (retryable: false)"), "{reply}");
    let reply = world.get("/front/call/echo/hello/x").await.expect(502);
    assert!(reply.text().contains("not allowed to call"), "{reply}");
    let status = world.grpc("relay").unary(ask("x", 0, 0)).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
    for guest in ["wasip3-hello", "wstd-hello"] {
        let url = "http://echo.internal/hello/x";
        let answer: Value = world.get(&format!("/{guest}/call?url={url}")).await.json();
        let error = answer["error"].as_str().unwrap_or_default();
        assert!(error.contains("HttpRequestDenied"), "{guest}: {answer}");
    }
    let metrics = world.home("echo").metrics().await;
    assert_eq!(metrics.sum("hostel_calls_total", &[("service", "echo")]), 0.0);
}

async fn a_grant_for_one_service_is_none_for_another(place: Place) {
    let world = place
        .plan()
        .callee(&ECHO)
        .callee_as("other", &ECHO)
        .caller(&LEAN_BARE)
        .manifest("lean-bare", "[grants]\ncalls = ['echo']\n")
        .start()
        .await;
    let reply = world.get("/lean-bare/call/echo/hello/x").await.expect(200);
    assert_eq!(reply.text(), "hello x");
    world.get("/lean-bare/call/other/hello/x").await.expect(403);
    // Not being told apart from one that does not exist would be nicer still, but it must not be reachable.
    let reply = world.get("/lean-bare/call/nobody/hello/x").await;
    assert!([403, 404].contains(&reply.status), "{reply}");
}

/// A service says who may call it, and its own host sees to it.
async fn a_service_may_be_for_some_callers_only(place: Place) {
    let world = place
        .plan()
        .callee(&ECHO)
        .manifest("echo", "[grants]\ncallers = ['relay', 'front']\n")
        .callee_as("shown", &ECHO)
        .manifest("shown", "[grants]\ncallers = ['edge']\n")
        .callee_as("hidden", &ECHO)
        .manifest("hidden", "[grants]\ncallers = []\n")
        .caller(&RELAY)
        .caller(&LEAN_BARE)
        .caller_as("front", &ECHO)
        .start()
        .await;
    let reply = world.grpc("relay").unary(ask("x", 0, 0)).await.unwrap();
    assert_eq!(reply.get_ref().caller, "relay");
    world.get("/front/call/echo/hello/x").await.expect(200);
    world.get("/shown/hello/x").await.expect(200);
    for service in ["echo", "shown", "hidden"] {
        let reply = world.get(&format!("/lean-bare/call/{service}/hello/x")).await.expect(403);
        assert!(reply.text().starts_with("ErrorKind::Denied (retryable: false)"), "{service}: {reply}");
    }
    for service in ["echo", "hidden"] {
        world.get(&format!("/{service}/hello/x")).await.expect_problem(403, "denied");
        let status = world.grpc(service).unary(ask("x", 0, 0)).await.unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
    }
    // What is refused is not retried, and does not get as far as the guest.
    let metrics = world.home("echo").metrics().await;
    assert_eq!(metrics.sum("hostel_calls_total", &[("service", "hidden"), ("code", "200")]), 0.0);
}

/// A server outside, which answers every request with `outside` and its own port.
async fn outside() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while !seen.ends_with(b"\r\n\r\n") {
                    let mut piece = [0; 1024];
                    match stream.read(&mut piece).await {
                        Ok(len) if len > 0 => seen.extend_from_slice(&piece[..len]),
                        _ => return,
                    }
                }
                let head = String::from_utf8_lossy(&seen).to_lowercase();
                let body = format!("outside {}\n{head}", address.port());
                let length = body.len();
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn the_world_outside_takes_a_grant() {
    let (granted, other) = (outside().await, outside().await);
    let egress = format!("[grants]\negress = ['http://{granted}']\n");
    let mut builder = Host::builder();
    for guest in [&ECHO, &WASIP3_HELLO, &WSTD_HELLO] {
        builder = builder
            .guest(guest)
            .guest_as(&format!("granted-{}", guest.name), guest)
            .manifest(&format!("granted-{}", guest.name), &egress);
    }
    let host = builder.start().await;

    let fetch = async |service: &str, address: SocketAddr| {
        let url = format!("http://{address}/path?query=1");
        host.post(&format!("/{service}/fetch"), url).await
    };
    for (service, address) in [("echo", granted), ("granted-echo", other)] {
        let reply = fetch(service, address).await.expect(502);
        assert!(reply.text().contains("not allowed to call"), "{reply}");
    }
    let reply = fetch("granted-echo", granted).await.expect(200);
    assert!(reply.text().starts_with(&format!("outside {}\n", granted.port())), "{reply}");
    assert!(reply.text().contains("get /path?query=1 http/1.1"), "{reply}");
    // The trace goes along; who calls, how deep, and how long are nobody's business there.
    assert!(reply.text().contains("traceparent: 00-"), "{reply}");
    assert!(!reply.text().contains("hostel-"), "{reply}");

    for guest in ["wasip3-hello", "wstd-hello"] {
        for (service, address, allowed) in [
            (guest.to_owned(), granted, false),
            (format!("granted-{guest}"), other, false),
            (format!("granted-{guest}"), granted, true),
        ] {
            let path = format!("/{service}/call?url=http://{address}/");
            let answer: Value = host.get(&path).await.json();
            let got = answer["body"].as_str().is_some_and(|body| body.starts_with("outside"));
            assert_eq!(got, allowed, "{service} to {address}: {answer}");
            if !allowed {
                let error = answer["error"].as_str().unwrap_or_default();
                assert!(error.contains("HttpRequestDenied"), "{service}: {answer}");
            }
        }
    }
}

/// Nobody listens there: it is granted, so the guest learns what happened, and the host survives it.
#[tokio::test]
async fn an_origin_that_does_not_answer_is_unavailable() {
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let host = Host::builder()
        .guest(&ECHO)
        .manifest("echo", &format!("[grants]\negress = ['http://{nobody}']\n"))
        .start()
        .await;
    let reply = host.post("/echo/fetch", format!("http://{nobody}/")).await;
    assert_eq!(reply.status, 503, "{reply}");
}

/// One that takes the request and says nothing costs the call its time, and no more.
#[tokio::test]
async fn an_origin_that_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let limits = "[limits]\nwall_ms = 500\n";
    let host = Host::builder()
        .guest(&ECHO)
        .manifest("echo", &format!("{limits}[grants]\negress = ['http://{address}']\n"))
        .start()
        .await;
    let fetching = tokio::spawn({
        let (http, url) = (host.http.clone(), host.url("/echo/fetch"));
        async move { http.post(&url, format!("http://{address}/")).await }
    });
    let (mut silent, _) = listener.accept().await.unwrap();
    let reply = fetching.await.unwrap();
    assert_eq!(reply.status, 504, "{reply}");
    // The connection is not kept waiting for an answer that nobody wants any more.
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(std::time::Duration::from_secs(5), silent.read_to_end(&mut rest)).await;
    assert!(closed.is_ok(), "the connection is still open");
}

#[tokio::test]
async fn the_host_itself_is_out_of_reach() {
    let host = Host::with(&[&ECHO, &HOSTILE, &HOSTILE_LEAN]).await;
    for address in [host.admin, host.edge] {
        let reply = host.post("/echo/fetch", format!("http://{address}/")).await;
        assert!(reply.expect(502).text().contains("not allowed to call"));
        let reply = host.get(&format!("/hostile/tcp/{address}")).await.expect(200);
        assert!(!reply.text().contains("ALLOWED"), "{reply}");
    }
    for path in ["/hostile/fs", "/hostile/env", "/hostile/stdin", "/hostile-lean/bad-targets"] {
        let reply = host.get(path).await.expect(200);
        assert!(!reply.text().contains("ALLOWED"), "{path}: {reply}");
        assert!(reply.text().contains("refused"), "{path}: {reply}");
    }
}

/// What a lean module sends is not taken at its word: it may not smuggle lines, methods or names into a request.
async fn malformed_requests_of_guests_are_refused(place: Place) {
    let world = place.with(&[&HOSTILE_LEAN], &[&HOSTILE]).await;
    let reply = world.get("/hostile-lean/bad-call/hostile").await.expect(200);
    assert!(!reply.text().contains("ALLOWED"), "{reply}");
    let reply = world.get("/hostile/bad-headers").await.expect(200);
    assert!(!reply.text().contains("ALLOWED"), "{reply}");
}

#[tokio::test]
async fn configuration_is_what_is_granted_and_the_operator_has_the_last_word() {
    let manifest = r#"
        [grants]
        config = ["greeting", "level", "missing"]
        [config]
        greeting = "hello"
        secret = "hidden"
        level = 3
    "#;
    let host = Host::builder()
        .guest(&ECHO)
        .manifest("echo", manifest)
        .guest_as("open", &ECHO)
        .config("[services.echo.config]\ngreeting = 'from the operator'\nother = 'not granted'\n")
        .start()
        .await;
    let all: Value = host.get("/echo/config").await.expect(200).json();
    let expected = serde_json::json!({ "greeting": "from the operator", "level": "3" });
    assert_eq!(all, expected);
    for (key, status) in [("greeting", 200), ("level", 200), ("secret", 404), ("other", 404), ("missing", 404)] {
        host.get(&format!("/echo/config/{key}")).await.expect(status);
    }
    let all: Value = host.get("/open/config").await.expect(200).json();
    assert_eq!(all, serde_json::json!({ "greeting": "hello", "currency": "EUR" }));
}

#[tokio::test]
async fn storage_can_be_denied() {
    let host = Host::builder().guest(&ECHO).manifest("echo", "[grants]\nkv = false\n").start().await;
    host.get("/echo/kv/b/k").await.expect(403);
    let put = crate::harness::http::request("PUT", &host.url("/echo/kv/b/k"), crate::harness::http::full("x"));
    host.http.send(put).await.expect(403);
    // The rest of the module works.
    host.get("/echo/hello/x").await.expect(200);
}

/// Headers that belong to a connection do not travel with a call.
async fn connection_headers_stay_behind(place: Place) {
    let world = place.with(&[], &[&ECHO]).await;
    let request = with(get(&world.url("/echo/headers")), "connection", "keep-alive, x-hop");
    let request = with(request, "keep-alive", "timeout=5");
    let request = with(request, "proxy-connection", "keep-alive");
    let request = with(request, "x-kept", "yes");
    let request = with(request, "x-hop", "no");
    let headers: Value = world.http.send(request).await.expect(200).json();
    for name in ["connection", "keep-alive", "proxy-connection", "upgrade", "transfer-encoding"] {
        assert_eq!(headers[name], Value::Null, "{name}");
    }
    assert_eq!(headers["x-kept"], "yes");
    // What `connection` names belongs to the connection too (RFC 9110, section 7.6.1).
    assert_eq!(headers["x-hop"], Value::Null);
}
