//! Where calls come in from outside: sockets become calls, outcomes become responses.
//!
//! HTTP/1.1, HTTP/2 without TLS and gRPC share one port. An edge trusts nothing that comes in: identity headers are
//! dropped, time-outs are capped, everything has a size and a time limit.

mod activity;
mod body;
mod connection;
mod listener;
mod request;
mod respond;
mod settings;

use std::sync::Arc;

use crate::modules::Deployments;
use crate::observe::access::AccessLog;
use crate::observe::metrics::Metrics;
use crate::router::Router;

pub use listener::{Listener, bind};
pub use settings::Settings;

/// What all connections of an edge share.
#[derive(Clone)]
pub struct Edge(Arc<Shared>);

struct Shared {
    settings: Settings,
    deployments: Deployments,
    router: Router,
    metrics: Metrics,
    access: AccessLog,
}

impl Edge {
    /// An edge that finds services in `deployments` and calls them through `router`.
    pub fn new(
        settings: Settings,
        deployments: Deployments,
        router: Router,
        metrics: Metrics,
        access: AccessLog,
    ) -> Self {
        Self(Arc::new(Shared { settings, deployments, router, metrics, access }))
    }
}
