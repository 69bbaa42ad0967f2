//! Problem documents: errors for clients of plain HTTP and of REST.

use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue};
use prost_reflect::DescriptorPool;
use serde::Serialize;
use serde_json::{Map, Value};

use super::failure::{Failure, Refusal};
use crate::call::grpc::Code;
use crate::call::{Body, CallError, ErrorKind, Response, TraceId};

/// A problem document.
///
/// Source: RFC 9457.
#[derive(Serialize)]
struct Problem<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    #[serde(flatten)]
    members: Map<String, Value>,
}

/// The response for a call that got none.
pub fn of_error(error: &CallError, trace: Option<TraceId>) -> Response {
    let kind = error.kind();
    let problem = Problem {
        r#type: format!("urn:hostel:error:{}", kind.slug()),
        title: title(kind),
        status: kind.http_status().as_u16(),
        detail: error.message(),
        trace_id: trace.map(|trace| trace.to_string()),
        members: Map::new(),
    };
    let mut response = response(&problem);
    hints(error, response.headers_mut());
    response
}

/// The response for a status that a service answered. Details are shown in the way of `types`, if those know them.
pub(super) fn of_status(
    failure: &Failure,
    refusal: &Refusal,
    types: Option<&DescriptorPool>,
    trace: Option<TraceId>,
) -> Response {
    let code = refusal.status.code();
    let problem = Problem {
        r#type: format!("urn:hostel:grpc:{}", code.name().to_ascii_lowercase().replace('_', "-")),
        title: title_of_code(code),
        status: failure.http_status().as_u16(),
        detail: &refusal.status.message,
        trace_id: trace.map(|trace| trace.to_string()),
        members: refusal.status.problem_members(types),
    };
    response(&problem)
}

/// What an error says in headers besides: when to come back, and which methods would have been taken.
pub(super) fn hints(error: &CallError, headers: &mut HeaderMap) {
    if let Some(after) = error.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
    }
    if let Some(Ok(allowed)) = error.allowed().map(HeaderValue::from_str) {
        headers.insert(ALLOW, allowed);
    }
}

fn response(problem: &Problem<'_>) -> Response {
    // Strings, numbers and values always serialise.
    let body = serde_json::to_vec(problem).unwrap_or_default();
    let mut response = Response::new(Body::full(body, None));
    *response.status_mut() = http::StatusCode::from_u16(problem.status).unwrap_or_default();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
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

fn title_of_code(code: Code) -> &'static str {
    match code {
        Code::Ok => "No error",
        Code::Cancelled => "Cancelled",
        Code::Unknown => "Unknown error",
        Code::InvalidArgument => "Invalid argument",
        Code::DeadlineExceeded => "Deadline exceeded",
        Code::NotFound => "Not found",
        Code::AlreadyExists => "Already exists",
        Code::PermissionDenied => "Permission denied",
        Code::ResourceExhausted => "Resource exhausted",
        Code::FailedPrecondition => "Failed precondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "Out of range",
        Code::Unimplemented => "Not implemented",
        Code::Internal => "Internal error",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "Data loss",
        Code::Unauthenticated => "Unauthenticated",
    }
}
