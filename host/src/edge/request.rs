//! From an HTTP request to a call, and back.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, Uri};
use http_body::Body as _;
use hyper::body::Incoming;

use super::activity::InFlight;
use super::body::{Outgoing, Unread, incoming, unread};
use super::respond::{error_response, finish_headers};
use super::{Edge, Shared};
use crate::call::{
    Body, CallContext, CallError, Caller, Deadline, ErrorKind, Request, Response, Side, TraceContext, grpc, header,
};
use crate::modules::{Routed, RoutedTo};
use crate::observe::access::Access;
use crate::router::Routing;

/// What is known of a request before it becomes a call.
pub(super) struct Head {
    pub(super) method: http::Method,
    pub(super) is_grpc: bool,
    pub(super) trace: TraceContext,
    pub(super) client: SocketAddr,
    pub(super) begun: Instant,
}

/// Answers one request. Never fails: every error is a response.
pub(super) async fn handle(
    edge: &Edge,
    client: SocketAddr,
    request: hyper::Request<Incoming>,
    in_flight: InFlight,
) -> hyper::Response<Outgoing> {
    let shared = &edge.0;
    let trace = request
        .headers()
        .get(header::TRACEPARENT)
        .and_then(|value| TraceContext::parse(value.as_bytes()))
        .map_or_else(TraceContext::new_root, |outer| outer.child());
    let version = request.version();
    let head = Head {
        method: request.method().clone(),
        is_grpc: grpc::is_grpc(request.headers()),
        trace,
        client,
        begun: Instant::now(),
    };
    let idle_max = shared.settings.body_idle_timeout();
    let read = Arc::new(AtomicU64::new(0));
    let request = request.map(|body| unread(body, version, idle_max, read.clone()));
    let routed = route(shared, &request, head.is_grpc);
    let (service, route) = match &routed {
        Ok(routed) => (Some(routed.to.service().clone()), Some(routed.route.clone())),
        Err(_) => (None, None),
    };
    let outcome = match routed {
        Ok(routed) => call(shared, &head, request, routed).await,
        Err(error) => {
            let grpc = head.is_grpc.then_some(error.kind().grpc_code() as i32);
            shared.metrics.unrouted().record(error.kind().http_status().as_u16(), grpc, head.begun.elapsed());
            Err(error)
        }
    };
    let response = outcome.map(finish_headers).unwrap_or_else(|error| {
        log_error(&head, service.as_ref().map(|service| service.as_str()), &error);
        error_response(&error, &head)
    });
    let policy = shared.access;
    let log = move |status: u16, grpc: Option<i32>, bytes_out: u64| {
        drop(in_flight);
        let access = Access {
            method: head.method.as_str(),
            route: route.as_deref().unwrap_or_default(),
            service: service.as_ref().map_or("", |service| service.as_str()),
            status,
            grpc,
            elapsed: head.begun.elapsed(),
            bytes_in: read.load(Ordering::Relaxed),
            bytes_out,
            trace: head.trace,
            client: Some(head.client.ip()),
        };
        access.log(policy);
    };
    Outgoing::wrap(response, head.is_grpc, Box::new(log))
}

fn route(shared: &Shared, request: &hyper::Request<Unread>, is_grpc: bool) -> Result<Routed, CallError> {
    let headers_max = usize::from(shared.settings.headers_max);
    if request.headers().len() > headers_max {
        let message = format!("the request has more than {headers_max} headers");
        return Err(CallError::new(ErrorKind::HeadersTooLarge, Side::Caller, message));
    }

    // RFC 9112, section 3.2: exactly one, with HTTP/1.1.
    let hosts = request.headers().get_all(http::header::HOST).iter().count();
    if hosts > 1 || (hosts == 0 && request.version() == http::Version::HTTP_11) {
        return Err(CallError::new(ErrorKind::Invalid, Side::Caller, "the request needs exactly one Host header"));
    }
    let authority = request
        .uri()
        .authority()
        .map(|authority| authority.as_str())
        .or_else(|| request.headers().get(http::header::HOST)?.to_str().ok())
        .unwrap_or_default();
    if !authority.bytes().all(in_authority) {
        return Err(CallError::new(ErrorKind::Invalid, Side::Caller, "the Host header is not the name of a host"));
    }
    let host = lower_case(host_of(authority));
    shared.deployments.route(&host, request.uri().path(), request.method(), is_grpc, &shared.settings.domain)
}

/// The host in `host:port`, `[v6]:port` or either without a port.
fn host_of(authority: &str) -> &str {
    let authority = authority.rsplit('@').next().unwrap_or(authority);
    match authority.rfind(':') {
        Some(colon) if !authority.get(colon..).unwrap_or_default().contains(']') => {
            authority.get(..colon).unwrap_or(authority)
        }
        _ => authority,
    }
}

/// Source: RFC 3986, section 3.2.
fn in_authority(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%[]".contains(&byte)
}

/// Nearly always it is in lower case already.
fn lower_case(host: &str) -> Cow<'_, str> {
    match host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(host.to_ascii_lowercase()),
        false => Cow::Borrowed(host),
    }
}

async fn call(
    shared: &Shared,
    head: &Head,
    request: hyper::Request<Unread>,
    routed: Routed,
) -> Result<Response, CallError> {
    let Routed { to, route, strip, treatment } = routed;
    match to_call(shared, head, request, route.clone(), strip).await {
        Ok((request, context)) => {
            let routing = Routing { to, treatment, source: head.client.ip() };
            shared.router.call_routed(routing, request, context).await
        }
        Err(error) => {
            // The router counts what reaches it; this does not.
            let metrics = match &to {
                RoutedTo::Local(entered) => entered.deployed().call_metrics(Some(&route)),
                RoutedTo::Remote(_) => shared.metrics.unrouted(),
            };
            let grpc = head.is_grpc.then_some(error.kind().grpc_code() as i32);
            metrics.record(error.kind().http_status().as_u16(), grpc, head.begun.elapsed());
            Err(error)
        }
    }
}

/// The call that a request becomes.
async fn to_call(
    shared: &Shared,
    head: &Head,
    request: hyper::Request<Unread>,
    route: Arc<str>,
    strip: usize,
) -> Result<(Request, CallContext), CallError> {
    let (mut parts, body) = request.into_parts();
    let timeout = client_timeout(&parts.headers)?
        .map_or(shared.settings.request_timeout(), |asked| asked.min(shared.settings.request_timeout()));
    let context = CallContext {
        deadline: Deadline::after(timeout),
        trace: head.trace,
        caller: Caller::Edge,
        depth: 0,
        route: Some(route),
    };
    header::sanitize(&mut parts.headers);
    parts.uri = target_uri(std::mem::take(&mut parts.uri), strip)?;
    // Boxed, because it is large, and most requests have no body.
    let body = if body.is_end_stream() { Body::empty() } else { Box::pin(incoming(body, &parts.headers)).await? };
    let mut request = Request::from_parts(parts, body);
    request.extensions_mut().clear();
    Ok((request, context))
}

/// What the client asks for. A time-out that cannot be read must not be taken for none.
fn client_timeout(headers: &HeaderMap) -> Result<Option<std::time::Duration>, CallError> {
    let Some(value) = headers.get(header::GRPC_TIMEOUT).or_else(|| headers.get(header::TIMEOUT)) else {
        return Ok(None);
    };
    value.to_str().ok().and_then(|text| Deadline::parse_timeout(text).ok()).map(Some).ok_or_else(|| {
        let message = "the time-out header cannot be read: it is one to eight digits and a unit of H, M, S, m, u or n";
        CallError::new(ErrorKind::Invalid, Side::Caller, message)
    })
}

/// The URI as the service gets it: without the route's prefix.
fn target_uri(uri: Uri, strip: usize) -> Result<Uri, CallError> {
    let invalid = || CallError::new(ErrorKind::Invalid, Side::Caller, "the request's URI cannot be used");
    let mut parts = uri.into_parts();
    parts.path_and_query = Some(match parts.path_and_query.take() {
        None => PathAndQuery::from_static("/"),
        // `OPTIONS *` is about the server and not about a path; services have no word for it.
        Some(path) if strip == 0 && path.as_str().starts_with('/') => path,
        Some(path) => {
            let rest = path.as_str().get(strip..).ok_or_else(invalid)?;
            let slash = if rest.starts_with('/') { "" } else { "/" };
            PathAndQuery::from_maybe_shared(Bytes::from([slash, rest].concat())).map_err(|_| invalid())?
        }
    });
    if parts.authority.is_none() {
        parts.scheme = None;
    } else if parts.scheme.is_none() {
        parts.scheme = Some(http::uri::Scheme::HTTP);
    }
    Uri::from_parts(parts).map_err(|_| invalid())
}

fn log_error(head: &Head, service: Option<&str>, error: &CallError) {
    // What the caller did is the caller's to see; what we or a service failed at is the operator's.
    match error.kind() {
        ErrorKind::Trap | ErrorKind::BadResponse | ErrorKind::Internal => tracing::warn!(
            service, trace_id = %head.trace.trace_id(), error = error.chain(), kind = error.kind().slug(), "a call failed"
        ),
        _ => tracing::debug!(
            service, trace_id = %head.trace.trace_id(), error = error.chain(), kind = error.kind().slug(), "a call failed"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_lose_their_port() {
        for (authority, host) in [
            ("localhost:8080", "localhost"),
            ("localhost", "localhost"),
            ("[::1]:8080", "[::1]"),
            ("[::1]", "[::1]"),
            ("", ""),
            ("user@example.com:1", "example.com"),
        ] {
            assert_eq!(host_of(authority), host, "{authority}");
        }
    }

    #[test]
    fn prefixes_are_stripped_and_the_query_stays() {
        let stripped = |uri: &str, strip| target_uri(uri.parse().unwrap(), strip).unwrap().to_string();
        assert_eq!(stripped("/shop/a?b=c", 5), "/a?b=c");
        assert_eq!(stripped("/shop", 5), "/");
        assert_eq!(stripped("/shop?b=c", 5), "/?b=c");
        assert_eq!(stripped("/a", 0), "/a");
        assert_eq!(stripped("*", 0), "/*");
        assert_eq!(stripped("http://example.com/shop/a", 5), "http://example.com/a");
    }
}
