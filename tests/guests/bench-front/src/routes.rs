//! The routes of the front. The module and the benchmark's native server are made from this one file, so that what
//! differs between them is what runs them. Whoever includes it says in `Transport` how to reach the greeter, and in
//! `pause` how to wait.

use std::time::{Duration, Instant};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, State},
    http::StatusCode,
    routing::{get, post},
};
use tonic::{Status, codegen::tokio_stream::StreamExt as _};

use super::{
    Transport, pause,
    pb::{HelloRequest, StreamRequest, greeter_client::GreeterClient},
};

pub(crate) type Greeter = GreeterClient<Transport>;

/// A failed call to the greeter, for the benchmark to show.
type Failure = (StatusCode, String);

pub(crate) fn app(greeter: Greeter) -> Router {
    Router::new()
        .route("/hello/{name}", get(hello))
        .route("/via/{name}", get(via))
        .route("/loop/{calls}", get(sequence))
        .route("/echo", post(echo))
        .route("/stream/{chunks}", get(stream))
        .route("/sleep/{ms}", get(sleep))
        .with_state(greeter)
}

async fn hello(Path(name): Path<String>) -> String {
    format!("hello {name}")
}

/// One unary call to the greeter.
async fn via(State(mut greeter): State<Greeter>, Path(name): Path<String>) -> Result<String, Failure> {
    let reply = greeter.hello(HelloRequest { name }).await.map_err(failure)?;
    Ok(reply.into_inner().message)
}

/// That many unary calls, each after the one before has been answered; their mean duration in microseconds.
async fn sequence(State(mut greeter): State<Greeter>, Path(calls): Path<u32>) -> Result<String, Failure> {
    let start = Instant::now();
    for _ in 0..calls {
        let request = HelloRequest { name: "world".to_owned() };
        greeter.hello(request).await.map_err(failure)?;
    }
    let mean_us = start.elapsed().as_secs_f64() * 1e6 / f64::from(calls.max(1));
    Ok(format!("{mean_us:.3}"))
}

/// The body as it came, once all of it is there.
async fn echo(body: Bytes) -> Bytes {
    body
}

/// What the greeter streams, passed on as it comes.
async fn stream(State(mut greeter): State<Greeter>, Path(chunks): Path<u32>) -> Result<Body, Failure> {
    let chunks = greeter.stream(StreamRequest { chunks }).await.map_err(failure)?.into_inner();
    Ok(Body::from_stream(chunks.map(|chunk| chunk.map(|chunk| chunk.data))))
}

/// A call that waits.
async fn sleep(Path(ms): Path<u64>) -> String {
    pause(Duration::from_millis(ms)).await;
    format!("slept {ms}")
}

fn failure(status: Status) -> Failure {
    (StatusCode::BAD_GATEWAY, format!("{:?}: {}\n", status.code(), status.message()))
}
