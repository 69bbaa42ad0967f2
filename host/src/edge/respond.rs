//! What is done to every response on its way out.

use http::StatusCode;
use http::header::CONTENT_LENGTH;
use http_body::Body as _;

use crate::call::{Body, Response, header};

/// Takes off what belongs to the host or to another connection.
pub(super) fn finish_headers(mut response: Response) -> Response {
    header::sanitize(response.headers_mut());
    // The length of a body that has none by definition would make clients wait for it.
    if matches!(response.status(), StatusCode::NO_CONTENT) {
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    response
}

/// The answer to a `HEAD`: the headers of the answer to a `GET`, and nothing after them. HTTP/1.1's connections see to that
/// themselves, those of HTTP/2 do not.
///
/// Source: RFC 9110, section 9.3.2.
pub(super) fn without_body(response: Response) -> Response {
    let length = response.body().size_hint().exact().filter(|length| *length > 0);
    let mut response = response.map(|_| Body::empty());
    if let Some(length) = length {
        response.headers_mut().entry(CONTENT_LENGTH).or_insert(length.into());
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_a_head_says_how_long_it_would_be() {
        let answer = |body: Body| without_body(Response::new(body));
        let whole = answer(Body::full("four", None));
        assert_eq!(whole.headers()[CONTENT_LENGTH], "4");
        assert!(whole.body().is_end_stream());
        assert!(answer(Body::empty()).headers().is_empty());
    }
}
