//! The lanes of all services that have been called.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use super::Shared;
use super::lane::{Lane, Sources, View};
use super::node_key::NodeKey;
use crate::call::ServiceName;
use crate::policy::endpoints::Endpoints;

/// So many lanes are kept before it is looked which of them are of services that are gone.
const KEPT_MIN: usize = 256;

#[derive(Default)]
pub(super) struct Lanes(RwLock<HashMap<ServiceName, Arc<Lane>>>);

impl Lanes {
    /// The lane of a service, in step with what is deployed; `None` when nobody serves it.
    pub(super) fn find(&self, shared: &Shared, service: &ServiceName) -> Option<(Arc<Endpoints<NodeKey>>, Arc<View>)> {
        Sources::with(shared, service, |sources| {
            if sources.local.is_none() && sources.listed.is_none() {
                return None;
            }
            if let Some(lane) = self.read().get(service) {
                return Some(lane.current(shared, sources));
            }
            Some(self.add(shared, service, sources).current(shared, sources))
        })
    }

    fn add(&self, shared: &Shared, service: &ServiceName, sources: &Sources<'_>) -> Arc<Lane> {
        let mut lanes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if lanes.len() >= KEPT_MIN && lanes.len().is_power_of_two() {
            // Services come and go; their lanes must not only come.
            lanes.retain(|service, _| {
                Sources::with(shared, service, |kept| kept.local.is_some() || kept.listed.is_some())
            });
        }
        lanes.entry(service.clone()).or_insert_with(|| Arc::new(Lane::new(shared, service, sources))).clone()
    }

    /// The services that have one, by name.
    pub(super) fn services(&self) -> Vec<ServiceName> {
        let mut all: Vec<_> = self.read().keys().cloned().collect();
        all.sort_unstable();
        all
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<ServiceName, Arc<Lane>>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}
