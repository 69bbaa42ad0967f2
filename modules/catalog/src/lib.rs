//! The service `catalog`: what the shop sells, how much of it is left, and what people have in their carts.
//!
//! People and the operator use HTTP ([`http`]), `orders` uses gRPC ([`grpc`]). The rules are in [`shelf`] (products),
//! [`stock`] (reservations) and [`cart`].
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

mod cart;
mod grpc;
mod http;
mod product;
mod seed;
mod shelf;
mod stock;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use shop_common::clock;
use shop_common::identity::{Identity, Users};
use shop_common::settings::Settings;
use shop_common::store::{Kv, Table};

use crate::cart::Carts;
use crate::shelf::Shelf;
use crate::stock::Stock;

mod pb {
    #![allow(clippy::all, clippy::allow_attributes_without_reason, unreachable_pub, reason = "generated")]
    tonic::include_proto!("shop.catalog.v1");
}

hostel_sdk::manifest!("manifest.toml");
hostel_sdk::descriptors!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
hostel_sdk::serve!(app);

/// Everything a request may need.
#[derive(Clone)]
struct Service {
    shelf: Shelf,
    stock: Stock,
    carts: Carts,
    identity: Arc<dyn Identity>,
    settings: Settings,
}

impl FromRef<Service> for Settings {
    fn from_ref(service: &Service) -> Self {
        service.settings.clone()
    }
}

impl FromRef<Service> for Arc<dyn Identity> {
    fn from_ref(service: &Service) -> Self {
        service.identity.clone()
    }
}

fn app() -> Router {
    let shelf = Shelf { products: Table::new(Arc::new(Kv::new("products"))) };
    let service = Service {
        stock: Stock { shelf: shelf.clone(), reservations: Table::new(Arc::new(Kv::new("reservations"))) },
        carts: Carts { carts: Table::new(Arc::new(Kv::new("carts"))) },
        shelf,
        identity: Arc::new(Users::default()),
        settings: Settings::of_host(),
    };
    // Here, because it is reached once per instance and before any request can see an empty shop.
    if service.settings.get("seed_demo").as_deref() == Some("true")
        && let Err(error) = seed::fill(&service.shelf, clock::now_ms())
    {
        tracing::error!(%error, "the demo products are not complete");
    }
    router(service)
}

fn router(service: Service) -> Router {
    let routes = http::routes(service.clone());
    shop_common::app::finish(grpc::add_to(routes, service))
}
