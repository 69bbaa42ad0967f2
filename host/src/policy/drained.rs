//! A request body that is read to its end although the callee does not care for it.
//!
//! Whoever sends a body it has not finished fails when the reader goes away, although its call has been answered: plain
//! HTTP clients do, and over HTTP/1.1 closing with unread bytes destroys the answer on its way. So some of what is left
//! is read and thrown away; how much is for the one who takes the body in to say.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;

use crate::call::{CallError, StreamBody};

/// A body that is drained when it is dropped before its end.
pub struct Drained<B: http_body::Body<Data = Bytes, Error = CallError> + Send + Unpin + 'static = StreamBody> {
    body: Option<B>,
    bytes_max: usize,
    time_max: Duration,
}

impl<B: http_body::Body<Data = Bytes, Error = CallError> + Send + Unpin + 'static> Drained<B> {
    /// Reads at most `bytes_max` more bytes of `body`, for at most `time_max`, when it is dropped.
    pub fn new(body: B, bytes_max: usize, time_max: Duration) -> Self {
        Self { body: Some(body), bytes_max, time_max }
    }
}

impl<B: http_body::Body<Data = Bytes, Error = CallError> + Send + Unpin + 'static> http_body::Body for Drained<B> {
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), |body| body.size_hint())
    }
}

impl<B: http_body::Body<Data = Bytes, Error = CallError> + Send + Unpin + 'static> Drop for Drained<B> {
    fn drop(&mut self) {
        let Some(mut body) = self.body.take().filter(|body| self.bytes_max > 0 && !body.is_end_stream()) else {
            return;
        };
        // Outside of a runtime the process is ending, and nobody is left to be disappointed.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let mut left = self.bytes_max;
        runtime.spawn(tokio::time::timeout(self.time_max, async move {
            while let Some(Ok(frame)) = body.frame().await {
                let Some(rest) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else { break };
                left = rest;
            }
        }));
    }
}
