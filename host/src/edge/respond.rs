//! The one place where errors become responses.

use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serialize;

use super::request::Head;
use crate::call::{Body, CallError, ErrorKind, Response, grpc, header};

/// A problem document.
///
/// Source: RFC 9457.
#[derive(Serialize)]
struct Problem<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    trace_id: String,
}

/// What a gRPC message may not contain as it is.
///
/// Source: gRPC over HTTP/2, "Percent-Encoded": printable ASCII but for the percent sign.
const GRPC_MESSAGE: &AsciiSet = &CONTROLS.add(b'%');

/// The response for a call that got none: a problem document, or gRPC's trailers-only.
pub(super) fn error_response(error: &CallError, head: &Head) -> Response {
    let mut response = if head.is_grpc { grpc_response(error) } else { problem_response(error, head) };
    if let Some(after) = error.retry_after() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
    }
    if let Some(Ok(allowed)) = error.allowed().map(HeaderValue::from_str) {
        response.headers_mut().insert(ALLOW, allowed);
    }
    response
}

fn problem_response(error: &CallError, head: &Head) -> Response {
    let status = error.kind().http_status();
    let problem = Problem {
        r#type: format!("urn:hostel:error:{}", error.kind().slug()),
        title: title(error.kind()),
        status: status.as_u16(),
        detail: error.message(),
        trace_id: head.trace.trace_id().to_string(),
    };
    // Strings and a number always serialise.
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let mut response = Response::new(Body::full(body, None));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}

fn grpc_response(error: &CallError) -> Response {
    let mut response = Response::new(Body::empty());
    *response.headers_mut() = grpc_trailers(error);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

/// The status of an error as gRPC trailers.
pub(super) fn grpc_trailers(error: &CallError) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert(grpc::STATUS, HeaderValue::from(error.kind().grpc_code() as i32));
    let message = utf8_percent_encode(error.message(), GRPC_MESSAGE).to_string();
    if let Ok(message) = HeaderValue::from_str(&message) {
        trailers.insert(grpc::MESSAGE, message);
    }
    trailers
}

/// Takes off what belongs to the host or to another connection.
pub(super) fn finish_headers(mut response: Response) -> Response {
    header::sanitize(response.headers_mut());
    // The length of a body that has none by definition would make clients wait for it.
    if matches!(response.status(), StatusCode::NO_CONTENT) {
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    response
}

fn title(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Invalid => "The request is malformed",
        ErrorKind::NotFound => "Not found",
        ErrorKind::MethodNotAllowed => "Method not allowed",
        ErrorKind::Denied => "Not allowed",
        ErrorKind::SlowClient => "The request came too slowly",
        ErrorKind::BodyTooLarge => "The body is too large",
        ErrorKind::HeadersTooLarge => "The headers are too large",
        ErrorKind::Cancelled => "Cancelled",
        ErrorKind::Trap => "The service failed",
        ErrorKind::BadResponse => "The service answered nonsense",
        ErrorKind::Unavailable => "The service cannot take the call now",
        ErrorKind::Timeout => "The service did not answer in time",
        ErrorKind::TooDeep => "Calls are nested too deeply",
        ErrorKind::Internal => "The host failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Side;

    #[test]
    fn grpc_messages_are_percent_encoded() {
        let error = CallError::new(ErrorKind::Invalid, Side::Caller, "50 % of\nß");
        let trailers = grpc_trailers(&error);
        assert_eq!(trailers["grpc-status"], "3");
        assert_eq!(trailers["grpc-message"], "50 %25 of%0A%C3%9F");
    }
}
