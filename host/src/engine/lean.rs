//! The lean door: a whole call in one function call. The types mirror `guest-sdk/wit/service.wit`.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use wasmtime::component::{ComponentType, FutureReader, Lift, Lower, StreamReader};
use wasmtime::{AsContextMut, StoreContextMut};

use super::State;
use super::stream::{self, GuestStream};
use crate::call::{Body, CallError, ErrorKind, Request, Response, Side};

/// The interface a lean module exports.
pub const HANDLER: &str = "hostel:service/handler@0.1.0";
/// The interface through which a lean module calls out.
pub const CLIENT: &str = "hostel:service/client@0.1.0";

/// Header or trailer fields.
pub(super) type Fields = Vec<(String, Bytes)>;

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
    method: String,
    scheme: String,
    authority: String,
    path: String,
    headers: Fields,
    body: LeanBody,
}

#[derive(ComponentType, Lift, Lower)]
#[component(record)]
pub struct LeanResponse {
    status: u16,
    headers: Fields,
    body: LeanBody,
    trailers: Fields,
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

/// Header fields as the boundary wants them.
pub(super) fn fields(headers: &HeaderMap) -> Fields {
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), Bytes::copy_from_slice(value.as_bytes()))).collect()
}

/// Header fields as the rest of the host wants them.
///
/// # Errors
///
/// Names the field that no HTTP message can carry.
pub(super) fn header_map(fields: Fields) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields {
        let Ok(parsed) = HeaderName::from_bytes(name.as_bytes()) else {
            return Err(format!("{name:?} is no header name"));
        };
        let Ok(value) = HeaderValue::from_maybe_shared(value) else {
            return Err(format!("the value of header {name} has characters that no header can have"));
        };
        headers.append(parsed, value);
    }
    Ok(headers)
}

fn lower_body(
    store: impl AsContextMut<Data = State>,
    body: Body,
    streams_trailers: bool,
) -> wasmtime::Result<(LeanBody, Fields)> {
    match body.try_into_full() {
        // A request's trailers have their place at the end of a stream only.
        Ok((data, Some(trailers))) if streams_trailers && !trailers.is_empty() => {
            let body = Box::pin(Body::full(data, Some(trailers)));
            Ok((LeanBody::Streaming(stream::to_guest(store, body)?), Fields::new()))
        }
        Ok((data, trailers)) => {
            let body = if data.is_empty() { LeanBody::None } else { LeanBody::Bytes(data) };
            Ok((body, trailers.as_ref().map(fields).unwrap_or_default()))
        }
        Err(body) => Ok((LeanBody::Streaming(stream::to_guest(store, body)?), Fields::new())),
    }
}

fn lift_body(
    store: impl AsContextMut<Data = State>,
    body: LeanBody,
    trailers: Fields,
) -> wasmtime::Result<Result<Body, String>> {
    let data = match body {
        LeanBody::None => Bytes::new(),
        LeanBody::Bytes(data) => data,
        LeanBody::Streaming((contents, end)) => {
            return Ok(Ok(Body::stream(GuestStream::new(store, contents, end)?)));
        }
    };
    if trailers.is_empty() {
        return Ok(Ok(Body::full(data, None)));
    }
    Ok(header_map(trailers).map(|trailers| Body::full(data, Some(trailers))))
}

impl LeanRequest {
    /// A call as the guest gets it.
    pub(super) fn lower(mut store: StoreContextMut<'_, State>, request: Request) -> wasmtime::Result<Self> {
        let (parts, body) = request.into_parts();
        let (body, _) = lower_body(&mut store, body, true)?;
        let authority = match parts.uri.authority() {
            Some(authority) => authority.as_str().to_owned(),
            None => {
                parts.headers.get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned()
            }
        };
        Ok(Self {
            method: parts.method.as_str().to_owned(),
            scheme: parts.uri.scheme_str().unwrap_or("http").to_owned(),
            authority,
            path: parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            headers: fields(&parts.headers),
            body,
        })
    }

    /// A call as the guest makes it. `authority` names the target.
    ///
    /// # Errors
    ///
    /// Outer: the engine failed, which ends the instance. Inner: the request is malformed.
    pub fn lift(
        self,
        store: impl AsContextMut<Data = State>,
        authority: &str,
    ) -> wasmtime::Result<Result<Request, CallError>> {
        // The body first: its handles must find an owner even when the rest is malformed.
        let body = match lift_body(store, self.body, Fields::new())? {
            Ok(body) => body,
            Err(text) => return Ok(Err(CallError::new(ErrorKind::Invalid, Side::Caller, text))),
        };
        let invalid = |text: String| CallError::new(ErrorKind::Invalid, Side::Caller, text);
        let parsed = (|| {
            let method = Method::from_bytes(self.method.as_bytes())
                .map_err(|_| invalid(format!("{:?} is no method", self.method)))?;
            let path = if self.path.is_empty() { "/" } else { &self.path };
            let uri = Uri::builder()
                .scheme("http")
                .authority(authority)
                .path_and_query(path)
                .build()
                .map_err(|error| invalid(format!("{path:?} is no request path: {error}")))?;
            let headers = header_map(self.headers).map_err(invalid)?;
            Ok((method, uri, headers))
        })();
        Ok(parsed.map(|(method, uri, headers)| {
            let mut request = Request::new(body);
            *request.method_mut() = method;
            *request.uri_mut() = uri;
            *request.headers_mut() = headers;
            request
        }))
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
        Ok(Self { status: parts.status.as_u16(), headers: fields(&parts.headers), body, trailers })
    }

    /// A response as the guest that was called gives it.
    pub(super) fn lift(self, store: impl AsContextMut<Data = State>) -> wasmtime::Result<Result<Response, CallError>> {
        let body = lift_body(store, self.body, self.trailers)?;
        let nonsense = |text: String| {
            CallError::new(ErrorKind::BadResponse, Side::Callee, "the service answered nonsense").with_source(text)
        };
        Ok((|| {
            let body = body.map_err(nonsense)?;
            let status = StatusCode::from_u16(self.status)
                .map_err(|_| nonsense(format!("{} is no response status", self.status)))?;
            let headers = header_map(self.headers).map_err(nonsense)?;
            let mut response = Response::new(body);
            *response.status_mut() = status;
            *response.headers_mut() = headers;
            Ok(response)
        })())
    }
}
