//! A request body that is read to its end although the callee does not care for it.
//!
//! A guest that sends a body it has not finished fails when the reader goes away, although its call has been answered:
//! plain HTTP clients do. A little of what is left is therefore read and thrown away.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;

use crate::call::{CallError, StreamBody};

/// What is read and thrown away at most, in bytes.
const BYTES_MAX: usize = 64 * 1024;
/// For how long.
const TIME_MAX: Duration = Duration::from_secs(1);

pub(super) struct Drained(Option<StreamBody>);

impl Drained {
    pub(super) fn new(body: StreamBody) -> Self {
        Self(Some(body))
    }
}

impl http_body::Body for Drained {
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        let Some(body) = &mut self.0 else { return Poll::Ready(None) };
        let polled = body.as_mut().poll_frame(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.0 = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), |body| body.size_hint())
    }
}

impl Drop for Drained {
    fn drop(&mut self) {
        let Some(mut body) = self.0.take() else { return };
        // Outside of a runtime the process is ending, and nobody is left to be disappointed.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(tokio::time::timeout(TIME_MAX, async move {
            let mut left = BYTES_MAX;
            while let Some(Ok(frame)) = body.frame().await {
                let Some(rest) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else { break };
                left = rest;
            }
        }));
    }
}
