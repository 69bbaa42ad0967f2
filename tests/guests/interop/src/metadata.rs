//! Metadata that comes back: of one key ahead of the response, of the other one after it.
//!
//! Around the service and not in it, because tonic's handlers have no way to say anything after a response that is one
//! message.

use hostel_sdk::{
    axum::{body::Body, extract::Request, middleware::Next, response::Response},
    http::HeaderName,
};
use http_body_util::BodyExt;

const INITIAL: HeaderName = HeaderName::from_static("x-grpc-test-echo-initial");
const TRAILING: HeaderName = HeaderName::from_static("x-grpc-test-echo-trailing-bin");

pub(crate) async fn echoed(request: Request, next: Next) -> Response {
    let initial = request.headers().get(INITIAL).cloned();
    let trailing = request.headers().get(TRAILING).cloned();
    let mut response = next.run(request).await;
    if let Some(value) = initial {
        response.headers_mut().insert(INITIAL, value);
    }
    let Some(value) = trailing else { return response };
    response.map(|body| {
        Body::new(body.map_frame(move |mut frame| {
            if let Some(trailers) = frame.trailers_mut() {
                trailers.insert(TRAILING, value.clone());
            }
            frame
        }))
    })
}
