//! Tells the cluster what is deployed here.

use crate::cluster::Handle;
use crate::cluster::catalogue::{Service, ServiceState};
use crate::modules::{Deployments, Table};

/// The share of each version; there is one of each service.
const WEIGHT: u16 = 100;

/// Publishes what is deployed, now and whenever it changes, until the node has left. To be started when the host serves:
/// what is published gets calls at once.
pub async fn publish(deployments: Deployments, node: Handle) {
    let mut changes = deployments.changes();
    loop {
        changes.mark_unchanged();
        let services = offers(&deployments.table());
        let published = match services.is_empty() {
            // An empty set has to be meant.
            true => node.withdraw_all().await.map(|()| Ok(())),
            false => node.publish(services).await,
        };
        match published {
            Err(_left) => return,
            Ok(Err(error)) => tracing::error!(%error, "the cluster cannot be told what is deployed here"),
            Ok(Ok(())) => {}
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

fn offers(table: &Table) -> Vec<Service> {
    let offer = |deployed: &std::sync::Arc<crate::modules::Deployed>| Service {
        service: deployed.service().clone(),
        version: deployed.version().clone(),
        digest: deployed.digest8(),
        weight: WEIGHT,
        state: ServiceState::Ready,
    };
    table.iter().map(offer).collect()
}
