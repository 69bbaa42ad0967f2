//! The service of gRPC's interop tests, `grpc.testing.TestService`, with the features that the tests ask of a server.
//!
//! `grpc.testing.UnimplementedService`, which they ask for as well, is nowhere to be found here: that is what it is for.
//!
//! Source: grpc/grpc, doc/interop-test-descriptions.md, section Server.

mod compression;
mod metadata;
mod service;

use hostel_sdk::axum::{Router, middleware};
use pb::test_service_server::TestServiceServer;

#[allow(clippy::all, clippy::allow_attributes_without_reason, reason = "generated")]
mod pb {
    hostel_sdk::tonic::include_proto!("grpc.testing");
}

fn app() -> Router {
    hostel_sdk::grpc(TestServiceServer::new(service::TestService))
        .layer(middleware::from_fn(compression::as_wished))
        .layer(middleware::from_fn(metadata::echoed))
}

hostel_sdk::serve!(app);
hostel_sdk::descriptors!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
hostel_sdk::manifest!("manifest.toml");
