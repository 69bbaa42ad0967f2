//! The service `users`: who the shop's customers are.
//!
//! People register, log in and edit their profile over HTTP ([`http`]); other services ask whose a token is over gRPC
//! ([`grpc`]). The rules are in [`directory`].
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

mod account;
mod directory;
mod grpc;
mod http;
mod password;

use std::sync::Arc;

use axum::Router;
use shop_common::settings::Settings;
use shop_common::store::{Kv, Table};

use crate::directory::Directory;

mod pb {
    #![allow(clippy::all, clippy::allow_attributes_without_reason, unreachable_pub, reason = "generated")]
    tonic::include_proto!("shop.users.v1");
}

hostel_sdk::manifest!("manifest.toml");
hostel_sdk::descriptors!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
hostel_sdk::serve!(app);

fn app() -> Router {
    let directory = Directory {
        accounts: Table::new(Arc::new(Kv::new("accounts"))),
        sessions: Table::new(Arc::new(Kv::new("sessions"))),
    };
    router(directory, Settings::of_host())
}

fn router(directory: Directory, settings: Settings) -> Router {
    let routes = http::routes(directory.clone(), settings.clone());
    shop_common::app::finish(grpc::add_to(routes, directory, settings))
}
