//! The endpoints of one service as seen from this node, with what every policy knows of them.
//!
//! [`Endpoints::pick`] chooses one for a call, and the call reports back through what it got: [`Picked`]. Time and
//! randomness are passed in. With one endpoint that is well, picking and recording allocate nothing and take two short
//! locks of that endpoint, so that a call within the process can afford them.
//!
//! Locks are taken in this order: registry, health, an endpoint's state; never two endpoints' at once.

mod core;
mod endpoint;
mod picked;
mod search;
mod snapshot;
mod table;

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rand::Rng;
use tokio::time::Instant;

use self::core::Core;
use crate::call::{CallError, ServiceName};
use crate::policy::balance::Locality;
use crate::policy::retry::Budget;
use crate::policy::settings::Settings;
use endpoint::Endpoint;
use search::Search;
use table::{Member, Table};

pub use picked::Picked;
pub use snapshot::{EndpointSnapshot, Snapshot};

/// For how long an endpoint that is gone is remembered, in case it comes back.
const REMEMBERED: Duration = Duration::from_secs(60);
/// How many of those are remembered.
const REMEMBERED_MAX: usize = 1_024;

/// What identifies an endpoint. The ring hashes it, so all nodes must hash the same endpoint alike, the local one
/// included.
pub trait Key: Clone + Eq + Hash + Debug + Send + Sync + 'static {}

impl<K: Clone + Eq + Hash + Debug + Send + Sync + 'static> Key for K {}

/// What is known of an endpoint besides its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// Where it is.
    pub locality: Locality,
    /// Its part of the calls, relative to the others'. With 0 it gets none.
    pub weight: u32,
    /// Since when it has been ready, as far as this node knows.
    pub since: Instant,
    /// What runs there. When this changes, nothing of what was found out about the endpoint holds any longer: a new
    /// version must not pay for the failures of the one before.
    pub version: u64,
}

/// What matters of a call for choosing its endpoint.
#[derive(Clone, Copy, Debug)]
pub struct PickRequest<'r, K> {
    /// The hash of what the call is to be bound to, see [`crate::policy::balance::hash_key`].
    pub hash: Option<u64>,
    /// Endpoints that have been tried for this call. They are avoided as long as there are others. A call for which
    /// nothing has been tried is a new one and counts for the retry budget.
    pub tried: &'r [K],
    /// By when the answer is needed.
    pub deadline: Instant,
    /// The local endpoint is known to have no room.
    pub local_is_full: bool,
}

/// Why no endpoint was found. None of them was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoEndpoint {
    /// There is none.
    #[error("it is nowhere to be found")]
    Empty,
    /// Those that could take the call have no room.
    #[error("too many calls to it are under way")]
    Saturated,
    /// Those that could take the call would be late.
    #[error("it is too slow at present to answer in time")]
    Shed,
    /// Those there are have failed too often.
    #[error("it is failing")]
    Failing,
}

impl NoEndpoint {
    /// The error for the caller.
    pub fn into_error(self, service: &ServiceName) -> CallError {
        CallError::unavailable(format!("`{service}` cannot take the call: {self}"))
    }

    /// The word for labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Saturated => "saturated",
            Self::Shed => "shed",
            Self::Failing => "failing",
        }
    }
}

/// The endpoints of one service.
#[derive(Debug)]
pub struct Endpoints<K: Key> {
    core: Arc<Core>,
    table: ArcSwap<Table<K>>,
    registry: Mutex<Registry<K>>,
}

/// All endpoints that have state, in the table or not.
#[derive(Debug)]
struct Registry<K: Key> {
    members: Vec<(Arc<Endpoint<K>>, Attributes)>,
    departed: HashMap<K, (Arc<Endpoint<K>>, Instant)>,
    next_id: u64,
}

impl<K: Key> Endpoints<K> {
    /// No endpoints yet.
    pub fn new(now: Instant, settings: Arc<Settings>) -> Self {
        Self {
            core: Arc::new(Core::new(now, settings.clone())),
            table: ArcSwap::from_pointee(Table::new(Vec::new(), settings)),
            registry: Mutex::new(Registry { members: Vec::new(), departed: HashMap::new(), next_id: 0 }),
        }
    }

    /// Replaces the endpoints. Those that stay keep what is known of them, and so do those that come back within a
    /// minute, unless they have another version now. Of a key that is there twice the last counts. Calls under way are not
    /// touched.
    pub fn update(&self, now: Instant, members: impl IntoIterator<Item = (K, Attributes)>) {
        let mut registry = self.registry();
        let registry = &mut *registry;
        let gone = std::mem::take(&mut registry.members).into_iter();
        let mut known = std::mem::take(&mut registry.departed);
        known.retain(|_, (_, left)| now.saturating_duration_since(*left) < REMEMBERED);
        known.extend(gone.map(|(endpoint, _)| (endpoint.key().clone(), (endpoint, now))));
        let next_id = &mut registry.next_id;
        let mut new_id = || {
            *next_id += 1;
            *next_id
        };
        let mut places = HashMap::new();
        for (key, attributes) in members {
            if let Some((_, known)) = places.get(&key).and_then(|place| registry.members.get_mut(*place)) {
                *known = attributes;
                continue;
            }
            let endpoint = match known.remove(&key) {
                Some((endpoint, _)) if endpoint.version() == attributes.version => endpoint,
                Some((old, _)) => {
                    // Calls under way report to it, and nobody asks it any more.
                    old.set_member(false);
                    Arc::new(old.successor(new_id(), attributes.version))
                }
                None => Arc::new(Endpoint::new(key.clone(), new_id(), attributes.version, self.core.clone())),
            };
            places.insert(key, registry.members.len());
            registry.members.push((endpoint, attributes));
        }
        let mut left: Vec<Instant> = known.values().map(|(_, left)| *left).collect();
        if let Some(oldest) = left.len().checked_sub(REMEMBERED_MAX + 1) {
            // Those beyond the bound that left first are forgotten; equals go together.
            left.sort_unstable();
            let last = left.get(oldest).copied();
            known.retain(|_, (_, left)| Some(*left) > last);
        }
        registry.departed = known;
        self.rebuild(now, registry);
    }

    /// Replaces the settings. What is known of the endpoints is kept.
    pub fn configure(&self, now: Instant, settings: Arc<Settings>) {
        let registry = self.registry();
        self.core.configure(settings);
        self.rebuild(now, &registry);
    }

    fn rebuild(&self, now: Instant, registry: &Registry<K>) {
        let settings = self.core.settings().clone();
        for (endpoint, _) in registry.departed.values() {
            endpoint.set_member(false);
        }
        self.core.reset_health(now, registry.members.iter().map(|(endpoint, _)| &**endpoint));
        let members = registry.members.iter().filter(|(_, attributes)| attributes.weight > 0);
        let members = members.map(|(endpoint, attributes)| Member::new(endpoint.clone(), *attributes)).collect();
        let table = Table::new(members, settings);
        // Once calls are hashed, they need not wait for the ring.
        if self.core.hashes.load(Ordering::Relaxed) {
            table.ring();
        }
        self.table.store(Arc::new(table));
    }

    /// Chooses the endpoint of a call, and takes a place there for it.
    ///
    /// # Errors
    ///
    /// When nobody can take the call.
    pub fn pick(
        &self,
        now: Instant,
        rng: &mut (impl Rng + ?Sized),
        request: &PickRequest<'_, K>,
    ) -> Result<Picked<K>, NoEndpoint> {
        if request.tried.is_empty() {
            self.core.budget.deposit(now);
        }
        let table = self.table.load();
        // A call that has been sent before, and cannot be sent again, has not been refused.
        let refuse = |why| if request.tried.is_empty() { self.core.refuse(why) } else { why };
        let Some(place) = self.core.calls.try_enter(table.settings.limits.calls_max) else {
            return Err(refuse(NoEndpoint::Saturated));
        };
        let picked = Search::new(&self.core, &table, now, request).run(rng).map_err(refuse)?;
        // The call holds it from here on.
        place.keep();
        Ok(picked)
    }

    /// Whether an endpoint that is not among those tried could take a call.
    pub fn has_other(&self, now: Instant, tried: &[K]) -> bool {
        let table = self.table.load();
        let request = PickRequest { hash: None, tried, deadline: now, local_is_full: false };
        Search::new(&self.core, &table, now, &request).has_other()
    }

    /// How many endpoints there are that get calls.
    pub fn len(&self) -> usize {
        self.table.load().members.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The retry budget of the service.
    pub fn budget(&self) -> &Budget {
        &self.core.budget
    }

    /// What operators and metrics want to know.
    pub fn snapshot(&self, now: Instant) -> Snapshot<K> {
        let registry = self.registry();
        Snapshot::new(&self.core, &registry.members, now)
    }

    fn registry(&self) -> MutexGuard<'_, Registry<K>> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
