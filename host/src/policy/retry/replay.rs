//! A request that can be sent more than once: one with a small body.

use bytes::Bytes;
use http::HeaderMap;
use http::request::Parts;
use http_body::Body as _;

use super::tape::Tape;
use crate::call::{Body, Request};

/// A request that is kept in case it has to be sent again.
#[derive(Debug)]
pub struct Replay {
    head: Parts,
    body: Kept,
}

#[derive(Debug)]
enum Kept {
    Whole(Bytes, Option<HeaderMap>),
    Stream(Tape),
}

impl Replay {
    /// Keeps a request, if its body has at most `body_bytes_max` bytes: what is kept, and what is to be sent. Of a stream whose length is not known it may turn
    /// out later that it has more.
    ///
    /// # Errors
    ///
    /// The request as it was, when it can be sent only once.
    pub fn of(request: Request, body_bytes_max: usize) -> Result<(Self, Request), Box<Request>> {
        let (head, body) = request.into_parts();
        match body.try_into_full() {
            Ok((data, trailers)) if data.len() <= body_bytes_max => {
                let sent = Request::from_parts(head.clone(), Body::full(data.clone(), trailers.clone()));
                Ok((Self { head, body: Kept::Whole(data, trailers) }, sent))
            }
            Ok((data, trailers)) => Err(Box::new(Request::from_parts(head, Body::full(data, trailers)))),
            Err(stream) if stream.size_hint().lower() <= body_bytes_max as u64 => {
                let (tape, body) = Tape::new(stream, body_bytes_max);
                let sent = Request::from_parts(head.clone(), body);
                Ok((Self { head, body: Kept::Stream(tape) }, sent))
            }
            Err(stream) => Err(Box::new(Request::from_parts(head, Body::stream(stream)))),
        }
    }

    /// Whether it can be sent once more.
    pub fn is_whole(&self) -> bool {
        match &self.body {
            Kept::Whole(..) => true,
            Kept::Stream(tape) => tape.is_whole(),
        }
    }

    /// The request, once more, if there still is all of it. The body's bytes are shared, the head is copied. Whoever has got
    /// an earlier copy and still reads a stream gets no more of it.
    pub fn request(&self) -> Option<Request> {
        let body = match &self.body {
            Kept::Whole(data, trailers) => Body::full(data.clone(), trailers.clone()),
            Kept::Stream(tape) => tape.body()?,
        };
        Some(Request::from_parts(self.head.clone(), body))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full, StreamBody};

    use super::*;
    use crate::call::CallError;

    fn streamed(pieces: &'static [&'static str]) -> Request {
        let frames =
            pieces.iter().map(|piece| Ok::<_, CallError>(http_body::Frame::data(Bytes::from_static(piece.as_bytes()))));
        Request::new(Body::stream(StreamBody::new(futures::stream::iter(frames))))
    }

    #[tokio::test]
    async fn a_small_body_is_sent_as_often_as_needed() {
        for request in [Request::new(Body::full("abc", None)), streamed(&["ab", "c"])] {
            let (mut head, body) = request.into_parts();
            head.headers.insert("x", http::HeaderValue::from_static("1"));
            let (replay, first) = Replay::of(Request::from_parts(head, body), 3).unwrap();
            let mut next = Some(first);
            for _ in 0..3 {
                let request = next.take().or_else(|| replay.request()).unwrap();
                assert_eq!(request.headers().get("x").unwrap(), "1");
                assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), "abc");
            }
        }
    }

    #[tokio::test]
    async fn a_large_body_is_sent_once() {
        let most = 64 * 1024;
        assert!(Replay::of(Request::new(Body::full(vec![0; most], None)), most).is_ok());
        let large = Replay::of(Request::new(Body::full(vec![0; most + 1], None)), most).unwrap_err();
        assert_eq!(large.into_body().collect().await.unwrap().to_bytes().len(), most + 1);
        // One of which that is known.
        let known = Full::new(Bytes::from(vec![0; most + 1])).map_err(|never| match never {});
        assert!(Replay::of(Request::new(Body::stream(known)), most).is_err());
        // And one of which it is not.
        let (unknown, sent) = Replay::of(streamed(&["abc", "d"]), 3).unwrap();
        assert_eq!(sent.into_body().collect().await.unwrap().to_bytes(), "abcd");
        assert!(!unknown.is_whole() && unknown.request().is_none());
    }
}
