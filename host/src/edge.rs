//! Where calls come in from outside: sockets become calls, outcomes become responses.
//!
//! HTTP/1.1, HTTP/2 and gRPC share one port, with TLS or without. An edge trusts nothing that comes in: identity headers are
//! dropped, time-outs are capped, everything has a size and a time limit.

mod activity;
mod body;
mod connection;
mod counters;
mod frames;
mod listener;
mod platform;
mod request;
mod respond;
mod settings;
mod tls;
mod transport;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::modules::Deployments;
use crate::observe::access::AccessLog;
use crate::observe::metrics::Metrics;
use crate::router::Router;
use crate::transcode::adapter::Limits;
use crate::transcode::budget::Budget;
use crate::transcode::frame::FrameLimits;

pub use listener::{Listener, bind};
pub use settings::Settings;
pub use tls::{Tls, TlsError};

use counters::Counters;
use platform::Platform;

/// What all connections of an edge share.
#[derive(Clone)]
pub struct Edge(Arc<Shared>);

struct Shared {
    settings: Settings,
    deployments: Deployments,
    router: Router,
    metrics: Metrics,
    access: AccessLog,
    counters: Counters,
    platform: Platform,
    limits: Limits,
}

impl Edge {
    /// An edge that finds services in `deployments` and calls them through `router`, until the host begins to leave.
    pub fn new(
        settings: Settings,
        deployments: Deployments,
        router: Router,
        metrics: Metrics,
        access: AccessLog,
        leaving: CancellationToken,
    ) -> Self {
        let counters = Counters::register(&metrics);
        let limits = Limits {
            frames: FrameLimits { message_bytes_max: settings.message_bytes_max as usize },
            budget: Budget::new(usize::try_from(settings.buffered_bytes_max).unwrap_or(usize::MAX)),
        };
        let platform = Platform::new(deployments.clone(), leaving, settings.reflection, settings.openapi);
        Self(Arc::new(Shared { settings, deployments, router, metrics, access, counters, platform, limits }))
    }
}
