//! Between the records of the WIT package and the types of the `http` crate. Bytes move; they are not copied.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, request,
    uri::{Authority, PathAndQuery, Scheme},
};

use super::{incoming::Incoming, pump::PumpGuard, wit};
use crate::{
    Body,
    error::{BodyError, CallError, ErrorKind},
};

/// # Errors
/// When the request makes no sense as HTTP.
pub(super) fn request_in(request: wit::Request) -> Result<Request<Body>, http::Error> {
    let mut result = Request::new(Body::empty());
    *result.method_mut() = Method::from_bytes(request.method.as_bytes())?;
    let mut uri = http::uri::Parts::default();
    uri.path_and_query = Some(PathAndQuery::from_maybe_shared(Bytes::from(request.path))?);
    if !request.authority.is_empty() {
        uri.scheme = Some(Scheme::try_from(request.scheme.as_str())?);
        uri.authority = Some(Authority::from_maybe_shared(Bytes::from(request.authority))?);
    }
    *result.uri_mut() = Uri::from_parts(uri)?;
    *result.headers_mut() = fields_in(request.headers)?;
    *result.body_mut() = body_in(request.body, HeaderMap::new(), None);
    Ok(result)
}

pub(super) fn request_out(parts: &request::Parts, body: wit::Body) -> wit::Request {
    wit::Request {
        method: parts.method.as_str().to_owned(),
        scheme: parts.uri.scheme_str().unwrap_or("http").to_owned(),
        authority: parts.uri.authority().map(ToString::to_string).unwrap_or_default(),
        path: parts.uri.path_and_query().map_or("/", PathAndQuery::as_str).to_owned(),
        headers: fields_out(&parts.headers),
        body,
    }
}

/// The response of a call. `pump`, which sends what is left of the request's body, lives as long as the response does.
pub(super) fn response_in(response: wit::Response, pump: Option<PumpGuard>) -> Result<Response<Body>, CallError> {
    let nonsense =
        |error: http::Error| CallError::new(ErrorKind::Failed, format!("the response is malformed: {error}"));
    let mut result = Response::new(Body::empty());
    *result.status_mut() = StatusCode::from_u16(response.status).map_err(|error| nonsense(error.into()))?;
    *result.headers_mut() = fields_in(response.headers).map_err(nonsense)?;
    let trailers = fields_in(response.trailers).map_err(nonsense)?;
    *result.body_mut() = body_in(response.body, trailers, pump);
    Ok(result)
}

fn body_in(body: wit::Body, trailers: HeaderMap, pump: Option<PumpGuard>) -> Body {
    match body {
        wit::Body::None => Body::whole(Bytes::new(), trailers),
        wit::Body::Bytes(data) => Body::whole(data.into(), trailers),
        wit::Body::Streaming((data, end)) => Body::stream(Incoming::new(data, end, pump)),
    }
}

pub(super) fn fields_in(fields: wit::Fields) -> Result<HeaderMap, http::Error> {
    let mut map = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields {
        map.append(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_maybe_shared(Bytes::from(value))?);
    }
    Ok(map)
}

pub(super) fn fields_out(map: &HeaderMap) -> wit::Fields {
    map.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_owned())).collect()
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
