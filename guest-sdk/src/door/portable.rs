//! The standard door, `wasi:http` 0.3, for other hosts.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use axum::Router;
use bytes::Bytes;
use http::{Response, header, request};
use http_body::{Body as _, Frame};
use wasip3::{
    http::types::{self, ErrorCode},
    http_compat::{
        IncomingRequestBody, IncomingResponseBody, http_from_wasi_request, http_from_wasi_response,
        http_into_wasi_request, http_into_wasi_response,
    },
};

use crate::{
    Body,
    error::{BodyError, BoxError, CallError, ErrorKind},
    log::Level,
    router,
    single_thread::SingleThread,
};

/// What `serve!` names.
pub(crate) mod export {
    pub use super::handle;
    pub use wasip3::{
        self,
        exports::http::handler::Guest,
        http::types::{ErrorCode, Request, Response},
    };
}

/// Answers one call from the host.
///
/// # Errors
/// When the response cannot be expressed in `wasi:http`.
pub async fn handle(app: fn() -> Router, request: types::Request) -> Result<types::Response, ErrorCode> {
    let response = match http_from_wasi_request(request) {
        Ok(request) => router::call(app, request.map(|body| Body::stream(Incoming::Request(body)))).await,
        Err(_) => router::bad_request(),
    };
    http_into_wasi_response(response)
}

/// Sends a request. The target is in its URI already.
pub(crate) fn send<B>(
    _target: String,
    mut parts: request::Parts,
    body: B,
) -> impl Future<Output = Result<Response<Body>, CallError>> + Send
where
    B: http_body::Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    SingleThread(async move {
        // `wasi:http` carries the authority apart and forbids headers that concern one hop only.
        for name in [header::HOST, header::TE, header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE] {
            parts.headers.remove(name);
        }
        let request = http_into_wasi_request(http::Request::from_parts(parts, body)).map_err(call_error)?;
        let response = wasip3::http::client::send(request).await.map_err(call_error)?;
        let response = http_from_wasi_response(response).map_err(call_error)?;
        Ok(response.map(|body| Body::stream(Incoming::Response(body))))
    })
}

/// A body that comes in over time.
pub(crate) enum Incoming {
    Request(IncomingRequestBody),
    Response(IncomingResponseBody),
}

impl Incoming {
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self {
            Self::Request(body) => Pin::new(body).poll_frame(cx),
            Self::Response(body) => Pin::new(body).poll_frame(cx),
        }
        .map_err(|error| body_error(&error))
    }
}

pub(crate) fn log(level: Level, context: &str, message: &str) {
    eprintln!("{level:?} {context}: {message}");
}

/// Runs `task` after, and beside, the call that is being served. It may go on when the response has been sent; it
/// ends at the latest with the instance.
///
/// In native builds, where nothing would run it, the task is dropped.
pub fn spawn(task: impl Future<Output = ()> + 'static) {
    wit_bindgen::spawn_local(task);
}

fn call_error(error: ErrorCode) -> CallError {
    let kind = match error {
        ErrorCode::DestinationNotFound => ErrorKind::NotFound,
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => ErrorKind::Denied,
        ErrorCode::DnsTimeout
        | ErrorCode::DnsError(_)
        | ErrorCode::DestinationUnavailable
        | ErrorCode::DestinationIpUnroutable
        | ErrorCode::ConnectionRefused
        | ErrorCode::ConnectionTerminated
        | ErrorCode::ConnectionLimitReached => ErrorKind::Unavailable,
        ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout
        | ErrorCode::HttpResponseTimeout => ErrorKind::Timeout,
        ErrorCode::LoopDetected => ErrorKind::TooDeep,
        ErrorCode::HttpRequestBodySize(_)
        | ErrorCode::HttpRequestHeaderSize(_)
        | ErrorCode::HttpRequestHeaderSectionSize(_)
        | ErrorCode::HttpResponseBodySize(_)
        | ErrorCode::HttpResponseHeaderSize(_)
        | ErrorCode::HttpResponseHeaderSectionSize(_) => ErrorKind::TooLarge,
        ErrorCode::HttpRequestMethodInvalid
        | ErrorCode::HttpRequestUriInvalid
        | ErrorCode::HttpRequestUriTooLong
        | ErrorCode::HttpRequestLengthRequired => ErrorKind::Invalid,
        _ => ErrorKind::Failed,
    };
    CallError::new(kind, error.to_string())
}

fn body_error(error: &ErrorCode) -> BodyError {
    match error {
        ErrorCode::HttpRequestBodySize(_) | ErrorCode::HttpResponseBodySize(_) => BodyError::TooLarge,
        ErrorCode::HttpResponseTimeout | ErrorCode::ConnectionReadTimeout => BodyError::Timeout,
        ErrorCode::ConnectionTerminated => BodyError::Cancelled,
        other => BodyError::Failed(other.to_string()),
    }
}
