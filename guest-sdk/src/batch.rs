//! Taking from a body everything that is ready.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Body;

use crate::error::BoxError;

/// At most about this much is taken at once: the size up to which a body travels whole, and of the pieces in which a
/// longer one does.
pub(crate) const BATCH_BYTES_MAX: usize = 64 * 1024;

/// What a body had ready, and whether it goes on.
pub(crate) struct Batch {
    pub(crate) data: Vec<u8>,
    pub(crate) state: State,
}

/// How a body stands after a batch.
pub(crate) enum State {
    /// There may be more to come.
    Open,
    /// That was all; these are the trailers, often none.
    Ended(HeaderMap),
    /// It broke off.
    Failed(BoxError),
}

/// Takes what is ready without waiting for anything.
///
/// A single frame is not copied if nobody else holds its memory. Stops once [`BATCH_BYTES_MAX`] is reached, so a body that
/// is always ready cannot grow without bound.
pub(crate) fn poll_batch<B>(body: &mut B, cx: &mut Context<'_>) -> Batch
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let mut data = Vec::new();
    let state = loop {
        if body.is_end_stream() {
            break State::Ended(HeaderMap::new());
        }
        if data.len() >= BATCH_BYTES_MAX {
            break State::Open;
        }
        match Pin::new(&mut *body).poll_frame(cx) {
            Poll::Pending => break State::Open,
            Poll::Ready(None) => break State::Ended(HeaderMap::new()),
            Poll::Ready(Some(Err(error))) => break State::Failed(error.into()),
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(bytes) if data.is_empty() => data = bytes.into(),
                Ok(bytes) => data.extend_from_slice(&bytes),
                // What is neither data nor trailers is of a kind this version of http-body does not know.
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        break State::Ended(trailers);
                    }
                }
            },
        }
    };
    Batch { data, state }
}

/// Waits until something is ready, then takes all that is.
pub(crate) async fn next_batch<B>(body: &mut B) -> Batch
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    poll_fn(|cx| {
        let batch = poll_batch(body, cx);
        // Open and without data means that the last poll was pending, so the waker is in place.
        if batch.data.is_empty() && matches!(batch.state, State::Open) { Poll::Pending } else { Poll::Ready(batch) }
    })
    .await
}

#[cfg(test)]
mod tests;
