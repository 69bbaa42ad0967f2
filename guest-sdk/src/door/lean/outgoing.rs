//! Bodies that go out: whole if they are at hand, as a stream otherwise.

use std::{future::poll_fn, task::Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Body;

use super::{
    pump::{self, PumpGuard},
    wit,
};
use crate::{
    batch::{Batch, State, poll_batch},
    error::{BoxError, CallError, ErrorKind},
};

/// The body of a response, and its trailers if it travels whole.
pub(super) async fn response<B>(mut body: B) -> (wit::Body, HeaderMap)
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    match at_hand(&mut body).await {
        Batch { data, state: State::Ended(trailers) } => (whole(data), trailers),
        first => {
            // The host ends a response by dropping the stream, which the pump notices; nothing here needs to hold it.
            let (streaming, guard) = pump::start(first, body);
            guard.detach();
            (streaming, HeaderMap::new())
        }
    }
}

/// The body of a request, and the guard of what sends the rest of it, if any.
///
/// # Errors
/// When the body fails before anything was sent.
pub(super) async fn request<B>(mut body: B) -> Result<(wit::Body, Option<PumpGuard>), CallError>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    match at_hand(&mut body).await {
        // A whole request has no place for trailers.
        Batch { data, state: State::Ended(trailers) } if trailers.is_empty() => Ok((whole(data), None)),
        Batch { state: State::Failed(error), .. } => {
            Err(CallError::new(ErrorKind::Invalid, format!("the request's body failed: {error}")))
        }
        first => {
            let (streaming, guard) = pump::start(first, body);
            Ok((streaming, Some(guard)))
        }
    }
}

async fn at_hand<B>(body: &mut B) -> Batch
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    if body.is_end_stream() {
        return Batch { data: Vec::new(), state: State::Ended(HeaderMap::new()) };
    }
    poll_fn(|cx| Poll::Ready(poll_batch(body, cx))).await
}

fn whole(data: Vec<u8>) -> wit::Body {
    if data.is_empty() { wit::Body::None } else { wit::Body::Bytes(data) }
}
