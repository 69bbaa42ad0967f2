//! [`Body`]: what calls carry in either direction.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::{door, error::BodyError};

/// The body of a request that came in, or of a response to a request sent.
///
/// It implements [`http_body::Body`], and can be read whole with [`Body::bytes`] or [`Body::text`]. Dropping it before
/// its end tells the other side to stop.
#[derive(Default)]
pub struct Body(Inner);

#[derive(Default)]
enum Inner {
    /// Nothing is left.
    #[default]
    Done,
    /// All of it is here.
    Whole { data: Bytes, trailers: Option<HeaderMap> },
    /// It comes in as the other side makes it.
    #[cfg_attr(not(target_family = "wasm"), allow(dead_code, reason = "native builds have no other side"))]
    Stream(Box<door::Incoming>),
}

impl Body {
    /// A body without content.
    pub fn empty() -> Self {
        Self(Inner::Done)
    }

    #[cfg_attr(any(not(target_family = "wasm"), feature = "portable"), allow(dead_code, reason = "lean door only"))]
    pub(crate) fn whole(data: Bytes, trailers: HeaderMap) -> Self {
        if data.is_empty() && trailers.is_empty() {
            return Self::empty();
        }
        let trailers = (!trailers.is_empty()).then_some(trailers);
        Self(Inner::Whole { data, trailers })
    }

    #[cfg(target_family = "wasm")]
    pub(crate) fn stream(incoming: door::Incoming) -> Self {
        Self(Inner::Stream(Box::new(incoming)))
    }

    /// Reads everything, dropping trailers. A body that arrived whole costs no copy.
    ///
    /// The host bounds the size of what comes in (`limits.body_bytes_max` in the manifest), and the instance's memory
    /// bounds everything.
    ///
    /// # Errors
    /// A [`BodyError`] when the body breaks off before its end.
    pub async fn bytes(mut self) -> Result<Bytes, BodyError> {
        let mut first = Bytes::new();
        let mut rest = BytesMut::new();
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut self).poll_frame(cx)).await {
            let Ok(data) = frame?.into_data() else { continue };
            if first.is_empty() {
                first = data;
            } else {
                if rest.is_empty() {
                    rest.extend_from_slice(&first);
                }
                rest.extend_from_slice(&data);
            }
        }
        Ok(if rest.is_empty() { first } else { rest.freeze() })
    }

    /// Reads everything as text.
    ///
    /// # Errors
    /// A [`BodyError`] when the body breaks off before its end, or is not UTF-8.
    pub async fn text(self) -> Result<String, BodyError> {
        let bytes = self.bytes().await?;
        String::from_utf8(bytes.into()).map_err(|_| BodyError::Failed("not UTF-8".into()))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Inner::Done => Poll::Ready(None),
            Inner::Whole { data, trailers } => {
                let frame = if data.is_empty() { trailers.take().map(Frame::trailers) } else { None };
                let frame = frame.unwrap_or_else(|| Frame::data(std::mem::take(data)));
                if trailers.is_none() || frame.is_trailers() {
                    self.0 = Inner::Done;
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Inner::Stream(incoming) => {
                let frame = std::task::ready!(incoming.poll_frame(cx));
                if matches!(frame, None | Some(Err(_))) {
                    self.0 = Inner::Done;
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Inner::Done)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Done => SizeHint::with_exact(0),
            Inner::Whole { data, .. } => SizeHint::with_exact(data.len() as u64),
            Inner::Stream(_) => SizeHint::default(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Done => f.write_str("Body(empty)"),
            Inner::Whole { data, .. } => write!(f, "Body({} bytes)", data.len()),
            Inner::Stream(_) => f.write_str("Body(stream)"),
        }
    }
}

impl From<Bytes> for Body {
    fn from(data: Bytes) -> Self {
        if data.is_empty() { Self::empty() } else { Self(Inner::Whole { data, trailers: None }) }
    }
}

impl From<Vec<u8>> for Body {
    fn from(data: Vec<u8>) -> Self {
        Bytes::from(data).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl From<()> for Body {
    fn from((): ()) -> Self {
        Self::empty()
    }
}

#[cfg(test)]
mod tests;
