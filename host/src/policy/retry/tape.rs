//! A request's body that comes as a stream, of which what has been read is kept, so that it can be read once more.
//!
//! Whether a small body is at hand when its call is made is a matter of luck: clients of gRPC say its end in a frame of
//! its own, a moment later. Whether the call can be sent again must not be.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Frame, SizeHint};

use crate::call::{Body, CallError, StreamBody};

/// What has been read of a stream, and the rest of it. While this is there, more is kept.
#[derive(Clone)]
pub(super) struct Tape(Arc<Mutex<State>>);

struct State {
    /// What is still to come; `None` when that is nothing, or nobody will ever want it.
    rest: Option<StreamBody>,
    /// What has been read, while it can be read again.
    kept: Option<BytesMut>,
    bytes_max: usize,
    trailers: Option<HeaderMap>,
    /// Who reads: whoever did so before gets nothing more.
    reader: u32,
}

impl Tape {
    /// Of a stream of which up to `bytes_max` bytes are kept, and the stream.
    pub(super) fn new(stream: StreamBody, bytes_max: usize) -> (Self, Body) {
        let kept = Some(BytesMut::new());
        let state = State { rest: Some(stream), kept, bytes_max, trailers: None, reader: 0 };
        let tape = Self(Arc::new(Mutex::new(state)));
        (tape.clone(), Body::stream(Reader { tape, number: 0, first: None }))
    }

    /// Whether the stream can still be read from its beginning.
    pub(super) fn is_whole(&self) -> bool {
        self.state().kept.is_some()
    }

    /// The stream from its beginning; `None` when more has been read than is kept.
    pub(super) fn body(&self) -> Option<Body> {
        let mut state = self.state();
        let first = state.kept.clone()?.freeze();
        if state.rest.is_none() {
            return Some(Body::full(first, state.trailers.clone()));
        }
        state.reader = state.reader.wrapping_add(1);
        let reader =
            Reader { tape: self.clone(), number: state.reader, first: Some(first).filter(|first| !first.is_empty()) };
        drop(state);
        Some(Body::stream(reader))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Tape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tape").field("is_whole", &self.is_whole()).finish_non_exhaustive()
    }
}

impl State {
    fn keep(&mut self, data: &Bytes) {
        match &mut self.kept {
            Some(kept) if kept.len() + data.len() <= self.bytes_max => kept.extend_from_slice(data),
            kept => *kept = None,
        }
    }
}

/// Reads a [`Tape`] from its beginning.
struct Reader {
    tape: Tape,
    number: u32,
    first: Option<Bytes>,
}

impl http_body::Body for Reader {
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        let mut state = self.tape.state();
        if state.reader != self.number {
            return Poll::Ready(Some(Err(CallError::cancelled())));
        }
        // Nobody else is left who could want it again.
        if Arc::strong_count(&self.tape.0) == 1 {
            state.kept = None;
        }
        let Some(rest) = &mut state.rest else { return Poll::Ready(None) };
        let frame = ready!(rest.as_mut().poll_frame(cx));
        let ended = rest.is_end_stream();
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    state.keep(data);
                } else if let Some(trailers) = frame.trailers_ref() {
                    state.trailers = Some(trailers.clone());
                }
                if ended || frame.is_trailers() {
                    state.rest = None;
                }
            }
            None => state.rest = None,
            // Another attempt would not have the rest either.
            Some(Err(_)) => (state.rest, state.kept) = (None, None),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let state = self.tape.state();
        self.first.is_none() && state.reader == self.number && state.rest.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let state = self.tape.state();
        let rest = state.rest.as_ref().map_or_else(|| SizeHint::with_exact(0), |rest| rest.size_hint());
        let first = self.first.as_ref().map_or(0, Bytes::len) as u64;
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(first));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(first));
        }
        hint
    }
}

/// Who stops reading lets go of the rest, unless it may be wanted again.
impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.tape.state();
        if state.reader == self.number && state.kept.is_none() {
            state.rest = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use http_body::Body as _;
    use http_body_util::{BodyExt, StreamBody as Frames};

    use super::*;

    /// Pieces, then trailers.
    fn tape(pieces: &[&'static str], bytes_max: usize) -> (Tape, Body) {
        let mut trailers = HeaderMap::new();
        trailers.insert("x", http::HeaderValue::from_static("1"));
        let pieces = pieces.iter().map(|piece| Frame::data(Bytes::from_static(piece.as_bytes())));
        let frames = pieces.chain([Frame::trailers(trailers)]).map(Ok::<_, CallError>);
        Tape::new(Box::pin(Frames::new(stream::iter(frames.collect::<Vec<_>>()))), bytes_max)
    }

    async fn all(body: Body) -> (Bytes, bool) {
        let collected = body.collect().await.unwrap();
        let trailers = collected.trailers().is_some_and(|trailers| trailers.contains_key("x"));
        (collected.to_bytes(), trailers)
    }

    #[tokio::test]
    async fn it_is_read_again_whole_in_part_or_not_at_all() {
        let (tape, unread) = tape(&["ab", "cd", "e"], 5);
        drop(unread);
        let mut part = tape.body().unwrap();
        assert_eq!(part.frame().await.unwrap().unwrap().into_data().unwrap(), "ab");
        // Who read before gets nothing more, and no end that could be taken for a good one.
        let whole = tape.body().unwrap();
        assert!(!part.is_end_stream());
        assert!(part.frame().await.unwrap().is_err());
        assert_eq!(all(whole).await, ("abcde".into(), true));
        let again = tape.body().unwrap();
        assert!(!again.is_stream(), "all of it is here");
        assert_eq!(all(again).await, ("abcde".into(), true));
    }

    #[tokio::test]
    async fn what_is_too_long_is_read_once() {
        let (tape, body) = tape(&["ab", "cd", "e"], 4);
        assert_eq!(all(body).await, ("abcde".into(), true));
        assert!(!tape.is_whole() && tape.body().is_none());
    }

    #[tokio::test]
    async fn what_nobody_can_want_again_is_not_kept() {
        let (tape, mut body) = tape(&["ab", "cd"], 10);
        body.frame().await.unwrap().unwrap();
        let state = Arc::downgrade(&tape.0);
        drop(tape);
        body.frame().await.unwrap().unwrap();
        assert!(state.upgrade().unwrap().lock().unwrap().kept.is_none());
    }

    #[tokio::test]
    async fn a_stream_that_broke_off_is_not_read_again() {
        let frames = [Ok(Frame::data(Bytes::from_static(b"ab"))), Err(CallError::cancelled())];
        let (tape, body) = Tape::new(Box::pin(Frames::new(stream::iter(frames))), 10);
        assert!(body.collect().await.is_err());
        assert!(tape.body().is_none());
    }
}
