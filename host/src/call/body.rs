//! The body of a call.
//!
//! Most calls between services are small and complete when they are made. Those travel as plain bytes, so that they
//! cost no channel, no task and no polling; only what is really produced over time is a stream.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};

use super::CallError;

/// A body that is produced over time.
pub type StreamBody = Pin<Box<dyn http_body::Body<Data = Bytes, Error = CallError> + Send>>;

/// The body of a request or response: nothing, bytes at hand, or a stream.
#[derive(Default)]
pub struct Body(Kind);

#[derive(Default)]
enum Kind {
    #[default]
    Done,
    Full {
        data: Bytes,
        trailers: Option<HeaderMap>,
    },
    Stream(StreamBody),
}

impl Body {
    /// No body.
    pub fn empty() -> Self {
        Self(Kind::Done)
    }

    /// Bytes at hand, and the trailers that follow them.
    pub fn full(data: impl Into<Bytes>, trailers: Option<HeaderMap>) -> Self {
        let data = data.into();
        if data.is_empty() && trailers.is_none() { Self::empty() } else { Self(Kind::Full { data, trailers }) }
    }

    /// A body that is produced over time.
    pub fn stream(body: impl http_body::Body<Data = Bytes, Error = CallError> + Send + 'static) -> Self {
        if body.is_end_stream() { Self::empty() } else { Self(Kind::Stream(Box::pin(body))) }
    }

    /// The same with trailers, when it is at hand; a stream has its own.
    #[must_use]
    pub fn with_trailers(self, trailers: HeaderMap) -> Self {
        match self.0 {
            Kind::Done => Self::full(Bytes::new(), Some(trailers)),
            Kind::Full { data, .. } => Self::full(data, Some(trailers)),
            Kind::Stream(_) => self,
        }
    }

    /// The bytes and trailers when they are at hand, or the stream.
    ///
    /// # Errors
    ///
    /// The stream, when the body is one.
    pub fn try_into_full(self) -> Result<(Bytes, Option<HeaderMap>), StreamBody> {
        match self.0 {
            Kind::Done => Ok((Bytes::new(), None)),
            Kind::Full { data, trailers } => Ok((data, trailers)),
            Kind::Stream(stream) => Err(stream),
        }
    }

    /// Whether the body is produced over time.
    pub fn is_stream(&self) -> bool {
        matches!(self.0, Kind::Stream(_))
    }

    /// The trailers of a body at hand; those of a stream are not known yet.
    pub fn trailers_at_hand(&self) -> Option<&HeaderMap> {
        match &self.0 {
            Kind::Full { trailers, .. } => trailers.as_ref(),
            Kind::Done | Kind::Stream(_) => None,
        }
    }

    /// Wraps a stream; a body at hand is left alone.
    #[must_use]
    pub fn map_stream<B>(self, wrap: impl FnOnce(StreamBody) -> B) -> Self
    where
        B: http_body::Body<Data = Bytes, Error = CallError> + Send + 'static,
    {
        match self.0 {
            Kind::Stream(stream) => Self(Kind::Stream(Box::pin(wrap(stream)))),
            kind => Self(kind),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        match &mut self.0 {
            Kind::Done => Poll::Ready(None),
            Kind::Stream(stream) => stream.as_mut().poll_frame(cx),
            Kind::Full { data, trailers } => {
                if !data.is_empty() {
                    let data = std::mem::take(data);
                    if trailers.is_none() {
                        self.0 = Kind::Done;
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                let trailers = trailers.take();
                self.0 = Kind::Done;
                Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Done => true,
            Kind::Full { data, trailers } => data.is_empty() && trailers.is_none(),
            Kind::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Done => SizeHint::with_exact(0),
            Kind::Full { data, .. } => SizeHint::with_exact(data.len() as u64),
            Kind::Stream(stream) => stream.size_hint(),
        }
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Kind::Done => f.write_str("Body(empty)"),
            Kind::Full { data, .. } => write!(f, "Body({} bytes)", data.len()),
            Kind::Stream(_) => f.write_str("Body(stream)"),
        }
    }
}

/// A stream that keeps something alive until it ends or is dropped: a permit, a count, a cancellation.
pub struct WithGuard<B, G> {
    body: B,
    guard: Option<G>,
    on_end: fn(G),
}

impl<B, G> WithGuard<B, G> {
    /// Keeps `guard` until `body` ends, when `on_end` gets it, or until both are dropped unfinished.
    pub fn new(body: B, guard: G, on_end: fn(G)) -> Self {
        Self { body, guard: Some(guard), on_end }
    }
}

impl<B, G> http_body::Body for WithGuard<B, G>
where
    B: http_body::Body + Unpin,
    G: Unpin,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        // A reader that knows the length may never ask for the end, so the last frame counts as the end too.
        let over = match &polled {
            Poll::Pending => false,
            Poll::Ready(Some(Ok(_))) => self.body.is_end_stream(),
            Poll::Ready(None | Some(Err(_))) => true,
        };
        if over && let Some(guard) = self.guard.take() {
            (self.on_end)(guard);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.guard.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_full_body_gives_its_bytes_then_its_trailers() {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
        let collected = Body::full("abc", Some(trailers.clone())).collect().await.unwrap();
        assert_eq!(collected.trailers(), Some(&trailers));
        assert_eq!(collected.to_bytes(), "abc");
    }

    #[tokio::test]
    async fn an_empty_body_ends_at_once() {
        assert!(http_body::Body::is_end_stream(&Body::full(Bytes::new(), None)));
        assert_eq!(Body::empty().collect().await.unwrap().to_bytes(), "");
    }

    #[tokio::test]
    async fn trailers_alone_are_a_body() {
        let body = Body::full(Bytes::new(), Some(HeaderMap::new()));
        assert!(!http_body::Body::is_end_stream(&body));
        assert!(body.collect().await.unwrap().trailers().is_some());
    }
}
