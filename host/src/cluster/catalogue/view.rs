//! What readers see: services and their endpoints, shared between snapshots as far as nothing changed.
//!
//! A snapshot is a fixed number of shards. The writer changes its own copy and makes a shard, and a service's list,
//! its own when it first touches it after a snapshot was taken; a batch of changes to one service so costs one copy of
//! its list, and publishing costs one reference count per shard.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use super::Endpoint;
use crate::call::ServiceName;
use crate::cluster::node::{NodeId, Presence};

/// Enough that a shard stays small with tens of thousands of services; a power of two.
const SHARDS: usize = 256;

type Shard = HashMap<ServiceName, Arc<Endpoints>>;

/// All endpoints of one service.
#[derive(Clone, Debug, Default)]
pub struct Endpoints {
    list: Vec<Arc<Endpoint>>,
    revision: u64,
}

impl Endpoints {
    /// Ordered by node and version. Never empty in a snapshot.
    #[must_use]
    pub fn list(&self) -> &[Arc<Endpoint>] {
        &self.list
    }

    /// Differs whenever the list does: what is derived from a list can be kept with it.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    fn find(&self, node: NodeId, version: &str) -> Result<usize, usize> {
        self.list.binary_search_by(|held| (held.presence.node().id(), &*held.offer.version).cmp(&(node, version)))
    }
}

/// The catalogue at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    shards: Arc<[Arc<Shard>]>,
    nodes: Arc<HashMap<NodeId, Arc<Presence>>>,
    hasher: RandomState,
    revision: u64,
    len: usize,
}

impl Snapshot {
    /// The endpoints of `service` on other nodes; `None` when no member serves it.
    #[must_use]
    pub fn service(&self, service: &str) -> Option<&Arc<Endpoints>> {
        self.shards.get(shard_of(&self.hasher, service))?.get(service)
    }

    /// All services that other nodes serve, in no order.
    pub fn services(&self) -> impl Iterator<Item = (&ServiceName, &Arc<Endpoints>)> {
        self.shards.iter().flat_map(|shard| shard.iter())
    }

    /// Another node, if it is a member.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&Arc<Presence>> {
        self.nodes.get(&id)
    }

    /// All other members, in no order.
    pub fn nodes(&self) -> impl Iterator<Item = &Arc<Presence>> {
        self.nodes.values()
    }

    /// Grows with every change.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// How many endpoints there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

fn shard_of(hasher: &RandomState, service: &str) -> usize {
    hasher.hash_one(service) as usize % SHARDS
}

/// The writer's side.
#[derive(Debug)]
pub(super) struct View {
    shards: Vec<Arc<Shard>>,
    nodes: Arc<HashMap<NodeId, Arc<Presence>>>,
    hasher: RandomState,
    revision: u64,
    len: usize,
    changed: bool,
}

impl View {
    pub(super) fn new() -> Self {
        let shards = (0..SHARDS).map(|_| Arc::default()).collect();
        Self { shards, nodes: Arc::default(), hasher: RandomState::new(), revision: 0, len: 0, changed: false }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            shards: self.shards.iter().cloned().collect(),
            nodes: Arc::clone(&self.nodes),
            hasher: self.hasher.clone(),
            revision: self.revision,
            len: self.len,
        }
    }

    /// Whether anything has changed since this was asked last.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    fn touch(&mut self) -> u64 {
        self.changed = true;
        self.revision += 1;
        self.revision
    }

    pub(super) fn add_node(&mut self, presence: Arc<Presence>) {
        self.touch();
        Arc::make_mut(&mut self.nodes).insert(presence.node().id(), presence);
    }

    pub(super) fn remove_node(&mut self, id: NodeId) {
        self.touch();
        Arc::make_mut(&mut self.nodes).remove(&id);
    }

    /// Adds an endpoint, or replaces that of the same node and version.
    pub(super) fn put(&mut self, endpoint: &Arc<Endpoint>) {
        let revision = self.touch();
        let service = &endpoint.offer.service;
        let Some(shard) = self.shards.get_mut(shard_of(&self.hasher, service.as_str())) else { return };
        let endpoints = Arc::make_mut(Arc::make_mut(shard).entry(service.clone()).or_default());
        endpoints.revision = revision;
        match endpoints.find(endpoint.presence.node().id(), &endpoint.offer.version) {
            Ok(at) => {
                if let Some(held) = endpoints.list.get_mut(at) {
                    *held = Arc::clone(endpoint);
                }
            }
            Err(at) => {
                endpoints.list.insert(at, Arc::clone(endpoint));
                self.len += 1;
            }
        }
    }

    pub(super) fn remove(&mut self, node: NodeId, service: &str, version: &str) {
        let shard_at = shard_of(&self.hasher, service);
        let Some(at) = self
            .shards
            .get(shard_at)
            .and_then(|shard| shard.get(service))
            .and_then(|endpoints| endpoints.find(node, version).ok())
        else {
            return;
        };
        let revision = self.touch();
        self.len -= 1;
        let Some(shard) = self.shards.get_mut(shard_at).map(Arc::make_mut) else { return };
        let Some(endpoints) = shard.get_mut(service).map(Arc::make_mut) else { return };
        endpoints.list.remove(at);
        endpoints.revision = revision;
        if endpoints.list.is_empty() {
            shard.remove(service);
        }
    }
}
