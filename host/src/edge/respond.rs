//! What is done to every response on its way out.

use http::StatusCode;
use http::header::CONTENT_LENGTH;

use crate::call::{Response, header};

/// Takes off what belongs to the host or to another connection.
pub(super) fn finish_headers(mut response: Response) -> Response {
    header::sanitize(response.headers_mut());
    // The length of a body that has none by definition would make clients wait for it.
    if matches!(response.status(), StatusCode::NO_CONTENT) {
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    response
}
