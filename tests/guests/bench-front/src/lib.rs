//! The front of the benchmark: plain routes, and routes that call the service `bench-greeter`.
//!
//! Everything that is measured is in `routes.rs`, which the benchmark's native server includes too.

mod routes;

use axum::{http::StatusCode, routing::get};
use hostel_sdk::{config, sleep as pause};

#[allow(clippy::all, reason = "generated")]
mod pb {
    tonic::include_proto!("hostel.bench.v1");
}

/// What carries calls to the greeter.
type Transport = hostel_sdk::Channel;

fn app() -> axum::Router {
    routes::app(routes::Greeter::new(hostel_sdk::channel("bench-greeter"))).route("/release", get(release))
}

/// The value `release` of the manifest, by which the copies of this module that replace each other are told apart.
async fn release() -> Result<String, StatusCode> {
    match config::get("release") {
        Ok(release) => Ok(release.unwrap_or_default()),
        Err(_) => Err(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

hostel_sdk::serve!(app);
