//! The front of the benchmark: plain routes, and routes that call the service `bench-greeter`.
//!
//! Everything that is measured is in `routes.rs`, which the benchmark's native server includes too.

mod routes;

#[allow(clippy::all, reason = "generated")]
mod pb {
    tonic::include_proto!("hostel.bench.v1");
}

/// What carries calls to the greeter.
type Transport = hostel_sdk::Channel;

fn app() -> axum::Router {
    routes::app(routes::Greeter::new(hostel_sdk::channel("bench-greeter")))
}

hostel_sdk::serve!(app);
