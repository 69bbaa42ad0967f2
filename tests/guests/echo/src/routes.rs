//! Plain HTTP.

use std::{collections::BTreeMap, convert::Infallible, pin::pin, time::Duration};

use futures_util::{
    StreamExt,
    future::{Either, select},
    stream,
};
use hostel_sdk::{
    CallError, CallInfo, ErrorKind,
    axum::{
        Json, Router,
        body::{Body, Bytes},
        extract::{Path, Query},
        response::{IntoResponse, Response},
        routing::{any, get, post},
    },
    config,
    http::{self, HeaderMap, StatusCode},
    tracing,
};

pub(crate) fn router() -> Router {
    Router::new()
        .route("/hello/{name}", get(async |Path(name): Path<String>| format!("hello {name}")))
        .route("/echo", post(async |body: Bytes| body))
        .route("/echo-stream", post(async |body: Body| body))
        .route("/headers", get(headers))
        .route("/info", get(info))
        .route("/stream/{chunks}", get(stream_chunks))
        .route("/break/{chunks}", get(break_off))
        .route("/count", post(count))
        .route("/sleep/{ms}", any(sleep))
        .route("/status/{code}", any(status))
        .route("/panic", get(panic))
        .route("/spin", get(spin))
        .route("/call/{target}", any(call_root))
        .route("/call/{target}/{*path}", any(call))
        .route("/fetch", post(fetch))
        .route("/hurry/{target}/{ms}", get(hurry))
        .route("/peek/{target}/{*path}", get(peek))
        .route("/upload/{target}/{chunks}", post(upload))
        .route("/config", get(async || config::all().map(|all| Json(BTreeMap::from_iter(all))).map_err(failed)))
        .route("/config/{key}", get(config_value))
        .route("/log/{message}", get(log))
        .route("/eat/{mib}", get(eat))
        .route("/fault/{key}", any(fault))
        .route("/after/{message}", get(after))
        .route("/wait", get(wait))
        .route("/notify", post(notify))
}

/// The headers as they came, several of one name joined by a comma.
async fn headers(headers: HeaderMap) -> Json<BTreeMap<String, String>> {
    let mut all = BTreeMap::<String, String>::new();
    for (name, value) in &headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        all.entry(name.to_string())
            .and_modify(|values| {
                values.push(',');
                values.push_str(&value);
            })
            .or_insert_with(|| value.to_string());
    }
    Json(all)
}

async fn info(info: CallInfo) -> Json<serde_json::Value> {
    Json(serde_json::json!({
        "caller": info.caller(),
        "trace_id": info.trace_id(),
        "timeout_ms": info.timeout().map(|timeout| timeout.as_millis() as u64),
    }))
}

/// One chunk of 1 KiB after the other, `gap_ms` milliseconds apart.
async fn stream_chunks(Path(chunks): Path<u32>, Query(pace): Query<Pace>) -> Body {
    Body::from_stream(stream::iter(0..chunks).then(move |index| async move {
        pace.pause(index).await;
        Ok::<_, Infallible>(vec![b'a' + (index % 26) as u8; 1024])
    }))
}

/// As many chunks as asked for, then an error.
async fn break_off(Path(chunks): Path<u32>, Query(pace): Query<Pace>) -> Body {
    let good = stream::iter(0..chunks).then(move |index| async move {
        pace.pause(index).await;
        Ok(vec![b'x'; 1024])
    });
    Body::from_stream(good.chain(stream::iter([Err("the source failed")])))
}

#[derive(Clone, Copy, serde::Deserialize)]
struct Pace {
    #[serde(default)]
    gap_ms: u64,
}

impl Pace {
    /// Always a moment before the first chunk, so that the body is not at hand and travels as a stream.
    async fn pause(self, index: u32) {
        let ms = if index == 0 { self.gap_ms.max(1) } else { self.gap_ms };
        if ms > 0 {
            hostel_sdk::sleep(Duration::from_millis(ms)).await;
        }
    }
}

async fn count(body: Body) -> Result<String, (StatusCode, String)> {
    let mut data = body.into_data_stream();
    let mut total = 0;
    while let Some(chunk) = data.next().await {
        match chunk {
            Ok(chunk) => total += chunk.len(),
            Err(error) => return Err((StatusCode::BAD_REQUEST, format!("after {total} bytes: {error}"))),
        }
    }
    Ok(total.to_string())
}

async fn sleep(Path(ms): Path<u64>) -> String {
    hostel_sdk::sleep(Duration::from_millis(ms)).await;
    format!("slept {ms}")
}

async fn status(Path(code): Path<u16>) -> Result<StatusCode, StatusCode> {
    StatusCode::from_u16(code).map_err(|_| StatusCode::BAD_REQUEST)
}

async fn panic() -> &'static str {
    panic!("as asked")
}

/// Never ends and never yields.
async fn spin() -> &'static str {
    loop {
        std::hint::spin_loop();
    }
}

async fn fault(Path(key): Path<String>) -> Response {
    crate::faults::fault(&key).await
}

async fn call_root(Path(target): Path<String>) -> Result<Response, CallError> {
    pass_on(format!("http://{target}.internal/")).await
}

async fn call(Path((target, path)): Path<(String, String)>) -> Result<Response, CallError> {
    pass_on(format!("http://{target}.internal/{path}")).await
}

/// Gets the URL in the body.
async fn fetch(url: String) -> Result<Response, CallError> {
    pass_on(url).await
}

/// Calls something that takes a minute, and gives up after `ms`: dropping the call cancels it.
async fn hurry(Path((target, ms)): Path<(String, u64)>) -> &'static str {
    let call = pin!(http::get(format!("http://{target}.internal/sleep/60000")));
    match select(call, pin!(hostel_sdk::sleep(Duration::from_millis(ms)))).await {
        Either::Left((Ok(_), _)) => "it answered",
        Either::Left((Err(_), _)) => "it failed",
        Either::Right(_) => "gave up",
    }
}

/// Reads the first piece of a response and drops the rest, which cancels it.
async fn peek(Path((target, path)): Path<(String, String)>) -> Result<String, CallError> {
    let response = http::get(format!("http://{target}.internal/{path}")).await?;
    let mut pieces = Body::new(response.into_body()).into_data_stream();
    let seen = pieces.next().await.and_then(Result::ok).map_or(0, |piece| piece.len());
    Ok(format!("saw {seen} bytes"))
}

/// Streams `chunks` of 1 KiB to the route `/count` of a service, 1 ms apart.
async fn upload(Path((target, chunks)): Path<(String, u32)>) -> Result<Response, CallError> {
    let body = stream_chunks(Path(chunks), Query(Pace { gap_ms: 1 })).await;
    let request = http::Request::post(format!("http://{target}.internal/count")).body(body);
    let request = request.map_err(|error| CallError::new(ErrorKind::Invalid, error.to_string()))?;
    let response = http::send(request).await?;
    Ok((response.status(), Body::new(response.into_body())).into_response())
}

async fn pass_on(url: String) -> Result<Response, CallError> {
    let response = http::get(url).await?;
    Ok((response.status(), Body::new(response.into_body())).into_response())
}

async fn config_value(Path(key): Path<String>) -> Result<Response, Response> {
    match config::get(&key).map_err(failed)? {
        Some(value) => Ok(value.into_response()),
        None => Err(StatusCode::NOT_FOUND.into_response()),
    }
}

async fn log(Path(message): Path<String>) -> &'static str {
    let span = tracing::info_span!("logging", via = "span");
    let _span = span.enter();
    tracing::info!(answer = 42, "{message}");
    "logged"
}

/// Waits until another call of the same instance notifies: calls can wake each other.
async fn wait() -> &'static str {
    WAITING.with(|waiting| waiting.clone()).notified().await;
    "notified"
}

/// Takes that much memory, for the call's duration.
async fn eat(Path(mib): Path<usize>) -> String {
    let taken = vec![1_u8; mib << 20];
    format!("took {} bytes", std::hint::black_box(taken).len())
}

/// Answers, and logs a little later.
async fn after(Path(message): Path<String>) -> &'static str {
    hostel_sdk::spawn(async move {
        hostel_sdk::sleep(Duration::from_millis(20)).await;
        tracing::info!("after: {message}");
    });
    "answered"
}

async fn notify() -> &'static str {
    WAITING.with(|waiting| waiting.clone()).notify_waiters();
    "ok"
}

thread_local! {
    /// Shared by the calls that this instance serves.
    static WAITING: std::sync::Arc<tokio::sync::Notify> = std::sync::Arc::default();
}

fn failed(error: impl std::fmt::Display) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
}
