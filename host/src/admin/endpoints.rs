//! The endpoints of services as the policies see them: in the status, and in metrics.

mod metrics;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::policy::breaker::BreakerState;
use crate::policy::endpoints::EndpointSnapshot;
use crate::policy::settings::Settings;
use crate::router::{LaneSnapshot, NodeKey};

pub(super) use metrics::EndpointMetrics;

/// A service that has been called from this host, and where such calls go. What is counted is counted since then.
#[derive(Debug, Serialize, Deserialize)]
pub struct CalledService {
    /// The service.
    pub service: String,
    /// Calls under way.
    pub in_flight: u32,
    /// Whether ejections are ignored because too few endpoints are healthy.
    pub panics: bool,
    /// Retries made.
    pub retries: u64,
    /// Retries that could be made now.
    pub retry_budget: u64,
    /// Retries not made because too many calls were being retried.
    pub retries_refused: u64,
    /// Calls refused because they would have been late.
    pub shed: u64,
    /// Calls refused because too many were under way.
    pub saturated: u64,
    /// Calls refused because all endpoints had failed too often.
    pub failing: u64,
    /// Where calls go.
    pub endpoints: Vec<EndpointReport>,
    /// What the policies are set to.
    pub policy: Settings,
}

/// A service on one node.
#[derive(Debug, Serialize, Deserialize)]
pub struct EndpointReport {
    /// The node; absent when it is this host. Of nodes with one name, with the beginning of their ids.
    pub node: Option<String>,
    /// `local`, `zone` or `elsewhere`.
    pub locality: Cow<'static, str>,
    /// `closed`, `open` or `half-open`.
    pub breaker: Cow<'static, str>,
    /// For how many more seconds it gets no calls because it failed more often than others.
    pub ejected_s: Option<f64>,
    /// Calls under way.
    pub in_flight: u32,
    /// The latency it is balanced by, in milliseconds, while it is known.
    pub latency_ms: Option<f64>,
    /// The recent share of successes, from 0 to 1.
    pub successes: f64,
    /// Calls sent to it.
    pub calls: u64,
    /// Calls that failed there.
    pub failures: u64,
    /// How often it has been ejected.
    pub ejections: u64,
    /// How often its breaker has opened.
    pub breaker_opens: u64,
}

impl CalledService {
    pub(super) fn new(lane: &LaneSnapshot) -> Self {
        let now = Instant::now();
        let policies = &lane.policies;
        let endpoint = |endpoint: &EndpointSnapshot<_>| EndpointReport {
            node: name(lane, &endpoint.key),
            locality: endpoint.attributes.locality.as_str().into(),
            breaker: breaker_text(endpoint.breaker).into(),
            ejected_s: endpoint.ejected_until.map(|until| until.saturating_duration_since(now).as_secs_f64()),
            in_flight: endpoint.in_flight,
            latency_ms: endpoint.latency.map(|latency| latency.as_secs_f64() * 1e3),
            successes: endpoint.successes,
            calls: endpoint.picks,
            failures: endpoint.failures,
            ejections: endpoint.ejections,
            breaker_opens: endpoint.opens,
        };
        Self {
            service: lane.service.to_string(),
            in_flight: policies.in_flight,
            panics: policies.panics,
            retries: policies.retries,
            retry_budget: policies.budget_left,
            retries_refused: policies.retries_refused,
            shed: policies.shed,
            saturated: policies.saturated,
            failing: policies.failing,
            endpoints: policies.endpoints.iter().map(endpoint).collect(),
            policy: Settings::clone(&lane.settings),
        }
    }
}

/// The name of another node; with the beginning of its id if a second one has the same name, which should not be, but must
/// not make one of two.
fn name(lane: &LaneSnapshot, key: &NodeKey) -> Option<String> {
    let name = lane.nodes.get(key)?;
    let is_alone = lane.nodes.values().filter(|other| *other == name).count() == 1;
    let id = key.id.to_string();
    Some(if is_alone { name.to_string() } else { format!("{name}#{}", id.get(..8).unwrap_or(&id)) })
}

fn breaker_text(state: BreakerState) -> &'static str {
    match state {
        BreakerState::Closed => "closed",
        BreakerState::Open { .. } => "open",
        BreakerState::HalfOpen => "half-open",
    }
}
