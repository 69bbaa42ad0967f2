//! Requests to the world outside, to origins that the manifest grants.

use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use http::Uri;
use http::uri::Scheme as UriScheme;
use http_body_util::BodyExt;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::call::{Body, CallContext, CallError, ErrorKind, Request, Response, ServiceName, Side, header};
use crate::modules::manifest::{Grants, Scheme};
use crate::policy::deadline;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const POOL_IDLE: Duration = Duration::from_secs(60);
const POOL_IDLE_PER_HOST_MAX: usize = 64;

/// A pooled HTTP client, shared by all guests.
#[derive(Clone)]
pub struct Egress(Client<HttpsConnector<HttpConnector>, Body>);

impl Default for Egress {
    fn default() -> Self {
        Self::new()
    }
}

impl Egress {
    /// A client that trusts the certificates the system trusts.
    pub fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let builder = HttpsConnectorBuilder::new();
        let builder = match HttpsConnectorBuilder::new().with_native_roots() {
            Ok(trusting) => trusting,
            Err(error) => {
                tracing::warn!(%error, "this system trusts no certificates: no `https` origin can be reached");
                let nobody = rustls::RootCertStore::empty();
                builder.with_tls_config(
                    rustls::ClientConfig::builder().with_root_certificates(nobody).with_no_client_auth(),
                )
            }
        };
        let https = builder.https_or_http().enable_http1().enable_http2().wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(POOL_IDLE_PER_HOST_MAX)
            .build(https);
        Self(client)
    }

    /// Sends a request whose origin has been checked.
    pub(super) fn send(
        &self,
        mut request: Request,
        context: CallContext,
    ) -> BoxFuture<'static, Result<Response, CallError>> {
        let headers = request.headers_mut();
        // The client sets it from the URI, for the version of HTTP that comes about.
        headers.remove(http::header::HOST);
        if let Ok(trace) = http::HeaderValue::from_bytes(&context.trace.to_traceparent()) {
            headers.insert(header::TRACEPARENT, trace);
        }
        let sending = self.0.request(request);
        let answer = async move {
            let response = sending.await.map_err(|error| {
                let message = if error.is_connect() { "the origin cannot be reached" } else { "the origin broke off" };
                CallError::new(ErrorKind::Unavailable, Side::Callee, message).with_source(error)
            })?;
            let mut response = response.map(|body| {
                Body::stream(body.map_err(|error| {
                    CallError::new(ErrorKind::BadResponse, Side::Callee, "the origin broke off").with_source(error)
                }))
            });
            header::sanitize(response.headers_mut());
            Ok(response)
        };
        deadline::within(context.deadline, || answer).boxed()
    }
}

/// Whether the manifest grants the origin of `uri`.
///
/// # Errors
///
/// Says what to grant.
pub(super) fn check(grants: &Grants, service: &ServiceName, uri: &Uri) -> Result<(), CallError> {
    let scheme = match uri.scheme() {
        Some(scheme) if *scheme == UriScheme::HTTPS => Scheme::Https,
        Some(scheme) if *scheme == UriScheme::HTTP => Scheme::Http,
        _ => return Err(CallError::new(ErrorKind::Invalid, Side::Caller, "only http and https can be sent")),
    };
    let host = uri.host().unwrap_or_default();
    let port = uri.port_u16().unwrap_or(scheme.default_port());
    if grants.egress.iter().any(|origin| origin.allows(scheme, host, port)) {
        return Ok(());
    }
    let message =
        format!("`{service}` is not granted to call {}://{host}:{port}; see `egress` in [grants]", scheme.as_str());
    Err(CallError::new(ErrorKind::Denied, Side::Caller, message))
}
