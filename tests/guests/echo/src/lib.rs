//! Every feature of the SDK behind an HTTP route, and a gRPC service with every kind of call.

mod faults;
mod grpc;
mod routes;
mod storage;

use hostel_sdk::axum::Router;

#[allow(clippy::all, clippy::allow_attributes_without_reason, reason = "generated")]
mod pb {
    hostel_sdk::tonic::include_proto!("hostel.test.v1");
}

fn app() -> Router {
    let echo = pb::echo_server::EchoServer::new(grpc::Echo);
    routes::router().merge(storage::router()).merge(hostel_sdk::grpc(echo))
}

hostel_sdk::serve!(app);
hostel_sdk::descriptors!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
hostel_sdk::manifest!("manifest.toml");
