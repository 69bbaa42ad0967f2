//! A body that comes in over time.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::Frame;
use wit_bindgen::{FutureReader, StreamReader, StreamResult};

use super::{convert, head, pump::PumpGuard, wit};
use crate::{error::BodyError, single_thread::SingleThread};

/// The first read asks for this much, later ones for more once a read was filled.
const READ_BYTES_MIN: usize = 16 * 1024;
const READ_BYTES_MAX: usize = 64 * 1024;

type End = FutureReader<Result<wit::Fields, wit::BodyError>>;
type Step<T> = SingleThread<Pin<Box<dyn Future<Output = T>>>>;

/// The bytes as they come, then the trailers, or what broke the stream.
///
/// Dropped before its end it cancels the read under way and closes the stream, which tells the writer to stop.
pub(crate) struct Incoming {
    state: State,
    /// Sends what is left of the request whose response this is; stops with it.
    _pump: Option<SingleThread<PumpGuard>>,
}

enum State {
    Reading(Step<Source>),
    Ending(Step<Result<wit::Fields, wit::BodyError>>),
    Done,
}

/// The stream, handed back by a read that has finished.
struct Source {
    stream: StreamReader<u8>,
    end: End,
    buffer: Vec<u8>,
    result: StreamResult,
}

impl Incoming {
    pub(super) fn new(stream: StreamReader<u8>, end: End, pump: Option<PumpGuard>) -> Self {
        let state = State::Reading(read(stream, end, Vec::with_capacity(READ_BYTES_MIN)));
        Self { state, _pump: pump.map(SingleThread) }
    }

    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            match &mut self.state {
                State::Reading(step) => {
                    let source = ready!(Pin::new(step).poll(cx));
                    if source.result == StreamResult::Dropped {
                        self.state = State::Ending(SingleThread(Box::pin(source.end.into_future())));
                        continue;
                    }
                    let capacity = source.buffer.capacity();
                    let (data, buffer) = split(source.buffer, capacity);
                    self.state = State::Reading(read(source.stream, source.end, buffer));
                    if !data.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(data))));
                    }
                }
                State::Ending(step) => {
                    let end = ready!(Pin::new(step).poll(cx));
                    self.state = State::Done;
                    return Poll::Ready(last_frame(end));
                }
                State::Done => return Poll::Ready(None),
            }
        }
    }
}

fn read(mut stream: StreamReader<u8>, end: End, buffer: Vec<u8>) -> Step<Source> {
    SingleThread(Box::pin(async move {
        let (result, buffer) = stream.read(buffer).await;
        Source { stream, end, buffer, result }
    }))
}

/// What a read brought, and the buffer for the next one.
///
/// A reader may keep many pieces before it uses them, so a piece must not hold on to a buffer that is mostly empty: it is
/// copied out, and the buffer serves again.
fn split(mut buffer: Vec<u8>, capacity: usize) -> (Bytes, Vec<u8>) {
    if buffer.len() < capacity / 2 {
        let data = Bytes::copy_from_slice(&buffer);
        buffer.clear();
        return (data, buffer);
    }
    let next = if buffer.len() == capacity { READ_BYTES_MAX } else { capacity };
    (buffer.into(), Vec::with_capacity(next))
}

fn last_frame(end: Result<wit::Fields, wit::BodyError>) -> Option<Result<Frame<Bytes>, BodyError>> {
    match end {
        Ok(fields) => match head::read_fields(fields.into()) {
            Ok(fields) if fields.is_empty() => None,
            Ok(fields) => Some(Ok(Frame::trailers(fields))),
            Err(error) => Some(Err(BodyError::Failed(format!("the trailers are malformed: {error}")))),
        },
        Err(error) => Some(Err(convert::body_error_in(error))),
    }
}
