//! Bodies that cross the boundary over time, with back-pressure: each side has at most a chunk in hand.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Frame;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::PollSender;
use wasmtime::component::{
    Destination, FutureConsumer, FutureReader, Source, StreamConsumer, StreamProducer, StreamReader, StreamResult,
};
use wasmtime::{AsContextMut, StoreContextMut};

use super::State;
use super::lean::head::{read_fields, write_fields};
use super::lean::{BodyEnd, BodyError};
use crate::call::{CallError, ErrorKind, Side, StreamBody};

/// The most that is copied out of a guest at once, in bytes: what one stream holds in the host's memory.
const CHUNK_BYTES_MAX: usize = 64 * 1024;

/// Hands a body to a guest: a stream of its bytes and a future of how it ended.
pub(super) fn to_guest(
    mut store: impl AsContextMut<Data = State>,
    body: StreamBody,
) -> wasmtime::Result<(StreamReader<u8>, FutureReader<BodyEnd>)> {
    let (end_tx, end_rx) = oneshot::channel();
    let contents = StreamReader::new(&mut store, Producer { body, end: Some(end_tx) })?;
    let end = FutureReader::new(&mut store, async move {
        // The producer says how the body ended even when it is dropped.
        wasmtime::error::Ok(end_rx.await.unwrap_or(Err(BodyError::Cancelled)))
    })?;
    Ok((contents, end))
}

struct Producer {
    body: StreamBody,
    end: Option<oneshot::Sender<BodyEnd>>,
}

impl Producer {
    fn end(&mut self, end: BodyEnd) -> StreamResult {
        if let Some(tx) = self.end.take() {
            // The guest may not care how its body ended.
            let _ = tx.send(end);
        }
        StreamResult::Dropped
    }
}

impl StreamProducer<State> for Producer {
    type Item = u8;
    type Buffer = Bytes;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'a, State>,
        mut destination: Destination<'a, u8, Bytes>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        // A read of nothing asks whether there is something. Whether a body has more cannot be known without
        // reading it, so the answer is "try".
        if destination.remaining(&mut store) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        loop {
            return Poll::Ready(Ok(match self.body.as_mut().poll_frame(cx) {
                Poll::Pending if finish => StreamResult::Cancelled,
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => self.end(Ok(Bytes::new())),
                Poll::Ready(Some(Err(error))) => self.end(Err(BodyError::from(&error))),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if data.is_empty() => continue,
                    Ok(data) => {
                        destination.set_buffer(data);
                        StreamResult::Completed
                    }
                    Err(frame) => match frame.into_trailers() {
                        Ok(trailers) => self.end(Ok(write_fields(&trailers).into())),
                        Err(_) => continue,
                    },
                },
            }));
        }
    }
}

/// A body that a guest produces. It belongs to a store, but can be read from anywhere.
pub(super) struct GuestStream {
    contents: Option<mpsc::Receiver<Bytes>>,
    end: Option<oneshot::Receiver<BodyEnd>>,
}

impl GuestStream {
    pub(super) fn new(
        mut store: impl AsContextMut<Data = State>,
        contents: StreamReader<u8>,
        end: FutureReader<BodyEnd>,
    ) -> wasmtime::Result<Self> {
        let (contents_tx, contents_rx) = mpsc::channel(1);
        let (end_tx, end_rx) = oneshot::channel();
        contents.pipe(&mut store, Consumer { contents: PollSender::new(contents_tx) })?;
        end.pipe(&mut store, EndConsumer { end: Some(end_tx) })?;
        Ok(Self { contents: Some(contents_rx), end: Some(end_rx) })
    }
}

impl http_body::Body for GuestStream {
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        if let Some(contents) = &mut self.contents {
            if let Some(data) = ready!(contents.poll_recv(cx)) {
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            self.contents = None;
        }
        let Some(end) = &mut self.end else { return Poll::Ready(None) };
        let end = ready!(Pin::new(end).poll(cx));
        self.end = None;
        Poll::Ready(match end {
            // Nothing at all is the shortest way to say that there are none.
            Ok(Ok(trailers)) if trailers.is_empty() => None,
            Ok(Ok(trailers)) => match read_fields(trailers) {
                Ok(trailers) if trailers.is_empty() => None,
                Ok(trailers) => Some(Ok(Frame::trailers(trailers))),
                Err(text) => Some(Err(CallError::new(
                    ErrorKind::BadResponse,
                    Side::Callee,
                    "the service sent trailers that are none",
                )
                .with_source(text))),
            },
            Ok(Err(error)) => Some(Err(error.into())),
            // The stream went away without a word: the instance is gone.
            Err(_) => {
                Some(Err(CallError::new(ErrorKind::Trap, Side::Callee, "the service failed before its body ended")))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.contents.is_none() && self.end.is_none()
    }
}

struct Consumer {
    contents: PollSender<Bytes>,
}

impl<D> StreamConsumer<D> for Consumer {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        match self.contents.poll_reserve(cx) {
            Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(_)) => return Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Ready(Ok(())) => {}
        }
        let mut source = source.as_direct(store);
        let remaining = source.remaining();
        let taken = remaining.len().min(CHUNK_BYTES_MAX);
        let Some(chunk) = remaining.get(..taken).filter(|chunk| !chunk.is_empty()) else {
            self.contents.abort_send();
            return Poll::Ready(Ok(StreamResult::Completed));
        };
        let chunk = Bytes::copy_from_slice(chunk);
        source.mark_read(taken);
        Poll::Ready(Ok(match self.contents.send_item(chunk) {
            Ok(()) => StreamResult::Completed,
            Err(_) => StreamResult::Dropped,
        }))
    }
}

struct EndConsumer {
    end: Option<oneshot::Sender<BodyEnd>>,
}

impl<D> FutureConsumer<D> for EndConsumer {
    type Item = BodyEnd;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        mut source: Source<'_, BodyEnd>,
        _finish: bool,
    ) -> Poll<wasmtime::Result<()>> {
        let mut end: Option<BodyEnd> = None;
        source.read(store, &mut end)?;
        if let (Some(tx), Some(end)) = (self.end.take(), end) {
            // Whoever read the body may be gone.
            let _ = tx.send(end);
        }
        Poll::Ready(Ok(()))
    }
}
