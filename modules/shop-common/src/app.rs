//! What every service's router has besides its own routes.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use http::StatusCode;

use crate::problem::Problem;

/// The largest request body the shop has a use for.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Adds the health check, the answers to what no route takes, and a limit on bodies.
pub fn finish(routes: Router) -> Router {
    routes
        .route("/healthz", get(|| async { "ok" }))
        .fallback(|| async { Problem::not_found("route") })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed")
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}
