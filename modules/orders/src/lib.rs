//! The service `orders`: place, pay, ship.
//!
//! People place and read orders over HTTP ([`http`]), other services look them up over gRPC ([`grpc`]). What an order is
//! stands in [`order`], where orders are kept in [`book`], and how one gets from placed to paid or failed, whatever
//! breaks on the way, in [`placing`]. [`ports`] are the services it needs for that.
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

mod book;
mod grpc;
mod http;
mod order;
mod placing;
mod ports;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use shop_common::identity::{Identity, Users};
use shop_common::settings::Settings;
use shop_common::store::{Kv, Table};

use crate::book::Book;
use crate::placing::Placing;

mod pb {
    //! Generated from the shop's protos.

    pub(crate) mod catalog {
        #![allow(clippy::all, clippy::allow_attributes_without_reason, unreachable_pub, reason = "generated")]
        tonic::include_proto!("shop.catalog.v1");
    }
    pub(crate) mod orders {
        #![allow(clippy::all, clippy::allow_attributes_without_reason, unreachable_pub, reason = "generated")]
        tonic::include_proto!("shop.orders.v1");
    }
    pub(crate) mod payments {
        #![allow(clippy::all, clippy::allow_attributes_without_reason, unreachable_pub, reason = "generated")]
        tonic::include_proto!("shop.payments.v1");
    }
}

hostel_sdk::manifest!("manifest.toml");
hostel_sdk::descriptors!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
hostel_sdk::serve!(app);

/// Everything a request may need.
#[derive(Clone)]
struct Service {
    placing: Placing,
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
    let book = Book {
        orders: Table::new(Arc::new(Kv::new("orders"))),
        counters: Table::new(Arc::new(Kv::new("order-counters"))),
        index: Table::new(Arc::new(Kv::new("orders-by-user"))),
        unfinished: Table::new(Arc::new(Kv::new("unfinished-orders"))),
    };
    router(Service {
        placing: Placing {
            book,
            catalog: Arc::new(ports::GrpcCatalog::default()),
            payments: Arc::new(ports::GrpcPayments::default()),
        },
        identity: Arc::new(Users::default()),
        settings: Settings::of_host(),
    })
}

fn router(service: Service) -> Router {
    let routes = http::routes(service.clone());
    shop_common::app::finish(grpc::add_to(routes, service))
}
