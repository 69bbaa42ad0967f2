//! Bodies over HTTP/2 streams, both ways, with back-pressure: what nobody reads is not asked for, and what cannot be sent
//! is not produced.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use h2::{Reason, RecvStream, SendStream};
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};

use super::wire::{self, Shape, WHOLE_BYTES_MAX};
use crate::call::{Body, CallError, Side, StreamBody};

/// Sends a body at hand. h2 keeps what the other end has no room for; it is in memory either way.
pub(super) fn send_full(
    stream: &mut SendStream<Bytes>,
    data: Bytes,
    trailers: Option<HeaderMap>,
) -> Result<(), h2::Error> {
    // An empty frame before trailers would be counted against us.
    if !data.is_empty() || trailers.is_none() {
        stream.send_data(data, trailers.is_none())?;
    }
    trailers.map_or(Ok(()), |trailers| stream.send_trailers(trailers))
}

/// Sends a body that is produced over time, as fast as the other end takes it.
pub(super) struct Pump {
    stream: SendStream<Bytes>,
    body: StreamBody,
    /// Produced, and waiting for room.
    chunk: Option<Bytes>,
    headers_bytes_max: u32,
    side: Side,
}

impl Pump {
    pub(super) fn new(stream: SendStream<Bytes>, body: StreamBody, headers_bytes_max: u32, side: Side) -> Self {
        Self { stream, body, chunk: None, headers_bytes_max, side }
    }

    /// Fails when the stream is no more: reset by the other end, or gone with its connection.
    fn poll_pump(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        loop {
            // Also registers for being woken by it.
            if let Poll::Ready(reason) = self.stream.poll_reset(cx)? {
                return Poll::Ready(Err(reason.into()));
            }
            if self.chunk.is_some() {
                while self.stream.capacity() == 0 {
                    match ready!(self.stream.poll_capacity(cx)) {
                        Some(room) => room?,
                        None => return Poll::Ready(Err(Reason::CANCEL.into())),
                    };
                }
                let Some(chunk) = self.chunk.take() else { continue };
                let last = self.body.is_end_stream();
                self.stream.send_data(chunk, last)?;
                if last {
                    return Poll::Ready(Ok(()));
                }
            }
            match ready!(self.body.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    // Receivers take many empty frames for an attack.
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => {
                        // One byte is enough to be in the queue for room without holding what others could use.
                        self.stream.reserve_capacity(1);
                        self.chunk = Some(data);
                    }
                    Err(frame) => {
                        let Ok(trailers) = frame.into_trailers() else { continue };
                        let trailers = wire::trailers(trailers, self.headers_bytes_max, self.side);
                        let trailers = trailers.unwrap_or_else(|error| wire::error::fields(&error));
                        return Poll::Ready(self.stream.send_trailers(trailers));
                    }
                },
                Some(Err(error)) => return Poll::Ready(self.stream.send_trailers(wire::error::fields(&error))),
                None => return Poll::Ready(self.stream.send_data(Bytes::new(), true)),
            }
        }
    }
}

impl Future for Pump {
    type Output = Result<(), h2::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_pump(cx)
    }
}

/// Takes a body in: whole when the sender says that all of it is on its way, else as a stream that keeps `guard` until it
/// has ended. `broken` says what it means when it breaks off.
pub(super) async fn receive<G: Send + Unpin + 'static>(
    stream: RecvStream,
    shape: Shape,
    guard: G,
    broken: fn(h2::Error) -> CallError,
) -> Result<Body, CallError> {
    if stream.is_end_stream() {
        return Ok(Body::empty());
    }
    let mut body =
        Received { stream, data_ended: false, ended: false, length: shape.length, guard: Some(guard), broken };
    if !shape.whole {
        return Ok(Body::stream(body));
    }
    // Nearly always there is one piece, which needs no copy.
    let (mut first, mut read) = (Bytes::new(), BytesMut::new());
    let joined = |first: Bytes, read: BytesMut| if read.is_empty() { first } else { read.freeze() };
    loop {
        let frame = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
        match frame.transpose()?.map(Frame::into_data) {
            None => return Ok(Body::full(joined(first, read), None)),
            Some(Ok(data)) if first.is_empty() => first = data,
            Some(Ok(data)) => {
                if read.is_empty() {
                    read.extend_from_slice(&first);
                }
                read.extend_from_slice(&data);
            }
            Some(Err(frame)) => return Ok(Body::full(joined(first, read), frame.into_trailers().ok())),
        }
        if body.is_end_stream() {
            return Ok(Body::full(joined(first, read), None));
        }
        // It is not what it was said to be, and so goes on as what it is.
        if first.len().max(read.len()) > WHOLE_BYTES_MAX {
            return Ok(Body::stream(Begun { first: Some(joined(first, read)), rest: body }));
        }
    }
}

/// A body that comes in over time.
struct Received<G> {
    stream: RecvStream,
    data_ended: bool,
    ended: bool,
    /// What is still to come.
    length: Option<u64>,
    guard: Option<G>,
    broken: fn(h2::Error) -> CallError,
}

impl<G> Received<G> {
    fn poll_received(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        while !self.data_ended {
            match ready!(self.stream.poll_data(cx)) {
                // Some senders have nothing left but the end, and say so in a frame of its own.
                Some(Ok(data)) if data.is_empty() => {}
                Some(Ok(data)) => {
                    // Only now may the sender send as much again.
                    let _ = self.stream.flow_control().release_capacity(data.len());
                    self.length = self.length.map(|left| left.saturating_sub(data.len() as u64));
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Some(Err(error)) if is_early_end(&error) => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err((self.broken)(error)))),
                None => self.data_ended = true,
            }
        }
        Poll::Ready(match ready!(self.stream.poll_trailers(cx)) {
            Ok(trailers) => trailers.map(|trailers| wire::arrived_trailers(trailers).map(Frame::trailers)),
            Err(error) if is_early_end(&error) => None,
            Err(error) => Some(Err((self.broken)(error))),
        })
    }
}

/// After a complete response, a server says so when it does not want the rest of the request.
/// Source: RFC 9113, section 8.1.
fn is_early_end(error: &h2::Error) -> bool {
    error.is_reset() && error.is_remote() && error.reason() == Some(Reason::NO_ERROR)
}

impl<G: Unpin> http_body::Body for Received<G> {
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        let frame = ready!(self.poll_received(cx));
        // Trailers are the last frame, and so is data when h2 has seen the end behind it.
        let last = match &frame {
            None | Some(Err(_)) => true,
            Some(Ok(frame)) => frame.is_trailers() || self.stream.is_end_stream(),
        };
        if last {
            self.ended = true;
            self.guard = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// A body of which a piece has been read.
struct Begun<B> {
    first: Option<Bytes>,
    rest: B,
}

impl<B: http_body::Body<Data = Bytes, Error = CallError> + Unpin> http_body::Body for Begun<B> {
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(Ok(Frame::data(first)))),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }
}
