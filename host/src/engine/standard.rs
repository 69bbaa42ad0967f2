//! The standard door: `wasi:http` of WASI 0.2 and 0.3, in both directions.

use std::future::Future;
use std::sync::Arc;

use futures::future::BoxFuture;
use http_body_util::BodyExt;
use tokio::sync::Semaphore;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use super::Guest;
use super::inflight::Inflight;
use crate::call::{Body, CallError, ErrorKind, Request, Response, Side};

/// Where a guest's outgoing requests go.
pub trait Outgoing: Send + Sync + 'static {
    /// Sends `request`, whose URI is absolute, for the guest. `call` is what the guest was working on when it sent
    /// it; `None` when it was working on nothing in particular. The call waits for one of `places`.
    fn send(
        &self,
        guest: Arc<Guest>,
        call: Option<Arc<Inflight>>,
        places: Arc<Semaphore>,
        request: Request,
    ) -> BoxFuture<'static, Result<Response, CallError>>;
}

/// The hooks of `wasi:http`: every request of the guest goes to the host's own sender.
#[derive(Default)]
pub(super) struct Hooks {
    outgoing: Option<Arc<dyn Outgoing>>,
    guest: Option<Arc<Guest>>,
    call: Option<Arc<Inflight>>,
    places: Option<Arc<Semaphore>>,
}

impl Hooks {
    pub(super) fn set_outgoing(&mut self, outgoing: Arc<dyn Outgoing>) {
        self.outgoing = Some(outgoing);
    }

    pub(super) fn set_guest(&mut self, guest: Arc<Guest>, places: Arc<Semaphore>) {
        self.guest = Some(guest);
        self.places = Some(places);
    }

    pub(super) fn attribute(&mut self, call: Option<Arc<Inflight>>) {
        self.call = call;
    }
}

type Sent = (http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>);

impl WasiHttpHooks for Hooks {
    fn default_scheme(&mut self) -> Option<http::uri::Scheme> {
        Some(http::uri::Scheme::HTTP)
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Sent, Error>> + Send> {
        let (Some(outgoing), Some(guest), Some(places)) =
            (self.outgoing.clone(), self.guest.clone(), self.places.clone())
        else {
            return Box::new(async { Err(Error::HttpRequestDenied) });
        };
        let call = self.call.clone();
        let timeout = options.and_then(|options| options.first_byte_timeout);
        Box::new(async move {
            let request = request.map(body_from_wasi);
            let sending = outgoing.send(guest, call, places, request);
            let response = match timeout {
                Some(timeout) => {
                    tokio::time::timeout(timeout, sending).await.map_err(|_| Error::ConnectionReadTimeout)?
                }
                None => sending.await,
            };
            let response = response.map_err(|error| to_wasi_error(&error))?;
            let done: Box<dyn Future<Output = Result<(), Error>> + Send> = Box::new(async { Ok(()) });
            Ok((response.map(body_to_wasi), done))
        })
    }
}

/// A body as `wasi:http` wants it.
pub(super) fn body_to_wasi(body: Body) -> WasiBody {
    body.map_err(|error| to_wasi_error(&error)).boxed_unsync()
}

/// A body as `wasi:http` gives it.
pub(super) fn body_from_wasi(body: WasiBody) -> Body {
    Body::stream(body.map_err(|error| from_wasi_error(&error)))
}

fn to_wasi_error(error: &CallError) -> Error {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::MethodNotAllowed => Error::DestinationNotFound,
        ErrorKind::Denied => Error::HttpRequestDenied,
        ErrorKind::Unavailable => Error::DestinationUnavailable,
        ErrorKind::Timeout => Error::ConnectionReadTimeout,
        ErrorKind::Cancelled | ErrorKind::SlowClient => Error::ConnectionTerminated,
        ErrorKind::TooDeep => Error::LoopDetected,
        ErrorKind::BodyTooLarge => Error::HttpRequestBodySize(None),
        ErrorKind::HeadersTooLarge => Error::HttpRequestHeaderSectionSize(None),
        ErrorKind::Invalid => Error::HttpRequestUriInvalid,
        ErrorKind::Trap | ErrorKind::BadResponse => Error::HttpResponseIncomplete,
        ErrorKind::Internal => Error::InternalError(None),
    }
}

/// What a guest's body or handler failed with.
pub(super) fn from_wasi_error(error: &Error) -> CallError {
    let (kind, side, message) = match error {
        Error::HttpRequestBodySize(_) => (ErrorKind::BodyTooLarge, Side::Caller, "the body exceeds a limit"),
        Error::ConnectionReadTimeout | Error::HttpResponseTimeout => {
            (ErrorKind::Timeout, Side::Callee, "the deadline passed before the body ended")
        }
        Error::ConnectionTerminated => (ErrorKind::Cancelled, Side::Caller, "the caller stopped waiting"),
        _ => (ErrorKind::BadResponse, Side::Callee, "the service failed before its answer was complete"),
    };
    CallError::new(kind, side, message).with_source(error.to_string())
}
