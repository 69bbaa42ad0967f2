//! The service `payments`: one payment per order.
//!
//! `orders` charges and refunds over gRPC ([`grpc`]); the operator reads and refunds over HTTP ([`http`]). The rules
//! are in [`ledger`], and [`processor`] stands where a card processor would.
#![cfg_attr(
    test,
    allow(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used,
        reason = "in a test a panic is a failure"
    )
)]

mod grpc;
mod http;
mod ledger;
mod processor;

use std::sync::Arc;

use axum::Router;
use shop_common::settings::Settings;
use shop_common::store::{Kv, Table};

use crate::ledger::Ledger;

mod pb {
    #![allow(clippy::all, clippy::allow_attributes_without_reason, unreachable_pub, reason = "generated")]
    tonic::include_proto!("shop.payments.v1");
}

hostel_sdk::manifest!("manifest.toml");
hostel_sdk::descriptors!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
hostel_sdk::serve!(app);

fn app() -> Router {
    let payments = Table::new(Arc::new(Kv::new("payments")));
    router(Ledger { payments }, Settings::of_host())
}

fn router(ledger: Ledger, settings: Settings) -> Router {
    let routes = http::routes(ledger.clone(), settings.clone());
    shop_common::app::finish(grpc::add_to(routes, ledger, settings))
}
