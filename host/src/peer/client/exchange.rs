//! One call on a connection, from the place it takes until its last byte.

use std::sync::Arc;

use bytes::Bytes;
use h2::client::ResponseFuture;
use tokio::task::AbortHandle;

use super::error::{OnNode, broken_body, is_unprocessed, no_response};
use super::link::Link;
use super::{Counters, Shared};
use crate::call::{CallError, ErrorKind, Response, Side};
use crate::peer::flow::{Pump, receive, send_full};
use crate::peer::wire::{self, Sent};

/// A place for one call on a connection, given back when it is dropped.
pub(super) struct Place(Arc<Link>);

impl Place {
    /// Takes a place if there is one.
    pub(super) fn take(link: &Arc<Link>) -> Option<Self> {
        link.enter().then(|| Self(link.clone()))
    }

    /// Sends a request, and so much of its body as is at hand.
    pub(super) fn send(self, shared: &Arc<Shared>, head: http::Request<()>, body: Sent) -> Result<Exchange, CallError> {
        let ended = body.is_empty();
        // Whatever fails here has not been sent, unless the request itself is at fault.
        let (response, mut stream) = self.0.sender().send_request(head, ended).map_err(|error| {
            if error.is_go_away() || error.is_io() {
                return CallError::unavailable("the link to another host closed just now").with_source(error);
            }
            let message = "the request cannot be sent to another host";
            CallError::new(ErrorKind::Invalid, Side::Caller, message).with_source(error)
        })?;
        let mut pump = None;
        match body {
            Sent::Full(..) if ended => {}
            // A stream that is already gone says why where the response is awaited.
            Sent::Full(data, trailers) => drop(send_full(&mut stream, data, trailers)),
            Sent::Stream(body) => {
                let pumping = Pump::new(stream, body, shared.settings.headers_bytes_max, Side::Caller);
                pump = Some(Pumping(tokio::spawn(async move { drop(pumping.await) }).abort_handle()));
            }
        }
        Ok(Exchange { response, in_flight: InFlight { _pump: pump, place: self }, shared: shared.clone() })
    }
}

/// The task that sends a body, stopped when nobody waits for the answer any more.
struct Pumping(AbortHandle);

impl Drop for Pumping {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What a call holds until its response has ended.
struct InFlight {
    /// The end of the response is the end of the call, whatever of its request has not been sent.
    _pump: Option<Pumping>,
    place: Place,
}

/// A request that has been sent.
pub(super) struct Exchange {
    response: ResponseFuture,
    in_flight: InFlight,
    shared: Arc<Shared>,
}

impl Exchange {
    /// Waits for the response.
    pub(super) async fn response(self) -> Result<Response, CallError> {
        let (mut head, stream) = match self.response.await {
            Ok(response) => response.into_parts(),
            Err(error) => {
                if is_unprocessed(&error) {
                    Counters::count(&self.shared.counters.unprocessed);
                }
                return Err(no_response(error));
            }
        };
        if let Some(error) = wire::error::take(&mut head.headers) {
            return Err(error.with_source(OnNode(self.in_flight.place.link().node().clone())));
        }
        let shape = wire::unseal(&mut head.headers);
        let body = receive::<InFlight>(stream, shape, self.in_flight, broken_body).await?;
        Ok(Response::from_parts(head, body))
    }
}

/// The bytes of a small answer, for what links ask themselves.
pub(super) async fn ask(
    sender: &mut h2::client::SendRequest<Bytes>,
    head: http::Request<()>,
) -> Result<(http::StatusCode, Bytes), h2::Error> {
    let (response, _) = sender.send_request(head, true)?;
    let (head, mut stream) = response.await?.into_parts();
    let answer = stream.data().await.transpose()?.unwrap_or_default();
    Ok((head.status, answer))
}

impl Place {
    pub(super) fn link(&self) -> &Link {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.leave();
    }
}
