//! What is known of the endpoints, for status and metrics.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::core::Core;
use super::endpoint::Endpoint;
use super::{Attributes, Key, NoEndpoint};
use crate::policy::breaker::BreakerState;

/// The endpoints of a service at one time. What is counted is counted since the beginning.
#[derive(Clone, Debug)]
pub struct Snapshot<K> {
    /// All endpoints, those without weight included.
    pub endpoints: Vec<EndpointSnapshot<K>>,
    /// Calls under way from this node to the service.
    pub in_flight: u32,
    /// Whether ejections are ignored because too few endpoints are healthy.
    pub panics: bool,
    /// Retries that could be made now.
    pub budget_left: u64,
    /// Retries made.
    pub retries: u64,
    /// Retries not made for lack of budget.
    pub retries_refused: u64,
    /// Calls refused because they would have been late.
    pub shed: u64,
    /// Calls refused because too many were under way.
    pub saturated: u64,
    /// Calls refused because all endpoints had failed too often.
    pub failing: u64,
}

/// An endpoint at one time.
#[derive(Clone, Debug)]
pub struct EndpointSnapshot<K> {
    /// Which.
    pub key: K,
    /// What it is.
    pub attributes: Attributes,
    /// The breaker.
    pub breaker: BreakerState,
    /// Until when it is ejected, if it is.
    pub ejected_until: Option<Instant>,
    /// Calls under way.
    pub in_flight: u32,
    /// The latency it is balanced by, while it is known.
    pub latency: Option<Duration>,
    /// The recent share of successes it is balanced by, from 0 to 1.
    pub successes: f64,
    /// Calls that were sent to it.
    pub picks: u64,
    /// Calls that failed there.
    pub failures: u64,
    /// How often it has been ejected.
    pub ejections: u64,
    /// How often its breaker has opened.
    pub opens: u64,
}

impl<K: Key> Snapshot<K> {
    pub(super) fn new(core: &Core, members: &[(Arc<Endpoint<K>>, Attributes)], now: Instant) -> Self {
        let settings = core.settings();
        let (retries, retries_refused) = core.budget.totals();
        let endpoint = |(endpoint, attributes): &(Arc<Endpoint<K>>, Attributes)| {
            let state = endpoint.state();
            let decay = settings.balance.decay();
            EndpointSnapshot {
                key: endpoint.key().clone(),
                attributes: *attributes,
                breaker: state.breaker.state(),
                ejected_until: state.streak.until().filter(|until| now < *until),
                in_flight: endpoint.calls.in_flight(),
                latency: state.latency.latency(now, decay).map(Duration::from_secs_f64),
                successes: state.latency.successes(now, decay),
                picks: state.picks,
                failures: state.failures,
                ejections: state.streak.ejections(),
                opens: state.breaker.opens(),
            }
        };
        Self {
            endpoints: members.iter().map(endpoint).collect(),
            in_flight: core.calls.in_flight(),
            panics: core.panics(now, core.stamp(now), &settings),
            budget_left: core.budget.left(now, &settings.retry),
            retries,
            retries_refused,
            shed: core.refused(NoEndpoint::Shed),
            saturated: core.refused(NoEndpoint::Saturated),
            failing: core.refused(NoEndpoint::Failing),
        }
    }
}
