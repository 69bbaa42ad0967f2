//! The lean door, `hostel:service`: whole calls in one crossing, streams where a body is not at hand.

mod convert;
mod head;
mod incoming;
mod outgoing;
mod pump;

use std::future::Future;

use axum::Router;
use bytes::Bytes;
use http::{Response, request};

pub(crate) use self::incoming::Incoming;
use crate::{
    Body,
    bindings::{
        hostel::service::{client, types as wit},
        wasi::logging::logging,
    },
    error::{BoxError, CallError},
    log::Level,
    router,
    single_thread::SingleThread,
};

/// What `serve!` names.
pub(crate) mod export {
    pub use super::handle;
    pub use crate::bindings::{
        exports::hostel::service::handler::Guest,
        hostel::service::types::{Request, Response},
    };
}

/// Answers one call from the host.
pub async fn handle(app: fn() -> Router, request: wit::Request) -> wit::Response {
    let response = match convert::request_in(request) {
        Ok(request) => router::call(app, request).await,
        Err(_) => router::bad_request(),
    };
    let (parts, body) = response.into_parts();
    let (body, trailers) = outgoing::response(body).await;
    wit::Response { head: head::write_response(parts.status, &parts.headers, &trailers), body }
}

/// Sends a request to a service, or to an origin outside, as `target` says.
pub(crate) fn send<B>(
    target: String,
    parts: request::Parts,
    body: B,
) -> impl Future<Output = Result<Response<Body>, CallError>> + Send
where
    B: http_body::Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    SingleThread(async move {
        // Held until the exchange is over, however it ends: then what is left of the request's body is of no use.
        let (body, pump) = outgoing::request(body).await?;
        let request = convert::request_out(&parts, body);
        let response = client::call(target, request).await.map_err(convert::error_in)?;
        convert::response_in(response, pump)
    })
}

pub(crate) fn log(level: Level, context: &str, message: &str) {
    let level = match level {
        Level::Trace => logging::Level::Trace,
        Level::Debug => logging::Level::Debug,
        Level::Info => logging::Level::Info,
        Level::Warn => logging::Level::Warn,
        Level::Error => logging::Level::Error,
        Level::Critical => logging::Level::Critical,
    };
    logging::log(level, context, message);
}

/// Runs `task` after, and beside, the call that is being served. It may go on when the response has been sent; it
/// ends at the latest with the instance.
///
/// In native builds, where nothing would run it, the task is dropped.
pub fn spawn(task: impl Future<Output = ()> + 'static) {
    wit_bindgen::spawn_local(task);
}
