//! A request that can be sent more than once: one whose body is at hand and small.

use bytes::Bytes;
use http::HeaderMap;
use http::request::Parts;

use crate::call::{Body, Request};

/// A request that is kept in case it has to be sent again.
#[derive(Clone, Debug)]
pub struct Replay {
    head: Parts,
    data: Bytes,
    trailers: Option<HeaderMap>,
}

impl Replay {
    /// Keeps a request, if its body is at hand and has at most `body_bytes_max` bytes.
    ///
    /// # Errors
    ///
    /// The request as it was, when it can be sent only once.
    pub fn of(request: Request, body_bytes_max: usize) -> Result<Self, Box<Request>> {
        let (head, body) = request.into_parts();
        match body.try_into_full() {
            Ok((data, trailers)) if data.len() <= body_bytes_max => Ok(Self { head, data, trailers }),
            Ok((data, trailers)) => Err(Box::new(Request::from_parts(head, Body::full(data, trailers)))),
            Err(stream) => Err(Box::new(Request::from_parts(head, Body::stream(stream)))),
        }
    }

    /// The request, once more. The body's bytes are shared, the head is copied.
    pub fn request(&self) -> Request {
        self.clone().into_request()
    }

    /// The request, for the last time.
    pub fn into_request(self) -> Request {
        Request::from_parts(self.head, Body::full(self.data, self.trailers))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, StreamBody};

    use super::*;
    use crate::call::CallError;

    #[tokio::test]
    async fn a_small_body_is_sent_as_often_as_needed() {
        let mut request = Request::new(Body::full("abc", None));
        request.headers_mut().insert("x", http::HeaderValue::from_static("1"));
        let replay = Replay::of(request, 3).unwrap();
        for request in [replay.request(), replay.request(), replay.into_request()] {
            assert_eq!(request.headers().get("x").unwrap(), "1");
            assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), "abc");
        }
    }

    #[tokio::test]
    async fn a_large_body_or_a_stream_is_sent_once() {
        let most = 64 * 1024;
        assert!(Replay::of(Request::new(Body::full(vec![0; most], None)), most).is_ok());
        let large = Replay::of(Request::new(Body::full(vec![0; most + 1], None)), most).unwrap_err();
        assert_eq!(large.into_body().collect().await.unwrap().to_bytes().len(), most + 1);
        let frame = Ok::<_, CallError>(http_body::Frame::data(Bytes::from_static(b"abc")));
        let stream = StreamBody::new(futures::stream::iter([frame]));
        let streamed = Replay::of(Request::new(Body::stream(stream)), most).unwrap_err();
        assert_eq!(streamed.into_body().collect().await.unwrap().to_bytes(), "abc");
    }
}
