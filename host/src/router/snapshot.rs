//! What is known of the endpoints of services, for status and metrics.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::time::Instant;

use super::Shared;
use super::node_key::NodeKey;
use crate::call::ServiceName;
use crate::peer::NodeName;
use crate::policy::endpoints::Snapshot;
use crate::policy::settings::Settings;

/// A service that has been called, and its endpoints.
#[derive(Clone, Debug)]
pub struct LaneSnapshot {
    /// The service.
    pub service: ServiceName,
    /// Its endpoints, and what was refused for want of one.
    pub policies: Snapshot<NodeKey>,
    /// The names of the other nodes among the endpoints; the one that is missing is this node.
    pub nodes: HashMap<NodeKey, NodeName>,
    /// What the policies are set to.
    pub settings: Arc<Settings>,
}

pub(super) fn of(shared: &Shared) -> Vec<LaneSnapshot> {
    let now = Instant::now();
    let lanes = shared.lanes.services().into_iter();
    let lanes = lanes.filter_map(|service| {
        // Nobody may have called it since something changed. What nobody serves any more has no endpoints.
        let (endpoints, view) = shared.lanes.find(shared, &service)?;
        Some(LaneSnapshot {
            policies: endpoints.snapshot(now),
            nodes: view.nodes(),
            settings: view.policy().clone(),
            service,
        })
    });
    lanes.collect()
}
