//! Heads, contexts, errors and control.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderValue, Method, StatusCode};
use http_body_util::BodyExt;

use super::Kind;
use super::world::{TWO, World, bytes, context, echo, get, handler, orders, post};
use crate::call::{Body, CallContext, CallError, Caller, Deadline, ErrorKind, Request, Response, ServiceName, Side};
use crate::peer::{Incarnation, Incoming, LinkError, Peer, PeerIdentity, Settings};

type Seen = Arc<Mutex<Vec<(ServiceName, http::request::Parts, CallContext)>>>;

fn recording(seen: &Seen) -> super::world::Handler {
    let seen = seen.clone();
    handler(move |target, request, context| {
        let (head, body) = request.into_parts();
        seen.lock().unwrap().push((target, head, context));
        async move { Ok(Response::new(body)) }
    })
}

pub(super) async fn a_call_arrives_as_it_was_sent(kind: Kind) {
    let seen = Seen::default();
    let world = World::new(kind, recording(&seen)).await;
    for (caller, route) in [(Caller::Edge, None), (Caller::Host, Some("/ü/{x}%")), (context().caller, Some("/a"))] {
        let request = http::Request::builder()
            .method("PATCH")
            .uri("http://orders.internal:80/a%20b/c?d=e&f")
            .header("x-one", "1")
            .header("x-two", HeaderValue::from_bytes(b"\xff raw").unwrap())
            .header("x-one", "again")
            .header("te", "trailers")
            .header("host", "elsewhere")
            .body(Body::full("hello", None))
            .unwrap();
        let sent = CallContext { caller, route: route.map(Into::into), ..context() };
        let response = world.client.call(&world.peer, &orders(), request, &sent).await.unwrap();
        assert_eq!(bytes(response.into_body()).await.unwrap(), "hello");
        let (target, head, context) = seen.lock().unwrap().pop().unwrap();
        assert_eq!(target, orders());
        assert_eq!(head.method, Method::PATCH);
        assert_eq!(head.uri, "http://orders.internal:80/a%20b/c?d=e&f");
        let mut headers: Vec<_> = head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        headers.sort_unstable();
        let expected: [(&str, &[u8]); 5] =
            [("host", b"elsewhere"), ("te", b"trailers"), ("x-one", b"1"), ("x-one", b"again"), ("x-two", b"\xff raw")];
        assert_eq!(headers, expected);
        assert_eq!((context.caller, context.depth, context.route), (sent.caller, sent.depth, sent.route));
        assert_eq!(context.trace, sent.trace);
    }
}

/// Answers with the node that sent the call.
struct WhoCalled;

impl Incoming for WhoCalled {
    fn call(
        &self,
        from: &Arc<PeerIdentity>,
        _: &ServiceName,
        _: Request,
        _: CallContext,
    ) -> BoxFuture<'static, Result<Response, CallError>> {
        let answer = format!("{} of {}", from.node, from.cluster);
        Box::pin(std::future::ready(Ok(Response::new(Body::full(answer, None)))))
    }
}

pub(super) async fn the_callee_learns_which_node_called(kind: Kind) {
    let world = World::new(kind, WhoCalled).await;
    // Whatever the call itself says.
    let mut request = get("/");
    request.headers_mut().insert("hostel-node", HeaderValue::from_static("three"));
    let answer = world.call(request).await.unwrap();
    assert_eq!(bytes(answer.into_body()).await.unwrap(), "one of shop");
}

pub(super) async fn a_response_comes_back_as_it_was_given(kind: Kind) {
    let world = World::new(
        kind,
        handler(|_, request, _| async move {
            let status = request.uri().path().trim_start_matches('/').parse().unwrap();
            let mut trailers = http::HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("5"));
            trailers.append("grpc-status-details-bin", HeaderValue::from_static("AAEC"));
            let response = http::Response::builder().status::<u16>(status).header("x-a", "b").header("x-a", "c");
            Ok(response.body(Body::full("body", Some(trailers))).unwrap())
        }),
    )
    .await;
    for status in [200, 201, 404, 418, 500, 503, 599] {
        let response = world.call(get(&format!("/{status}"))).await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.headers().get_all("x-a").iter().collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!(response.headers().len(), 2, "{:?}", response.headers());
        let collected = response.into_body().collect().await.unwrap();
        let trailers = collected.trailers().unwrap();
        assert_eq!((trailers["grpc-status"].as_bytes(), trailers.len()), (&b"5"[..], 2));
        assert_eq!(collected.to_bytes(), "body");
    }
}

pub(super) async fn every_error_crosses_and_no_service_can_forge_one(kind: Kind) {
    let world = World::new(
        kind,
        handler(|_, request, _| async move {
            match request.uri().path() {
                "/full" => Err(CallError::unavailable("the queue of `orders` is full")),
                "/method" => {
                    Err(CallError::new(ErrorKind::MethodNotAllowed, Side::Caller, "ä").with_allowed("GET".into()))
                }
                "/trap" => {
                    Err(CallError::new(ErrorKind::Trap, Side::Callee, "the guest trapped").with_source("secret"))
                }
                _ => Ok(http::Response::builder()
                    .status(503)
                    .header("hostel-error", "unavailable")
                    .header("hostel-error-retryable", "1")
                    .body(Body::empty())
                    .unwrap()),
            }
        }),
    )
    .await;
    let error = world.call(get("/full")).await.unwrap_err();
    assert_eq!((error.kind(), error.side(), error.is_retryable()), (ErrorKind::Unavailable, Side::Host, true));
    assert_eq!((error.message(), error.retry_after()), ("the queue of `orders` is full", Some(Duration::from_secs(1))));
    let error = world.call(get("/method")).await.unwrap_err();
    assert_eq!((error.kind(), error.message(), error.allowed()), (ErrorKind::MethodNotAllowed, "ä", Some("GET")));
    let error = world.call(get("/trap")).await.unwrap_err();
    assert_eq!((error.kind(), error.side(), error.is_retryable()), (ErrorKind::Trap, Side::Callee, false));
    assert_eq!(error.chain(), "the guest trapped: on node `two`");
    let own = world.call(get("/own")).await.unwrap();
    assert_eq!((own.status(), own.headers().len()), (StatusCode::SERVICE_UNAVAILABLE, 0));
}

pub(super) async fn what_guests_say_in_the_links_name_is_dropped(kind: Kind) {
    let seen = Seen::default();
    let world = World::new(kind, recording(&seen)).await;
    let mut request = post(Body::full("x", None));
    for name in [
        "hostel-target",
        "hostel-control",
        "hostel-caller",
        "hostel-depth",
        "hostel-timeout",
        "hostel-route",
        "hostel-method",
        "hostel-length",
        "hostel-error",
        "hostel-anything",
        "traceparent",
        "grpc-timeout",
        "connection",
        "transfer-encoding",
        "upgrade",
    ] {
        request.headers_mut().append(name, HeaderValue::from_static("payments"));
    }
    request.headers_mut().append("te", HeaderValue::from_static("gzip"));
    request.headers_mut().append("tracestate", HeaderValue::from_static("a=b"));
    world.call(request).await.unwrap();
    let (target, head, arrived) = seen.lock().unwrap().pop().unwrap();
    assert_eq!((target, arrived.caller, arrived.depth), (orders(), context().caller, 3));
    assert_eq!(head.headers.keys().map(|name| name.as_str()).collect::<Vec<_>>(), ["tracestate"]);
    assert_eq!(head.method, Method::POST);
}

pub(super) async fn deadlines_shrink_and_passed_ones_are_not_sent(kind: Kind) {
    let seen = Seen::default();
    let world = World::new(kind, recording(&seen)).await;
    let sent = CallContext { deadline: Deadline::after(Duration::from_millis(800)), ..context() };
    tokio::time::sleep(Duration::from_millis(50)).await;
    world.client.call(&world.peer, &orders(), get("/"), &sent).await.unwrap();
    let (_, _, arrived) = seen.lock().unwrap().pop().unwrap();
    // Never later than the caller's, but for what the way takes and rounding; both clocks are one here.
    let (ours, theirs) = (sent.deadline.instant(), arrived.deadline.instant());
    assert!(theirs < ours + Duration::from_millis(500), "{:?}", theirs.duration_since(ours));
    assert!(arrived.deadline.remaining() <= Duration::from_millis(760), "{:?}", arrived.deadline.remaining());
    let late = CallContext { deadline: Deadline::after(Duration::ZERO), ..context() };
    let error = world.client.call(&world.peer, &orders(), get("/"), &late).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(seen.lock().unwrap().is_empty());
}

pub(super) async fn headers_are_limited_both_ways(kind: Kind) {
    let settings = Settings { headers_bytes_max: 8 << 10, ..Settings::default() };
    let world = World::with(
        kind,
        handler(|_, request, _| async move {
            let size = request.headers()["x-answer"].to_str().unwrap().parse().unwrap();
            let large = HeaderValue::from_str(&"a".repeat(size)).unwrap();
            match request.uri().path() {
                "/trailers" => {
                    let trailers = [(http::HeaderName::from_static("x-large"), large)].into_iter().collect();
                    Ok(Response::new(Body::full("x", Some(trailers))))
                }
                _ => Ok(http::Response::builder().header("x-large", large).body(Body::empty()).unwrap()),
            }
        }),
        settings,
    )
    .await;
    let ask = |path: &str, own: usize, answer: usize| {
        let large = "a".repeat(own);
        http::Request::get(path).header("x-own", large).header("x-answer", answer).body(Body::empty()).unwrap()
    };
    world.call(ask("/", 8_000, 8_000)).await.unwrap();
    let error = world.call(ask("/", 8_200, 1)).await.unwrap_err();
    assert_eq!((error.kind(), error.side()), (ErrorKind::HeadersTooLarge, Side::Caller));
    let error = world.call(ask("/", 1, 8_200)).await.unwrap_err();
    assert_eq!((error.kind(), error.side()), (ErrorKind::BadResponse, Side::Callee));
    assert!(world.call(ask("/trailers", 1, 8_200)).await.is_err());
    world.call(ask("/trailers", 1, 100)).await.unwrap();
    assert_eq!(world.client.snapshot().connected, 1, "no connection was lost over it");
}

pub(super) async fn odd_methods_and_paths_cross(kind: Kind) {
    let seen = Seen::default();
    let world = World::new(kind, recording(&seen)).await;
    for (method, uri) in [
        ("CONNECT", "/x"),
        ("PURGE", "/"),
        ("OPTIONS", "*"),
        ("GET", "/%2F/..//?%00=&&"),
        ("GET", "https://a.b.c/"),
        ("DELETE", "/ä"),
    ] {
        let request: Request = http::Request::builder().method(method).uri(uri).body(Body::empty()).unwrap();
        let uri = request.uri().clone();
        world.call(request).await.unwrap();
        let (_, head, _) = seen.lock().unwrap().pop().unwrap();
        assert_eq!((head.method.as_str(), head.uri), (method, uri));
    }
    let head = http::Request::head("/").body(Body::empty()).unwrap();
    assert_eq!(world.call(head).await.unwrap().status(), StatusCode::OK);
    let tunnel = http::Request::builder().method("CONNECT").uri("a.b:80").body(Body::empty()).unwrap();
    assert_eq!(world.call(tunnel).await.unwrap_err().kind(), ErrorKind::Invalid);
}

pub(super) async fn control_is_not_a_call(kind: Kind) {
    let seen = Seen::default();
    let world = World::new(kind, recording(&seen)).await;
    let timeout = Duration::from_secs(5);
    let answer = world.client.control(&world.peer, "state", Bytes::from_static(b"abc"), timeout).await.unwrap();
    assert_eq!(answer, "one state abc");
    assert!(world.client.control(&world.peer, "Not a kind", Bytes::new(), timeout).await.is_err());
    assert!(seen.lock().unwrap().is_empty());
}

pub(super) async fn control_is_limited_in_size(kind: Kind) {
    let (small, large) = (Settings { control_bytes_max: 100_000, ..Settings::default() }, Settings::default());
    let timeout = Duration::from_secs(5);
    let request = |size: usize| Bytes::from(vec![b'x'; size]);
    let world = World::between(kind, echo(), large.clone(), small.clone()).await;
    let answer = world.client.control(&world.peer, "blob", request(100_000), timeout).await.unwrap();
    assert_eq!(answer.len(), 100_000 + "one blob ".len());
    let error = world.client.control(&world.peer, "blob", request(100_001), timeout).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BodyTooLarge);
    let world = World::between(kind, echo(), small, large).await;
    let error = world.client.control(&world.peer, "blob", request(100_001), timeout).await.unwrap_err();
    assert_eq!((error.kind(), error.side()), (ErrorKind::BodyTooLarge, Side::Caller));
    let error = world.client.control(&world.peer, "blob", request(99_999), timeout).await.unwrap_err();
    assert_eq!((error.kind(), error.side()), (ErrorKind::BadResponse, Side::Callee));
}

pub(super) async fn a_name_is_found_out_and_another_start_is_refused(kind: Kind) {
    let world = World::new(kind, echo()).await;
    let found = world.client.discover(world.peer.address).await.unwrap();
    assert_eq!(found, Peer { incarnation: TWO, ..world.peer.clone() });
    world.call(get("/")).await.unwrap();
    assert_eq!(world.client.snapshot().connected, 1, "the connection was kept");
    let earlier = Peer { incarnation: Incarnation([1; 16]), ..world.peer.clone() };
    let error = world.client.call(&earlier, &orders(), get("/"), &context()).await.unwrap_err();
    assert!(error.is_retryable());
    assert!(error.chain().contains("another start"), "{}", error.chain());
    let other = Peer { node: "three".parse().unwrap(), incarnation: Incarnation([3; 16]), ..world.peer.clone() };
    let error = world.client.call(&other, &orders(), get("/"), &context()).await.unwrap_err();
    assert!(error.is_retryable() && error.chain().contains("no link with"), "{}", error.chain());
    let nobody = "127.0.0.1:1".parse().unwrap();
    assert!(matches!(*world.client.discover(nobody).await.unwrap_err(), LinkError::Connect { .. }));
}
