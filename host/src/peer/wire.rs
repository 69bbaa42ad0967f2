//! How a call travels over a link: as itself, with the fields of the link beside its headers.
//!
//! The fields have names under `hostel-`, which is the host's own (`call::header`). Whatever a guest or client put there
//! is dropped before sending, and what arrives is taken out before anybody sees the request, so that nobody but the two
//! hosts can set or see them. Names and meanings of those that guests see in the end, rewritten by the engine, are the
//! same as there.
//!
//! | field | meaning |
//! |---|---|
//! | `hostel-target` | the service that is called |
//! | `hostel-control` | instead: the kind of a control request |
//! | `hostel-caller`, `hostel-depth`, `hostel-timeout`, `traceparent` | the context; the time-out is what is left |
//! | `hostel-route` | the template of the route that matched, percent-encoded |
//! | `hostel-whole` | the body is at hand and small, so the receiver had better wait for all of it |
//! | `hostel-length` | the `content-length` of a body that comes over time; h2 would hold it against a body that breaks off |
//! | `hostel-method` | the method, when HTTP/2 gives it a meaning of its own |
//! | `hostel-error` and more | an error of the host, as a response or in trailers; see `wire::error` |
//!
//! What stays the same from call to call costs a byte each (HPACK); what never does is kept out of HPACK's table.

pub(super) mod error;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode, utf8_percent_encode};

use super::control::is_kind;
use crate::call::{
    Body, CallContext, CallError, Caller, Deadline, ErrorKind, Request, Response, ServiceName, Side, StreamBody,
    TraceContext, header,
};

const TARGET: HeaderName = HeaderName::from_static("hostel-target");
const CONTROL: HeaderName = HeaderName::from_static("hostel-control");
const ROUTE: HeaderName = HeaderName::from_static("hostel-route");
const WHOLE: HeaderName = HeaderName::from_static("hostel-whole");
const LENGTH: HeaderName = HeaderName::from_static("hostel-length");
const METHOD: HeaderName = HeaderName::from_static("hostel-method");

/// The largest body, in bytes, that is announced as whole, and waited for.
pub(super) const WHOLE_BYTES_MAX: usize = 64 << 10;

/// What RFC 9113, section 6.5.2, adds to a header's name and value when it counts the size of a list.
const ENTRY_BYTES: usize = 32;

const ESCAPED: &AsciiSet = &CONTROLS.add(b'%');

/// A body as it is sent.
pub(super) enum Sent {
    Full(Bytes, Option<HeaderMap>),
    Stream(StreamBody),
}

impl Sent {
    /// Whether the head is all there is.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Full(data, None) if data.is_empty())
    }
}

/// What a request on a link turned out to be.
pub(super) enum Arrived {
    Call { target: ServiceName, context: CallContext },
    Control { kind: String, timeout: Duration },
}

/// The head and body of a call, ready for HTTP/2.
pub(super) fn request(
    target: &ServiceName,
    request: Request,
    context: &CallContext,
    headers_bytes_max: u32,
) -> Result<(http::Request<()>, Sent), CallError> {
    let (mut head, body) = request.into_parts();
    let headers = &mut head.headers;
    clean(headers);
    headers.remove(header::TRACEPARENT);
    headers.remove(header::GRPC_TIMEOUT);
    let path = head.uri.path_and_query().map_or(0, |path| path.as_str().len());
    check_size(headers, path, headers_bytes_max, Side::Caller)?;
    headers.reserve(8);
    let body = seal(headers, body, headers_bytes_max, Side::Caller)?;
    headers.insert(TARGET, text(target.as_str()));
    headers.insert(header::CALLER, text(context.caller.as_str()));
    headers.insert(header::DEPTH, HeaderValue::from(context.depth));
    headers.insert(header::TIMEOUT, passing(context.deadline.format_remaining().as_bytes()));
    headers.insert(header::TRACEPARENT, passing(&context.trace.to_traceparent()));
    if let Some(route) = &context.route {
        headers.insert(ROUTE, escaped(route));
    }
    if head.method == Method::CONNECT {
        // To HTTP/2 it has neither scheme nor path.
        if head.uri.scheme().is_none() && head.uri.authority().is_some() {
            let message = "CONNECT asks for a tunnel, and services are no tunnels";
            return Err(CallError::new(ErrorKind::Invalid, Side::Caller, message));
        }
        headers.insert(METHOD, text(head.method.as_str()));
        head.method = Method::POST;
    }
    // Version and extensions belong to the connection a request came over. To h2, 2 would forbid requests without an
    // authority.
    head.version = Version::HTTP_11;
    head.extensions.clear();
    Ok((http::Request::from_parts(head, ()), body))
}

/// A control request, ready for HTTP/2.
pub(super) fn control_request(kind: &str, timeout: Duration) -> Result<http::Request<()>, CallError> {
    if !is_kind(kind) {
        return Err(CallError::new(ErrorKind::Invalid, Side::Host, "not the name of a kind of control request"));
    }
    let mut head = http::Request::new(());
    *head.method_mut() = Method::POST;
    let headers = head.headers_mut();
    headers.insert(CONTROL, text(kind));
    headers.insert(header::TIMEOUT, passing(Deadline::after(timeout).format_remaining().as_bytes()));
    Ok(head)
}

/// Takes the fields of the link out of a request's head.
pub(super) fn arrived(head: &mut http::request::Parts) -> Result<Arrived, CallError> {
    let headers = &mut head.headers;
    let timeout = headers
        .remove(header::TIMEOUT)
        .and_then(|value| Deadline::parse_timeout(value.to_str().ok()?).ok())
        .ok_or_else(malformed)?;
    let arrived = match (headers.remove(TARGET), headers.remove(CONTROL)) {
        (Some(target), None) => {
            let target = ServiceName::new(as_text(&target)?).map_err(|_| malformed())?;
            Arrived::Call { target, context: context(headers, timeout)? }
        }
        (None, Some(kind)) => {
            let kind = as_text(&kind)?;
            if !is_kind(kind) {
                return Err(malformed());
            }
            Arrived::Control { kind: kind.to_owned(), timeout }
        }
        _ => return Err(malformed()),
    };
    if let Some(method) = headers.remove(METHOD) {
        head.method = Method::from_bytes(method.as_bytes()).map_err(|_| malformed())?;
    }
    Ok(arrived)
}

fn context(headers: &mut HeaderMap, timeout: Duration) -> Result<CallContext, CallError> {
    let caller = headers.remove(header::CALLER).ok_or_else(malformed)?;
    let caller = match as_text(&caller)? {
        edge if edge == Caller::Edge.as_str() => Caller::Edge,
        host if host == Caller::Host.as_str() => Caller::Host,
        name => Caller::Service(ServiceName::new(name).map_err(|_| malformed())?),
    };
    let depth = headers.remove(header::DEPTH).ok_or_else(malformed)?;
    let depth = as_text(&depth)?.parse().map_err(|_| malformed())?;
    let trace = headers.remove(header::TRACEPARENT).ok_or_else(malformed)?;
    let trace = TraceContext::parse(trace.as_bytes()).ok_or_else(malformed)?;
    let route = headers.remove(ROUTE).map(|route| Arc::from(unescaped(&route)));
    Ok(CallContext { deadline: Deadline::after(timeout), trace, caller, depth, route })
}

/// A service's response, ready for HTTP/2. `to_head` says that it answers a HEAD request, and so has no body.
pub(super) fn response(
    response: Response,
    to_head: bool,
    headers_bytes_max: u32,
) -> Result<(http::Response<()>, Sent), CallError> {
    let (mut head, body) = response.into_parts();
    if head.status.is_informational() {
        let message = "the service answered with an interim status";
        return Err(CallError::new(ErrorKind::BadResponse, Side::Callee, message));
    }
    clean(&mut head.headers);
    check_size(&head.headers, 0, headers_bytes_max, Side::Callee)?;
    let body = if to_head {
        Sent::Full(Bytes::new(), None)
    } else {
        seal(&mut head.headers, body, headers_bytes_max, Side::Callee)?
    };
    head.extensions.clear();
    Ok((http::Response::from_parts(head, ()), body))
}

/// What the head says of the body that follows.
pub(super) struct Shape {
    /// All of it is on its way, and it is small.
    pub(super) whole: bool,
    /// What the sender says its length is.
    pub(super) length: Option<u64>,
}

/// Takes out of a head what it says of its body, and whatever else is the host's.
pub(super) fn unseal(headers: &mut HeaderMap) -> Shape {
    let whole = headers.remove(WHOLE).is_some();
    if let Some(length) = headers.remove(LENGTH) {
        headers.insert(CONTENT_LENGTH, length);
    }
    clean(headers);
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    Shape { whole, length }
}

/// Trailers as they are sent, or an error that takes their place.
pub(super) fn trailers(mut trailers: HeaderMap, bytes_max: u32, side: Side) -> Result<HeaderMap, CallError> {
    clean(&mut trailers);
    check_size(&trailers, 0, bytes_max, side)?;
    Ok(trailers)
}

/// Trailers as they arrive: the sender's, or the error its body ended with.
pub(super) fn arrived_trailers(mut trailers: HeaderMap) -> Result<HeaderMap, CallError> {
    if let Some(error) = error::take(&mut trailers) {
        return Err(error);
    }
    clean(&mut trailers);
    Ok(trailers)
}

fn seal(headers: &mut HeaderMap, body: Body, bytes_max: u32, side: Side) -> Result<Sent, CallError> {
    match body.try_into_full() {
        Ok((data, sent)) => {
            let sent = sent.map(|sent| trailers(sent, bytes_max, side)).transpose()?;
            let says = headers.get(CONTENT_LENGTH).map(|length| length.as_bytes() == data.len().to_string().as_bytes());
            if says == Some(false) {
                hide_length(headers);
            }
            if (!data.is_empty() || sent.is_some()) && data.len() <= WHOLE_BYTES_MAX {
                headers.insert(WHOLE, HeaderValue::from_static("1"));
            }
            Ok(Sent::Full(data, sent))
        }
        Err(stream) => {
            hide_length(headers);
            Ok(Sent::Stream(stream))
        }
    }
}

fn hide_length(headers: &mut HeaderMap) {
    if let Some(length) = headers.remove(CONTENT_LENGTH) {
        headers.insert(LENGTH, length);
    }
}

/// Removes what is the host's, and what HTTP/2 does not let through.
fn clean(headers: &mut HeaderMap) {
    header::sanitize(headers);
    if headers.get(TE).is_some_and(|te| te != "trailers") {
        headers.remove(TE);
    }
}

fn check_size(headers: &HeaderMap, more: usize, bytes_max: u32, side: Side) -> Result<(), CallError> {
    let entry = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + ENTRY_BYTES;
    let bytes = more + headers.iter().map(entry).sum::<usize>();
    if bytes <= bytes_max as usize {
        return Ok(());
    }
    let (kind, whose) = match side {
        Side::Callee => (ErrorKind::BadResponse, "response"),
        _ => (ErrorKind::HeadersTooLarge, "request"),
    };
    let message =
        format!("the headers of the {whose} have {bytes} bytes, and at most {bytes_max} travel between hosts");
    Err(CallError::new(kind, side, message))
}

fn malformed() -> CallError {
    CallError::new(ErrorKind::Invalid, Side::Host, "a peer sent a request that is neither a call nor control")
}

fn as_text(value: &HeaderValue) -> Result<&str, CallError> {
    value.to_str().map_err(|_| malformed())
}

fn text(text: &str) -> HeaderValue {
    // Names of services, callers and kinds are ASCII letters, digits and dashes.
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

/// A value that will not come again, and so is not worth a place in HPACK's table.
fn passing(bytes: &[u8]) -> HeaderValue {
    let mut value = HeaderValue::from_bytes(bytes).unwrap_or(HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

fn escaped(text: &str) -> HeaderValue {
    let escaped: Cow<'_, str> = utf8_percent_encode(text, ESCAPED).into();
    HeaderValue::from_str(&escaped).unwrap_or(HeaderValue::from_static(""))
}

fn unescaped(value: &HeaderValue) -> String {
    percent_decode(value.as_bytes()).decode_utf8_lossy().into_owned()
}
