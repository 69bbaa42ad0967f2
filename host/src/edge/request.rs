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
use super::platform;
use super::respond::{finish_headers, without_body};
use super::{Edge, Shared};
use crate::call::{
    Body, CallContext, CallError, Caller, Deadline, ErrorKind, Request, Response, Side, TraceContext, grpc, header,
};
use crate::modules::{Routed, RoutedTo};
use crate::observe::access::Access;
use crate::router::Routing;
use crate::transcode::adapter::Adapter;
use crate::transcode::connect;
use crate::transcode::failure::Failure;
use crate::transcode::settings::Compression;
use crate::transcode::spoken;
use crate::transcode::voice::Voice;

/// What is known of a request before it becomes a call.
pub(super) struct Head {
    pub(super) method: http::Method,
    pub(super) is_grpc: bool,
    /// How errors are said to its client.
    pub(super) voice: Voice,
    pub(super) trace: TraceContext,
    pub(super) client: SocketAddr,
    pub(super) begun: Instant,
}

impl Head {
    /// The gRPC status of a failure, where it is one for the client.
    fn grpc(&self, failure: &Failure) -> Option<i32> {
        self.is_grpc.then(|| failure.to_status().number)
    }
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
    let mut head = Head {
        method: request.method().clone(),
        is_grpc: grpc::is_grpc(request.headers()),
        voice: Voice::of_headers(request.headers()),
        trace,
        client,
        begun: Instant::now(),
    };
    let idle_max = shared.settings.body_idle_timeout();
    let read = Arc::new(AtomicU64::new(0));
    let request = request.map(|body| unread(body, version, idle_max, read.clone()));
    let routed = route(shared, &request, head.is_grpc);
    let service = routed.as_ref().ok().map(|routed| routed.to.service().clone());
    let mut route = routed.as_ref().ok().map(|routed| routed.route.clone());
    let mut ended = None;
    let outcome = match routed {
        Ok(routed) => match recognised(shared, &mut head, request, routed) {
            Ok((request, routed, adapter)) => {
                route = Some(routed.route.clone());
                ended = adapter.as_ref().map(Adapter::ended);
                call(shared, &head, request, routed, adapter).await
            }
            Err(failure) => Err(failure),
        },
        Err(error) if error.kind() == ErrorKind::NotFound && shared.platform.takes(request.uri().path()) => {
            route = Some(platform::ROUTE.into());
            platform::answer(shared, &mut head, request).await
        }
        Err(error) => {
            let failure = Failure::Call(error);
            shared.metrics.unrouted().record(failure.http_status().as_u16(), head.grpc(&failure), head.begun.elapsed());
            Err(failure)
        }
    };
    let response = outcome.map(finish_headers).unwrap_or_else(|failure| {
        log_error(&head, service.as_ref().map(|service| service.as_str()), &failure);
        head.voice.say(&failure, Some(head.trace.trace_id()))
    });
    let response = if head.method == http::Method::HEAD { without_body(response) } else { response };
    let is_grpc = head.voice.is_grpc();
    let policy = shared.access;
    let log = move |status: u16, grpc: Option<i32>, bytes_out: u64| {
        drop(in_flight);
        let access = Access {
            method: head.method.as_str(),
            route: route.as_deref().unwrap_or_default(),
            service: service.as_ref().map_or("", |service| service.as_str()),
            status,
            grpc: grpc.or_else(|| ended.as_ref()?.code()),
            elapsed: head.begun.elapsed(),
            bytes_in: read.load(Ordering::Relaxed),
            bytes_out,
            trace: head.trace,
            client: Some(head.client.ip()),
        };
        access.log(policy);
    };
    Outgoing::wrap(response, is_grpc, Box::new(log))
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

/// Finds out whether a request has to be adapted, and how its errors are to be said.
fn recognised(
    shared: &Shared,
    head: &mut Head,
    request: hyper::Request<Unread>,
    mut routed: Routed,
) -> Result<(hyper::Request<Unread>, Routed, Option<Adapter>), Failure> {
    let speech = routed.to.speech();
    let limits = &shared.limits;
    let path = request.uri().path().get(routed.strip..).filter(|path| !path.is_empty()).unwrap_or("/");
    let spoken = spoken::recognise(&spoken::Head::of(&request), path, speech.contract.as_deref(), limits.frames);
    let adapter = spoken.and_then(|spoken| {
        let own = speech.compression == Compression::Module;
        let Some(spoken) = spoken.filter(|spoken| !(own && spoken.is_only_compressed())) else { return Ok(None) };
        Adapter::new(spoken, speech.contract.clone(), routed.json, limits, request.headers()).map(Some)
    });
    let adapter = adapter.inspect_err(|failure| refused(shared, head, &routed, failure))?;
    if let Some(adapter) = &adapter {
        head.voice = adapter.voice().clone();
        if let Some(label) = adapter.label() {
            routed.route = label.clone();
        }
    }
    Ok((request, routed, adapter))
}

async fn call(
    shared: &Shared,
    head: &Head,
    request: hyper::Request<Unread>,
    routed: Routed,
    adapter: Option<Adapter>,
) -> Result<Response, Failure> {
    let called = to_call(shared, head, request, routed.route.clone(), routed.strip).await.map_err(Failure::Call);
    let called = match (called, &adapter) {
        (Ok((request, context)), Some(adapter)) => adapted(adapter, request, context).await,
        (called, _) => called,
    };
    let (request, context) = called.inspect_err(|failure| refused(shared, head, &routed, failure))?;
    let routing = Routing { to: routed.to, treatment: routed.treatment, source: head.client.ip() };
    let response = shared.router.call_routed(routing, request, context).await?;
    match adapter {
        Some(adapter) => adapter.response(response).await,
        None => Ok(response),
    }
}

/// The call as the service takes it. A message may have to be read as a whole for that, for which there is no more time than
/// for the call.
async fn adapted(adapter: &Adapter, request: Request, context: CallContext) -> Result<(Request, CallContext), Failure> {
    match tokio::time::timeout_at(context.deadline.instant(), adapter.request(request)).await {
        Ok(request) => Ok((request?, context)),
        Err(_) => {
            let message = "the request's message was not complete before its time was up";
            Err(CallError::new(ErrorKind::SlowClient, Side::Caller, message).into())
        }
    }
}

/// Counts a request that never becomes a call: the router counts what reaches it.
fn refused(shared: &Shared, head: &Head, routed: &Routed, failure: &Failure) {
    let metrics = match &routed.to {
        RoutedTo::Local(entered) => entered.deployed().call_metrics(Some(&routed.route)),
        RoutedTo::Remote(_) => shared.metrics.unrouted(),
    };
    metrics.record(failure.http_status().as_u16(), head.grpc(failure), head.begun.elapsed());
}

/// The call that a request becomes.
pub(super) async fn to_call(
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
        let asked = connect::timeout(headers);
        return asked.map_err(|error| CallError::new(ErrorKind::Invalid, Side::Caller, error.to_string()));
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

fn log_error(head: &Head, service: Option<&str>, failure: &Failure) {
    let trace_id = head.trace.trace_id();
    let Failure::Call(error) = failure else {
        // What a service answers, and what is wrong with a message, is between it and its client.
        let status = failure.to_status();
        tracing::debug!(service, %trace_id, code = status.code().name(), error = status.message, "a call failed");
        return;
    };
    // What the caller did is the caller's to see; what we or a service failed at is the operator's.
    match error.kind() {
        ErrorKind::Trap | ErrorKind::BadResponse | ErrorKind::Internal => {
            tracing::warn!(service, %trace_id, error = error.chain(), kind = error.kind().slug(), "a call failed");
        }
        _ => tracing::debug!(service, %trace_id, error = error.chain(), kind = error.kind().slug(), "a call failed"),
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
