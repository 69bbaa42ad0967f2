//! The operators' side: health, metrics, and what is running. The only place that turns snapshots into JSON.

mod client;
mod cluster;
mod endpoints;
mod out;
mod report;
pub mod settings;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::modules::{Deployments, Status};
use crate::observe::metrics::{CONTENT_TYPE, Metrics};
use crate::router;
use cluster::ClusterMetrics;

pub use client::{ClientError, fetch_cluster, fetch_status};
pub use cluster::{
    ClientReport, ClusterReport, ClusterView, CountersReport, LinkReport, MemberReport, NodeReport, ServedReport,
    ServerReport, SuspectedBy,
};
use endpoints::EndpointMetrics;
pub use endpoints::{CalledService, EndpointReport};
pub use report::{HostReport, ModuleReport, Report};
pub use settings::Settings;

/// Whether the host takes work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Modules that were there at the start are being loaded.
    Starting,
    /// It serves.
    Ready,
    /// It takes no more work and ends when what is in flight has ended.
    Draining,
}

/// What the operators' side shows.
#[derive(Clone)]
pub struct Admin(Arc<Shared>);

struct Shared {
    deployments: Deployments,
    router: router::Router,
    status: Status,
    metrics: Metrics,
    readiness: watch::Receiver<Readiness>,
    host: HostReport,
    cluster: Option<Cluster>,
}

struct Cluster {
    view: ClusterView,
    metrics: ClusterMetrics,
}

/// Where calls come in.
#[derive(Clone, Debug)]
pub struct EdgeAt {
    /// The address the edge is bound to.
    pub address: SocketAddr,
    /// The same as a URL, which says whether it speaks TLS.
    pub url: String,
}

impl Admin {
    /// `edge` is where calls come in; `cluster` is there when the host is in one. Adds the metrics of the
    /// cluster and of endpoints to `metrics`, so it is made once.
    pub fn new(
        deployments: Deployments,
        router: router::Router,
        status: Status,
        metrics: Metrics,
        readiness: watch::Receiver<Readiness>,
        edge: EdgeAt,
        cluster: Option<ClusterView>,
    ) -> Self {
        let host = HostReport::new(edge, SystemTime::now());
        let cluster = cluster.map(|view| {
            let collector = ClusterMetrics::new(view.clone());
            metrics.register_collector(Box::new(collector.clone()));
            Cluster { view, metrics: collector }
        });
        metrics.register_collector(Box::new(EndpointMetrics::new(router.clone())));
        Self(Arc::new(Shared { deployments, router, status, metrics, readiness, host, cluster }))
    }

    /// Answers until `stop`.
    ///
    /// # Errors
    ///
    /// When the listener fails.
    pub async fn run(self, listener: TcpListener, stop: CancellationToken) -> std::io::Result<()> {
        axum::serve(listener, self.routes()).with_graceful_shutdown(stop.cancelled_owned()).await
    }

    fn routes(self) -> Router {
        Router::new()
            .route("/", get(index))
            .route("/livez", get(|| async { "ok\n" }))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .route("/api/v1/status", get(status))
            .route("/api/v1/cluster", get(cluster::cluster))
            .with_state(self.0)
    }
}

const INDEX: &str = "hostel admin

/livez           the process runs
/readyz          it takes work
/metrics         Prometheus
/api/v1/status   what runs, as JSON
/api/v1/cluster  who is in the cluster, as JSON
";

async fn index() -> &'static str {
    INDEX
}

async fn readyz(State(shared): State<Arc<Shared>>) -> (StatusCode, &'static str) {
    match *shared.readiness.borrow() {
        Readiness::Ready => (StatusCode::OK, "ready\n"),
        Readiness::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting: modules are being loaded\n"),
        Readiness::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
    }
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    if let Some(cluster) = &shared.cluster {
        cluster.metrics.sample().await;
    }
    // It reads files below /proc.
    match tokio::task::spawn_blocking(move || shared.metrics.encode()).await {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn status(State(shared): State<Arc<Shared>>) -> axum::Json<Report> {
    let readiness = *shared.readiness.borrow();
    axum::Json(Report::new(&shared.host, readiness, &shared.status, &shared.deployments, &shared.router))
}
