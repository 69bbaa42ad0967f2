//! Bodies on their way in and out.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, Version};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use crate::call::{Body, CallError, ErrorKind, Response, Side, grpc};
use crate::policy::drained::Drained;
use crate::transcode::voice::Voice;

/// A request body up to this length, in bytes, is read before the call is made, so that it crosses into the guest in
/// one piece.
const EAGER_BYTES_MAX: u64 = 64 * 1024;

/// Takes a request's body in: as bytes when it is small and its length is known, or when it is there already; else as
/// a stream.
pub(super) async fn incoming(mut body: Unread, headers: &HeaderMap) -> Result<Body, CallError> {
    if body.is_end_stream() {
        return Ok(Body::empty());
    }
    let small = body.size_hint().exact().is_some_and(|length| length <= EAGER_BYTES_MAX);
    // A client may want to hear whether to send its body at all; only the service knows.
    let waits = headers.contains_key(http::header::EXPECT);
    let mut read = BytesMut::new();
    let mut trailers = None;
    if !waits {
        loop {
            let next = std::future::poll_fn(|cx| {
                let polled = Pin::new(&mut body).poll_frame(cx);
                if small || polled.is_ready() { polled.map(Some) } else { Poll::Ready(None) }
            });
            match next.await {
                // Not there yet. What has been read so far goes first.
                None => break,
                Some(None) => return Ok(Body::full(read.freeze(), trailers)),
                Some(Some(frame)) => match frame?.into_data() {
                    Ok(data) => read.extend_from_slice(&data),
                    Err(frame) => trailers = frame.into_trailers().ok(),
                },
            }
            if trailers.is_some() || body.is_end_stream() {
                return Ok(Body::full(read.freeze(), trailers));
            }
            if read.len() as u64 > EAGER_BYTES_MAX {
                break;
            }
        }
    }
    Ok(Body::stream(Resumed { first: Some(read.freeze()).filter(|first| !first.is_empty()), body }))
}

/// A request's body that nobody has read yet. Over HTTP/1.1 it is drained when nobody ever does: closing a connection
/// with unread bytes destroys the answer on its way to the client.
pub(super) type Unread = Drained<Timed>;

/// How much of it is drained, and for how long. Clients that have more to send than this learn it the hard way.
const UNREAD_BYTES_MAX: usize = 16 * 1024 * 1024;
const UNREAD_TIME_MAX: Duration = Duration::from_secs(5);

/// Takes a request's body. `read` counts its bytes as they come.
pub(super) fn unread(body: Incoming, version: Version, idle_max: Duration, read: Arc<AtomicU64>) -> Unread {
    // HTTP/2 has a way to say that the rest is not wanted.
    let bytes_max = if version < Version::HTTP_2 { UNREAD_BYTES_MAX } else { 0 };
    Drained::new(Timed { body, idle_max, timer: None, read }, bytes_max, UNREAD_TIME_MAX)
}

/// A body that may not stand still.
pub(super) struct Timed {
    body: Incoming,
    idle_max: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    read: Arc<AtomicU64>,
}

impl http_body::Body for Timed {
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(frame) => {
                this.timer = None;
                if let Some(Ok(frame)) = &frame {
                    this.read.fetch_add(frame.data_ref().map_or(0, Bytes::len) as u64, Ordering::Relaxed);
                }
                Poll::Ready(frame.map(|frame| frame.map_err(broken)))
            }
            Poll::Pending => {
                let due = Instant::now() + this.idle_max;
                let timer = this.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
                ready!(timer.as_mut().poll(cx));
                let message = "the request's body did not come in time";
                Poll::Ready(Some(Err(CallError::new(ErrorKind::SlowClient, Side::Caller, message))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn broken(error: hyper::Error) -> CallError {
    CallError::new(ErrorKind::Cancelled, Side::Caller, "the client broke off its request").with_source(error)
}

/// A body of which a piece has been read.
struct Resumed {
    first: Option<Bytes>,
    body: Unread,
}

impl http_body::Body for Resumed {
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(Ok(Frame::data(first)))),
            None => Pin::new(&mut self.body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        let first = self.first.as_ref().map_or(0, Bytes::len) as u64;
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + first);
        }
        hint.set_lower(hint.lower() + first);
        hint
    }
}

/// Told once how a response ended: HTTP status, gRPC status, and bytes of its body.
pub(super) type OnEnd = Box<dyn FnOnce(u16, Option<i32>, u64) + Send>;

/// A response's body on its way to the client.
pub(super) struct Outgoing {
    body: Body,
    is_grpc: bool,
    status: u16,
    grpc: Option<i32>,
    sent: u64,
    on_end: Option<OnEnd>,
    /// A gRPC stream that broke has been given its trailers; nothing follows.
    over: bool,
}

impl Outgoing {
    pub(super) fn wrap(response: Response, is_grpc: bool, on_end: OnEnd) -> hyper::Response<Self> {
        let status = response.status().as_u16();
        let grpc = grpc::status(response.headers());
        response.map(|body| Self { body, is_grpc, status, grpc, sent: 0, on_end: Some(on_end), over: false })
    }
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        let this = &mut *self;
        if this.over {
            return Poll::Ready(None);
        }
        let frame = match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            // Headers are out, so the status has to follow the messages sent so far, unless they had one.
            Some(Err(error)) if this.is_grpc && this.status == StatusCode::OK.as_u16() => {
                this.over = true;
                if this.grpc.is_some() {
                    return Poll::Ready(None);
                }
                Frame::trailers(Voice::trailers(&error.into()))
            }
            Some(Err(error)) => {
                this.status = error.kind().http_status().as_u16();
                return Poll::Ready(Some(Err(error)));
            }
            None => return Poll::Ready(None),
        };
        if let Some(data) = frame.data_ref() {
            this.sent += data.len() as u64;
        }
        if let Some(status) = frame.trailers_ref().and_then(grpc::status) {
            this.grpc = Some(status);
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let hint = self.body.size_hint();
        // Behind a body whose length is said, HTTP/1.1 has no trailers.
        if self.is_grpc || self.body.trailers_at_hand().is_none() { hint } else { SizeHint::new() }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        if let Some(on_end) = self.on_end.take() {
            on_end(self.status, self.grpc.filter(|_| self.is_grpc), self.sent);
        }
    }
}
