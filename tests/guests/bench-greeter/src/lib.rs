//! The greeter of the benchmark: a gRPC service, with its descriptors.
//!
//! The service itself is in `greeter.rs`, which the benchmark's native server includes too.

mod greeter;

#[allow(clippy::all, reason = "generated")]
mod pb {
    tonic::include_proto!("hostel.bench.v1");
}

fn app() -> axum::Router {
    tonic::service::Routes::new(greeter::service()).into_axum_router()
}

hostel_sdk::serve!(app);
hostel_sdk::descriptors!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
