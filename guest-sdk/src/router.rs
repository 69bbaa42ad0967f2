//! The application: built once per instance, asked once per call.

use std::{cell::OnceCell, convert::Infallible};

use axum::Router;
use http::{Request, Response, StatusCode, header};
use tower_service::Service;

use crate::{Body, call_info::CallInfo, log};

thread_local! {
    static ROUTER: OnceCell<Router> = const { OnceCell::new() };
}

/// Answers one request with the router that `app` makes, or made.
pub(crate) async fn call(app: fn() -> Router, mut request: Request<Body>) -> Response<axum::body::Body> {
    let mut router = ROUTER.with(|router| {
        router
            .get_or_init(|| {
                log::install();
                app()
            })
            .clone()
    });
    // An axum handler reads it from the headers if it wants it; of those a tonic service sees only the extensions.
    if request.headers().get(header::CONTENT_TYPE).is_some_and(|it| it.as_bytes().starts_with(b"application/grpc")) {
        let info = CallInfo::from_headers(request.headers());
        request.extensions_mut().insert(info);
    }
    let result: Result<_, Infallible> = router.call(request).await;
    match result {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// The answer to a request that makes no sense as HTTP. The host checks requests before, so this is rare.
pub(crate) fn bad_request() -> Response<axum::body::Body> {
    let mut response = Response::new(axum::body::Body::from("the request is malformed\n"));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}
