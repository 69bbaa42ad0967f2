//! Between the records of the WIT package and the types of the `http` crate. Bytes move; they are not copied.

use bytes::Bytes;
use http::{
    HeaderMap, Request, Response, Uri, header, request,
    uri::{Authority, PathAndQuery, Scheme},
};

use super::{
    head::{self, Malformed},
    incoming::Incoming,
    pump::PumpGuard,
    wit,
};
use crate::{
    Body,
    error::{BodyError, CallError, ErrorKind},
};

/// # Errors
/// When the request makes no sense as HTTP.
pub(super) fn request_in(request: wit::Request) -> Result<Request<Body>, Malformed> {
    let head = head::read_request(request.head.into())?;
    let mut uri = http::uri::Parts::default();
    uri.path_and_query = Some(PathAndQuery::from_maybe_shared(head.path)?);
    // As on any server, the URI has an authority where the client did not put it into a header.
    if !head.authority.is_empty() && !head.fields.contains_key(header::HOST) {
        uri.scheme = Some(if &head.scheme[..] == b"https" { Scheme::HTTPS } else { Scheme::HTTP });
        uri.authority = Some(Authority::from_maybe_shared(head.authority)?);
    }
    let mut result = Request::new(body_in(request.body, HeaderMap::new(), None));
    *result.method_mut() = head.method;
    *result.uri_mut() = Uri::from_parts(uri)?;
    *result.headers_mut() = head.fields;
    Ok(result)
}

pub(super) fn request_out(parts: &request::Parts, body: wit::Body) -> wit::Request {
    wit::Request { head: head::write_request(parts), body }
}

/// The response of a call. `pump`, which sends what is left of the request's body, lives as long as the response does.
pub(super) fn response_in(response: wit::Response, pump: Option<PumpGuard>) -> Result<Response<Body>, CallError> {
    let nonsense = |error: Malformed| CallError::new(ErrorKind::Failed, format!("the response is malformed: {error}"));
    let head = head::read_response(response.head.into()).map_err(nonsense)?;
    let mut result = Response::new(body_in(response.body, head.trailers, pump));
    *result.status_mut() = head.status;
    *result.headers_mut() = head.fields;
    Ok(result)
}

fn body_in(body: wit::Body, trailers: HeaderMap, pump: Option<PumpGuard>) -> Body {
    match body {
        wit::Body::None => Body::whole(Bytes::new(), trailers),
        wit::Body::Bytes(data) => Body::whole(data.into(), trailers),
        wit::Body::Streaming((data, end)) => Body::stream(Incoming::new(data, end, pump)),
    }
}

pub(super) fn error_in(error: wit::CallError) -> CallError {
    let kind = match error.kind {
        wit::ErrorKind::NotFound => ErrorKind::NotFound,
        wit::ErrorKind::Denied => ErrorKind::Denied,
        wit::ErrorKind::Unavailable => ErrorKind::Unavailable,
        wit::ErrorKind::Timeout => ErrorKind::Timeout,
        wit::ErrorKind::Cancelled => ErrorKind::Cancelled,
        wit::ErrorKind::TooDeep => ErrorKind::TooDeep,
        wit::ErrorKind::TooLarge => ErrorKind::TooLarge,
        wit::ErrorKind::Invalid => ErrorKind::Invalid,
        wit::ErrorKind::Failed => ErrorKind::Failed,
    };
    CallError::new(kind, error.message).with_retryable(error.retryable)
}

pub(super) fn body_error_in(error: wit::BodyError) -> BodyError {
    match error {
        wit::BodyError::Cancelled => BodyError::Cancelled,
        wit::BodyError::Timeout => BodyError::Timeout,
        wit::BodyError::TooLarge => BodyError::TooLarge,
        wit::BodyError::Failed(why) => BodyError::Failed(why),
    }
}

pub(super) fn body_error_out(error: BodyError) -> wit::BodyError {
    match error {
        BodyError::Cancelled => wit::BodyError::Cancelled,
        BodyError::Timeout => wit::BodyError::Timeout,
        BodyError::TooLarge => wit::BodyError::TooLarge,
        BodyError::Failed(why) => wit::BodyError::Failed(why),
    }
}
