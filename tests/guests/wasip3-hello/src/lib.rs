//! A WASI 0.3 service (`wasi:http/handler`) written with `wasip3` and an ordinary axum router.
//!
//! It knows nothing of Hostel. An instance serves many calls at once, so each handler keeps what it needs of its own
//! request on its own stack; `/call` proves it by carrying a tag through. The routes are those of every `*-hello`
//! guest; `tests/guests/README.md` lists them.

use axum::body::Body;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::{BodyExt, Empty};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::pin::Pin;
use std::task::{Context, Poll};
use tower::ServiceExt;
use wasip3::http::types::{self, ErrorCode};
use wasip3::http_compat::{
    http_from_wasi_request, http_from_wasi_response, http_into_wasi_request, http_into_wasi_response,
};

/// The header that tells one call's data from another's.
const TAG: &str = "x-tag";

struct Service;

wasip3::http::service::export!(Service);

impl wasip3::exports::http::handler::Guest for Service {
    async fn handle(request: types::Request) -> Result<types::Response, ErrorCode> {
        let request = http_from_wasi_request(request)?.map(Body::new);
        let Ok(response) = router().oneshot(request).await;
        http_into_wasi_response(response)
    }
}

fn router() -> Router {
    Router::new()
        .route("/hello/{name}", get(async |Path(name): Path<String>| format!("hello {name}")))
        .route("/echo", post(echo))
        .route("/call", get(|query, headers| OneThread(call(query, headers))))
        .route("/headers", get(async |headers: HeaderMap| Json(headers_as_json(&headers))))
        .route("/sleep/{ms}", get(|ms| OneThread(sleep(ms))))
        .fallback(async |uri: http::Uri| (StatusCode::NOT_FOUND, format!("no route for {}", uri.path())))
}

/// Hands the request's body back as it comes; nothing is collected.
async fn echo(headers: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    if let Some(content_type) = headers.get("content-type") {
        response.headers_mut().insert("content-type", content_type.clone());
    }
    response
}

#[derive(Deserialize)]
struct CallQuery {
    url: String,
}

/// Fetches the URL in the query and reports what came back, beside the tag this call was sent with.
async fn call(Query(CallQuery { url }): Query<CallQuery>, headers: HeaderMap) -> Response {
    let tag = headers.get(TAG);
    let tag_text = tag.map(|tag| String::from_utf8_lossy(tag.as_bytes()));
    match fetch(&url, tag).await {
        Ok((status, body)) => Json(json!({ "tag": tag_text, "status": status, "body": body })).into_response(),
        Err(error) => (StatusCode::BAD_GATEWAY, Json(json!({ "tag": tag_text, "error": error }))).into_response(),
    }
}

async fn fetch(url: &str, tag: Option<&HeaderValue>) -> Result<(u16, String), String> {
    let mut request = http::Request::get(url);
    if let Some(tag) = tag {
        request = request.header(TAG, tag);
    }
    let request = request.body(Empty::<axum::body::Bytes>::new()).map_err(|error| error.to_string())?;
    let request = http_into_wasi_request(request).map_err(|error| format!("{error:?}"))?;
    let response = wasip3::http::client::send(request).await.map_err(|error| format!("{error:?}"))?;
    let response = http_from_wasi_response(response).map_err(|error| format!("{error:?}"))?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.map_err(|error| format!("{error:?}"))?;
    Ok((status, String::from_utf8_lossy(&body.to_bytes()).into_owned()))
}

async fn sleep(Path(ms): Path<u64>) -> String {
    wasip3::clocks::monotonic_clock::wait_for(ms.saturating_mul(1_000_000)).await;
    format!("slept {ms}")
}

/// `{"name": ["value", ...]}`: a header may repeat, and the test wants to see that.
fn headers_as_json(headers: &HeaderMap) -> Value {
    let entries = headers.keys().map(|name| {
        let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into());
        (name.to_string(), Value::Array(values.collect()))
    });
    Value::Object(entries.collect::<Map<_, _>>())
}

/// axum asks for futures that may move between threads, and those over component handles may not.
struct OneThread<F>(F);

// SAFETY: a component instance has one thread, so nothing in it is ever touched from another.
unsafe impl<F> Send for OneThread<F> {}

impl<F: Future> Future for OneThread<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: the inner future is pinned with the wrapper and never moved out of it.
        unsafe { self.map_unchecked_mut(|this| &mut this.0) }.poll(context)
    }
}
