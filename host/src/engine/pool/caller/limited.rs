//! A request body that may not grow beyond a size.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::call::{CallError, ErrorKind, Side, StreamBody};

/// The limit of one body, and whether it was exceeded.
#[derive(Clone)]
pub(super) struct BodyLimit {
    max: u64,
    exceeded: Arc<AtomicBool>,
}

impl BodyLimit {
    pub(super) fn new(max: u64) -> Self {
        Self { max, exceeded: Arc::default() }
    }

    pub(super) fn exceeded(&self) -> Option<CallError> {
        self.exceeded.load(Ordering::Acquire).then(|| body_too_large(self.max))
    }
}

pub(super) fn body_too_large(max: u64) -> CallError {
    CallError::new(ErrorKind::BodyTooLarge, Side::Caller, format!("the body is larger than {max} bytes"))
}

pub(super) struct Limited {
    body: StreamBody,
    limit: BodyLimit,
    left: u64,
}

impl Limited {
    pub(super) fn new(body: StreamBody, limit: BodyLimit) -> Self {
        Self { body, left: limit.max, limit }
    }
}

impl http_body::Body for Limited {
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        let frame = ready!(self.body.as_mut().poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            match self.left.checked_sub(data.len() as u64) {
                Some(left) => self.left = left,
                None => {
                    self.limit.exceeded.store(true, Ordering::Release);
                    return Poll::Ready(Some(Err(body_too_large(self.limit.max))));
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
