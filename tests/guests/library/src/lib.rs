//! A library of shelves and books, for clients that know nothing of gRPC: `library.v1.Library`, whose methods have rules for
//! HTTP of every kind, and two routes that are not gRPC at all.
//!
//! Nothing is kept: see `tests/guests/proto/library/v1/library.proto`.

mod books;
mod failures;
mod metadata;
mod service;

use hostel_sdk::axum::{Router, middleware, routing::get};
use pb::library::v1::library_server::LibraryServer;

#[allow(dead_code, clippy::all, clippy::allow_attributes_without_reason, reason = "generated, and not all of it used")]
mod pb {
    pub(crate) mod google {
        pub(crate) mod api {
            hostel_sdk::tonic::include_proto!("google.api");
        }
        pub(crate) mod rpc {
            hostel_sdk::tonic::include_proto!("google.rpc");
        }
    }
    pub(crate) mod library {
        pub(crate) mod v1 {
            hostel_sdk::tonic::include_proto!("library.v1");
        }
    }
}

fn app() -> Router {
    let library = LibraryServer::new(service::Library).max_decoding_message_size(64 << 20);
    hostel_sdk::grpc(library)
        .layer(middleware::from_fn(metadata::trailing))
        .route("/plain", get(async || "plain"))
        .route("/v1/plain", get(async || "plain, among the paths of rules"))
}

hostel_sdk::serve!(app);
hostel_sdk::descriptors!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
hostel_sdk::manifest!("manifest.toml");
