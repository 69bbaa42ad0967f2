//! What a guest may answer. Everything here is nonsense that would otherwise reach a client, or the HTTP library, which
//! takes it on trust.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TE};
use http::{Method, StatusCode};
use http_body::{Body as _, Frame, SizeHint};

use crate::call::{CallError, ErrorKind, Response, Side, StreamBody};

/// All headers of a response together, in bytes.
const HEADERS_BYTES_MAX: usize = 64 * 1024;
/// Headers of a response.
const HEADERS_MAX: usize = 256;

/// Checks a response of a guest.
///
/// # Errors
///
/// Says what about it is nonsense, for the log.
pub(super) fn check(mut response: Response, method: &Method) -> Result<Response, CallError> {
    let status = response.status();
    // 1xx is for connections, not for services.
    if status.is_informational() {
        return Err(nonsense(format!("{} is no status of a response", status.as_u16())));
    }
    let headers = response.headers_mut();
    headers.remove(TE);
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > HEADERS_BYTES_MAX || headers.len() > HEADERS_MAX {
        return Err(nonsense(format!(
            "{} headers of {bytes} bytes; at most {HEADERS_MAX} of {HEADERS_BYTES_MAX} are taken",
            headers.len()
        )));
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(length) = lengths.next() else { return Ok(response) };
    let digits = length.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let Some(length) = digits.and_then(|text| text.parse::<u64>().ok()).filter(|_| lengths.next().is_none()) else {
        return Err(nonsense("the content-length is not one number".into()));
    };
    // These tell the length of a body that they do not have.
    if method == Method::HEAD || status == StatusCode::NOT_MODIFIED {
        return Ok(response);
    }
    if !response.body().is_stream() {
        let actual = response.body().size_hint().lower();
        if actual != length {
            return Err(nonsense(format!("the content-length is {length}, the body has {actual} bytes")));
        }
        return Ok(response);
    }
    Ok(response.map(|body| body.map_stream(|body| Measured { body, left: length })))
}

fn nonsense(text: String) -> CallError {
    CallError::new(ErrorKind::BadResponse, Side::Callee, "the service answered nonsense").with_source(text)
}

/// A stream that must have the length it was announced with, and ends when it has.
struct Measured {
    body: StreamBody,
    left: u64,
}

impl http_body::Body for Measured {
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        let frame = ready!(self.body.as_mut().poll_frame(cx));
        let data = match &frame {
            Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len) as u64,
            None if self.left > 0 => {
                return Poll::Ready(Some(Err(nonsense(format!("the body ends {} bytes early", self.left)))));
            }
            _ => 0,
        };
        match self.left.checked_sub(data) {
            Some(left) => self.left = left,
            None => return Poll::Ready(Some(Err(nonsense("the body is longer than its content-length".into())))),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        // The guest may take its time to say that there are no trailers; readers that know the length do not wait.
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http_body_util::BodyExt;

    use super::*;
    use crate::call::Body;

    fn response(body: Body, lengths: &[&'static str]) -> Response {
        let mut response = Response::new(body);
        for length in lengths {
            response.headers_mut().append(CONTENT_LENGTH, HeaderValue::from_static(length));
        }
        response
    }

    fn stream(chunks: &[&'static str]) -> Body {
        let frames: Vec<_> = chunks.iter().map(|chunk| Ok(Frame::data(Bytes::from_static(chunk.as_bytes())))).collect();
        Body::stream(http_body_util::StreamBody::new(futures::stream::iter(frames)))
    }

    #[test]
    fn a_wrong_length_is_nonsense() {
        for lengths in [&["4"][..], &["ten"], &["-1"], &["3", "3"], &["+3"], &[""]] {
            assert!(check(response(Body::full("abc", None), lengths), &Method::GET).is_err(), "{lengths:?}");
        }
        assert!(check(response(Body::full("abc", None), &["3"]), &Method::GET).is_ok());
        assert!(check(response(Body::empty(), &["3"]), &Method::HEAD).is_ok());
    }

    #[tokio::test]
    async fn a_stream_has_to_keep_its_word() {
        for (length, good) in [("5", false), ("6", true), ("7", false)] {
            let checked = check(response(stream(&["abc", "def"]), &[length]), &Method::GET).unwrap();
            assert_eq!(checked.into_body().collect().await.is_ok(), good, "{length}");
        }
    }

    #[test]
    fn informational_statuses_and_floods_of_headers_are_nonsense() {
        let mut switching = Response::new(Body::empty());
        *switching.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        assert!(check(switching, &Method::GET).is_err());
        let mut many = Response::new(Body::empty());
        for _ in 0..=HEADERS_MAX {
            many.headers_mut().append("x", HeaderValue::from_static("y"));
        }
        assert!(check(many, &Method::GET).is_err());
    }
}
