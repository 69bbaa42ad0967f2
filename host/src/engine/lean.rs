//! The lean door: a whole call in one function call. The types mirror `guest-sdk/wit/service.wit`.

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Uri};
use wasmtime::component::{ComponentType, FutureReader, Lift, Lower, StreamReader};
use wasmtime::{AsContextMut, StoreContextMut};

use super::State;
use super::stream::{self, GuestStream};
use crate::call::{Body, CallContext, CallError, ErrorKind, Request, Response, Side};
use head::Malformed;

pub(super) mod head;

/// The most that a head may have, in bytes. The limits on headers are below this.
const HEAD_BYTES_MAX: usize = 1024 * 1024;

/// The interface a lean module exports.
pub const HANDLER: &str = "hostel:service/handler@0.2.0";
/// The interface through which a lean module calls out.
pub const CLIENT: &str = "hostel:service/client@0.2.0";

/// Header or trailer fields; `head` knows how.
pub(super) type Fields = Bytes;

/// Why a body ended before its end.
#[derive(Clone, Debug, ComponentType, Lift, Lower)]
#[component(variant)]
pub enum BodyError {
    #[component(name = "cancelled")]
    Cancelled,
    #[component(name = "timeout")]
    Timeout,
    #[component(name = "too-large")]
    TooLarge,
    #[component(name = "failed")]
    Failed(String),
}

/// Trailers, or why there are none.
pub(super) type BodyEnd = Result<Fields, BodyError>;

#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
pub enum LeanBody {
    #[component(name = "none")]
    None,
    #[component(name = "bytes")]
    Bytes(Bytes),
    #[component(name = "streaming")]
    Streaming((StreamReader<u8>, FutureReader<BodyEnd>)),
}

#[derive(ComponentType, Lift, Lower)]
#[component(record)]
pub struct LeanRequest {
    head: Bytes,
    body: LeanBody,
}

#[derive(ComponentType, Lift, Lower)]
#[component(record)]
pub struct LeanResponse {
    head: Bytes,
    body: LeanBody,
}

#[derive(Clone, Copy, Debug, ComponentType, Lift, Lower)]
#[component(enum)]
#[repr(u8)]
pub enum LeanErrorKind {
    #[component(name = "not-found")]
    NotFound,
    #[component(name = "denied")]
    Denied,
    #[component(name = "unavailable")]
    Unavailable,
    #[component(name = "timeout")]
    Timeout,
    #[component(name = "cancelled")]
    Cancelled,
    #[component(name = "too-deep")]
    TooDeep,
    #[component(name = "too-large")]
    TooLarge,
    #[component(name = "invalid")]
    Invalid,
    #[component(name = "failed")]
    Failed,
}

#[derive(Clone, Debug, ComponentType, Lift, Lower)]
#[component(record)]
pub struct LeanError {
    kind: LeanErrorKind,
    message: String,
    retryable: bool,
}

impl From<&CallError> for LeanError {
    fn from(error: &CallError) -> Self {
        let kind = match error.kind() {
            ErrorKind::NotFound | ErrorKind::MethodNotAllowed => LeanErrorKind::NotFound,
            ErrorKind::Denied => LeanErrorKind::Denied,
            ErrorKind::Unavailable => LeanErrorKind::Unavailable,
            ErrorKind::Timeout => LeanErrorKind::Timeout,
            ErrorKind::Cancelled | ErrorKind::SlowClient => LeanErrorKind::Cancelled,
            ErrorKind::TooDeep => LeanErrorKind::TooDeep,
            ErrorKind::BodyTooLarge | ErrorKind::HeadersTooLarge => LeanErrorKind::TooLarge,
            ErrorKind::Invalid => LeanErrorKind::Invalid,
            ErrorKind::Trap | ErrorKind::BadResponse | ErrorKind::Internal => LeanErrorKind::Failed,
        };
        Self { kind, message: error.message().to_owned(), retryable: error.is_retryable() }
    }
}

impl From<&CallError> for BodyError {
    fn from(error: &CallError) -> Self {
        match error.kind() {
            ErrorKind::Cancelled => Self::Cancelled,
            ErrorKind::Timeout => Self::Timeout,
            ErrorKind::BodyTooLarge | ErrorKind::HeadersTooLarge => Self::TooLarge,
            _ => Self::Failed(error.message().to_owned()),
        }
    }
}

impl From<BodyError> for CallError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Cancelled => Self::cancelled(),
            BodyError::Timeout => Self::timeout("the deadline passed before the body ended"),
            BodyError::TooLarge => Self::new(ErrorKind::BodyTooLarge, Side::Caller, "the body exceeds a limit"),
            // What a guest says went wrong is for logs, not for whoever reads the body.
            BodyError::Failed(text) => {
                Self::new(ErrorKind::BadResponse, Side::Callee, "the body ended before its end").with_source(text)
            }
        }
    }
}

/// The body, and its trailers where they have their place beside it.
fn lower_body(
    store: impl AsContextMut<Data = State>,
    body: Body,
    streams_trailers: bool,
) -> wasmtime::Result<(LeanBody, Option<HeaderMap>)> {
    match body.try_into_full() {
        // A request's trailers have their place at the end of a stream only.
        Ok((data, Some(trailers))) if streams_trailers && !trailers.is_empty() => {
            let body = Box::pin(Body::full(data, Some(trailers)));
            Ok((LeanBody::Streaming(stream::to_guest(store, body)?), None))
        }
        Ok((data, trailers)) => {
            let body = if data.is_empty() { LeanBody::None } else { LeanBody::Bytes(data) };
            Ok((body, trailers))
        }
        Err(body) => Ok((LeanBody::Streaming(stream::to_guest(store, body)?), None)),
    }
}

/// A body without its trailers, if those are in the head.
fn lift_body(store: impl AsContextMut<Data = State>, body: LeanBody) -> wasmtime::Result<Body> {
    Ok(match body {
        LeanBody::None => Body::empty(),
        LeanBody::Bytes(data) => Body::full(data, None),
        LeanBody::Streaming((contents, end)) => Body::stream(GuestStream::new(store, contents, end)?),
    })
}

/// A head that is larger than any message may have is not looked at.
fn bounded(head: Bytes) -> Result<Bytes, Malformed> {
    if head.len() > HEAD_BYTES_MAX {
        return Err(format!("a head of {} bytes; at most {HEAD_BYTES_MAX} are taken", head.len()));
    }
    Ok(head)
}

impl LeanRequest {
    /// A call as the guest gets it.
    pub(super) fn lower(
        store: StoreContextMut<'_, State>,
        request: Request,
        context: &CallContext,
    ) -> wasmtime::Result<Self> {
        let (parts, body) = request.into_parts();
        let (body, _) = lower_body(store, body, true)?;
        Ok(Self { head: head::write_request(&parts, context).into(), body })
    }

    /// A call as the guest makes it. `scheme` and `authority` say where it goes.
    ///
    /// # Errors
    ///
    /// Outer: the engine failed, which ends the instance. Inner: the request is malformed.
    pub fn lift(
        self,
        store: impl AsContextMut<Data = State>,
        scheme: Scheme,
        authority: Authority,
    ) -> wasmtime::Result<Result<Request, CallError>> {
        // The body first: its handles must find an owner even when the rest is malformed.
        let body = lift_body(store, self.body)?;
        let read = bounded(self.head).and_then(head::read_request).and_then(|head| {
            let path = if head.path.is_empty() { Bytes::from_static(b"/") } else { head.path };
            let mut uri = http::uri::Parts::default();
            uri.scheme = Some(scheme);
            uri.authority = Some(authority);
            uri.path_and_query = Some(
                PathAndQuery::from_maybe_shared(path.clone())
                    .map_err(|error| format!("{path:?} is no request path: {error}"))?,
            );
            let uri = Uri::from_parts(uri).map_err(|error| format!("{path:?} is no request path: {error}"))?;
            let mut request = Request::new(body);
            *request.method_mut() = head.method;
            *request.uri_mut() = uri;
            *request.headers_mut() = head.headers;
            Ok(request)
        });
        Ok(read.map_err(|text| CallError::new(ErrorKind::Invalid, Side::Caller, text)))
    }
}

impl LeanResponse {
    /// A response as the calling guest gets it.
    ///
    /// # Errors
    ///
    /// When the engine failed, which ends the instance.
    pub fn lower(store: impl AsContextMut<Data = State>, response: Response) -> wasmtime::Result<Self> {
        let (parts, body) = response.into_parts();
        let (body, trailers) = lower_body(store, body, false)?;
        Ok(Self { head: head::write_response(parts.status, &parts.headers, trailers.as_ref()).into(), body })
    }

    /// A response as the guest that was called gives it.
    pub(super) fn lift(self, store: impl AsContextMut<Data = State>) -> wasmtime::Result<Result<Response, CallError>> {
        let body = lift_body(store, self.body)?;
        let read = bounded(self.head).and_then(head::read_response).map(|head| {
            let trailers = head.trailers;
            let mut response = Response::new(if trailers.is_empty() { body } else { body.with_trailers(trailers) });
            *response.status_mut() = head.status;
            *response.headers_mut() = head.headers;
            response
        });
        Ok(read.map_err(|text| {
            CallError::new(ErrorKind::BadResponse, Side::Callee, "the service answered nonsense").with_source(text)
        }))
    }
}
