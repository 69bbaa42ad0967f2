//! What operators see of the cluster: members, what they serve, and the links to them.

mod metrics;
mod report;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::{Readiness, Shared};
use crate::cluster::{self, Status};
use crate::peer;

pub(super) use metrics::ClusterMetrics;
pub use report::{
    ClientReport, ClusterReport, CountersReport, LinkReport, MemberReport, NodeReport, ServedReport, ServerReport,
    SuspectedBy,
};

/// What the route answers, with 404, when the host is in no cluster.
pub(super) const NOT_CLUSTERED: &str = "this host is in no cluster; `hostel up --cluster DIR` makes it join one\n";

/// How long the membership may take to say what it knows. Its task does nothing that takes time, so this only ends when
/// something is wrong.
const STATUS_TIMEOUT: Duration = Duration::from_secs(2);

/// Where the cluster is looked at.
#[derive(Clone)]
pub struct ClusterView {
    /// Membership and catalogue.
    pub handle: cluster::Handle,
    /// Links to others.
    pub client: peer::Client,
    /// Links of others to here.
    pub server: peer::Server,
    /// The cluster's name.
    pub name: String,
    /// When the certificate in use expires; it changes when the certificate is renewed.
    pub certificate_expires: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

/// Why the membership says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Unavailable {
    #[error("this host has left its cluster")]
    Left,
    #[error("the membership did not answer within {} s", STATUS_TIMEOUT.as_secs())]
    Silent,
}

impl ClusterView {
    async fn status(&self) -> Result<Status, Unavailable> {
        match tokio::time::timeout(STATUS_TIMEOUT, self.handle.status()).await {
            Ok(answer) => answer.map_err(|_| Unavailable::Left),
            Err(_) => Err(Unavailable::Silent),
        }
    }
}

pub(super) async fn cluster(State(shared): State<Arc<Shared>>) -> Response {
    let Some(cluster) = &shared.cluster else {
        return (StatusCode::NOT_FOUND, NOT_CLUSTERED).into_response();
    };
    let status = match cluster.view.status().await {
        Ok(status) => status,
        Err(error) => return (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    };
    let draining = *shared.readiness.borrow() == Readiness::Draining;
    let shared = Arc::clone(&shared);
    // A large catalogue takes a while, and gossip is on this thread.
    let reporting = tokio::task::spawn_blocking(move || {
        let cluster = shared.cluster.as_ref()?;
        Some(ClusterReport::new(&cluster.view, &status, &shared.deployments, draining))
    });
    match reporting.await {
        Ok(Some(report)) => axum::Json(report).into_response(),
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
