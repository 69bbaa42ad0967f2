use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use rand::SeedableRng;

use super::*;
use crate::call::{Body, ErrorKind, Side};
use crate::policy::endpoints::{Attributes, Snapshot};
use crate::policy::settings::{RouteSettings, Settings};

type Answer = Result<Response, CallError>;

/// Endpoints 0 (here) to n, and what was sent to whom.
struct World {
    endpoints: Arc<Endpoints<u32>>,
    sent: Arc<Mutex<Vec<u32>>>,
}

impl World {
    fn new(count: u32) -> Self {
        let now = Instant::now();
        let endpoints = Arc::new(Endpoints::new(now, Arc::new(Settings::default())));
        let of = |key| {
            let locality = if key == 0 { Locality::Local } else { Locality::Zone };
            (key, Attributes { locality, weight: 1, since: now, version: 0 })
        };
        endpoints.update(now, (0..count).map(of));
        Self { endpoints, sent: Arc::default() }
    }

    fn plan(&self, route: &RouteSettings) -> Plan<u32> {
        Plan {
            endpoints: self.endpoints.clone(),
            service: "orders".parse().unwrap(),
            treatment: Arc::new(Settings::default().per_call(route)),
            described_idempotent: None,
            source: None,
            deadline: Deadline::after(Duration::from_secs(10)),
            local_is_full: false,
            rng: SmallRng::seed_from_u64(5),
        }
    }

    async fn send(&self, request: Request, answer: impl Fn(u32, usize) -> Answer) -> Answer {
        self.send_by(self.plan(&RouteSettings::default()), request, answer).await
    }

    async fn send_by(&self, plan: Plan<u32>, request: Request, answer: impl Fn(u32, usize) -> Answer) -> Answer {
        let attempt = |key: &u32, _, deadline, request: Request| {
            let mut sent = self.sent.lock().unwrap();
            sent.push(*key);
            let answer = answer(*key, sent.len());
            deadline::within(deadline, move || async move {
                request.into_body().collect().await.unwrap();
                tokio::time::sleep(Duration::from_millis(1)).await;
                answer
            })
        };
        send(plan, request, attempt, |_| ()).await
    }

    fn sent(&self) -> Vec<u32> {
        self.sent.lock().unwrap().clone()
    }

    fn snapshot(&self) -> Snapshot<u32> {
        self.endpoints.snapshot(Instant::now())
    }
}

fn request(method: http::Method, body: Body) -> Request {
    http::Request::builder().method(method).uri("/x").body(body).unwrap()
}

fn get() -> Request {
    request(http::Method::GET, Body::empty())
}

fn post() -> Request {
    request(http::Method::POST, Body::full("x", None))
}

fn ok() -> Answer {
    Ok(Response::new(Body::full("fine", None)))
}

fn trap() -> Answer {
    Err(CallError::new(ErrorKind::Trap, Side::Callee, "trapped"))
}

fn full() -> Answer {
    Err(CallError::unavailable("full"))
}

fn stream(frames: Vec<Result<Frame<Bytes>, CallError>>) -> Body {
    Body::stream(StreamBody::new(futures::stream::iter(frames)))
}

#[tokio::test(start_paused = true)]
async fn an_idempotent_call_is_sent_to_another_when_it_fails() {
    let world = World::new(3);
    let answer = |_, attempt| {
        assert_eq!(world.snapshot().in_flight, 1, "those that have failed hold no place");
        if attempt < 3 { trap() } else { ok() }
    };
    assert!(world.send(get(), answer).await.is_ok());
    let mut sent = world.sent();
    assert_eq!(sent[0], 0);
    sent.sort_unstable();
    assert_eq!(sent, [0, 1, 2], "each once");
    let snapshot = world.snapshot();
    assert_eq!((snapshot.retries, snapshot.in_flight), (2, 0));
    assert_eq!(snapshot.endpoints.iter().map(|endpoint| endpoint.failures).sum::<u64>(), 2);
}

#[tokio::test(start_paused = true)]
async fn at_most_three_attempts() {
    let world = World::new(5);
    assert_eq!(world.send(get(), |_, _| trap()).await.unwrap_err().kind(), ErrorKind::Trap);
    assert_eq!(world.sent().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_may_have_done_something_is_sent_once() {
    let world = World::new(3);
    assert!(world.send(post(), |_, _| trap()).await.is_err());
    assert_eq!(world.sent(), [0]);
    let route: RouteSettings = toml::from_str("retry.idempotent = true").unwrap();
    let declared = world.plan(&route);
    assert!(world.send_by(declared, post(), |_, attempt| if attempt < 3 { trap() } else { ok() }).await.is_ok());
    let described = Plan { described_idempotent: Some(true), ..world.plan(&RouteSettings::default()) };
    assert!(world.send_by(described, post(), |_, attempt| if attempt < 5 { trap() } else { ok() }).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_reached_nobody_goes_elsewhere_at_once() {
    let world = World::new(2);
    let began = Instant::now();
    assert!(world.send(post(), |key, _| if key == 0 { full() } else { ok() }).await.is_ok());
    assert_eq!(world.sent(), [0, 1]);
    assert_eq!(began.elapsed(), Duration::from_millis(2), "without a pause");
    let alone = World::new(1);
    assert!(alone.send(get(), |_, _| full()).await.is_err());
    assert_eq!(alone.sent(), [0]);
}

#[tokio::test(start_paused = true)]
async fn a_small_body_is_sent_again_even_as_a_stream_and_a_large_one_is_not() {
    let piece = |size: usize| Ok(Frame::data(Bytes::from(vec![0; size])));
    let half = 32 * 1024;
    for (body, sent) in [
        (Body::full(vec![0; 2 * half + 1], None), vec![0]),
        (stream(vec![piece(half), piece(half + 1)]), vec![0]),
        (stream(vec![piece(half), piece(half)]), vec![0, 1]),
    ] {
        let world = World::new(2);
        assert!(world.send(request(http::Method::PUT, body), |_, _| full()).await.is_err());
        assert_eq!(world.sent(), sent);
    }
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_for_all_attempts_and_is_blamed_on_the_endpoint() {
    let world = World::new(2);
    let route: RouteSettings = toml::from_str("timeout_ms = 2000").unwrap();
    let began = Instant::now();
    let never =
        send(world.plan(&route), get(), |_, _, deadline, _| deadline::within(deadline, std::future::pending), |_| ());
    assert_eq!(never.await.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(began.elapsed(), Duration::from_secs(2));
    assert_eq!(world.snapshot().endpoints[0].failures, 1);
    assert_eq!(world.snapshot().retries, 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_half_way_is_no_failure_and_leaves_its_place() {
    let world = World::new(1);
    let calling = send(
        world.plan(&RouteSettings::default()),
        get(),
        |_, _, deadline, _| deadline::within(deadline, std::future::pending),
        |_| (),
    );
    assert_eq!(world.snapshot().in_flight, 1, "it was sent before it was polled");
    assert!(tokio::time::timeout(Duration::from_secs(1), calling).await.is_err());
    assert_eq!((world.snapshot().in_flight, world.snapshot().endpoints[0].failures), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_place_is_held_until_the_stream_ends_and_how_it_ends_counts() {
    let mut failed = HeaderMap::new();
    failed.insert(grpc_status(), http::HeaderValue::from_static("13"));
    let data = || Ok(Frame::data(Bytes::from_static(b"abc")));
    let broken = Err(CallError::new(ErrorKind::Trap, Side::Callee, "trapped"));
    for (last, failures) in [(data(), 0), (Ok(Frame::trailers(failed)), 1), (broken, 1)] {
        let world = World::new(2);
        let body = Mutex::new(Some(stream(vec![data(), last])));
        let response = world.send(get(), |_, _| Ok(Response::new(body.lock().unwrap().take().unwrap()))).await.unwrap();
        assert_eq!(world.snapshot().in_flight, 1);
        let _ = response.into_body().collect().await;
        assert_eq!((world.snapshot().in_flight, world.snapshot().endpoints[0].failures), (0, failures));
        assert_eq!(world.sent(), [0], "a response is never repeated once it has begun");
    }
}

fn grpc_status() -> http::HeaderName {
    crate::call::grpc::STATUS
}

#[tokio::test(start_paused = true)]
async fn a_trailers_only_unavailable_is_retried_like_a_503() {
    let world = World::new(2);
    let unavailable = || {
        let mut response = Response::new(Body::empty());
        response.headers_mut().insert(grpc_status(), http::HeaderValue::from_static("14"));
        Ok(response)
    };
    let described = Plan { described_idempotent: Some(true), ..world.plan(&RouteSettings::default()) };
    let answer = world.send_by(described, post(), |key, _| if key == 0 { unavailable() } else { ok() }).await;
    assert!(answer.unwrap().headers().is_empty());
    assert_eq!(world.sent(), [0, 1]);
    assert_eq!(world.snapshot().endpoints[0].failures, 1);
}

#[tokio::test(start_paused = true)]
async fn with_nobody_there_the_error_says_so() {
    let world = World::new(0);
    let error = world.send(get(), |_, _| ok()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.message(), "`orders` cannot take the call: it is nowhere to be found");
}

/// It goes into a boxed `Send` future, and is part of every call's.
#[tokio::test(start_paused = true)]
async fn the_future_is_send_and_small() {
    fn send_of<F: Future + Send>(future: F) -> F {
        future
    }
    let world = World::new(1);
    let route = RouteSettings::default();
    let boxed = |_: &u32, _, _, _| -> futures::future::BoxFuture<'static, Answer> { Box::pin(async { ok() }) };
    let calling = send_of(send(world.plan(&route), get(), boxed, |_| ()));
    assert!(size_of_val(&calling) <= 2_048, "{} bytes", size_of_val(&calling));
    assert!(calling.await.is_ok());
}
