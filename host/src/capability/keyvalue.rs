//! Key-value storage for guests: `wasi:keyvalue`, in the two drafts that guests are built against.
//!
//! Every service has a namespace of its own in the host's store, named after it, so versions of a service share their
//! data and services do not. Within it a bucket is whatever name the guest opens. What the drafts have in common is in
//! `host`, what needs no guest to be tested in `space`.
//!
//! Reads answer at once. Writes wait for the disk, and in the drafts that is a wait of the whole instance: other calls
//! on the same instance wait too, calls on other instances do not.

mod cursors;
mod draft;
mod draft2;
mod fault;
mod host;
mod space;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Instant;

use wasmtime::component::{HasData, Linker, ResourceTable};

use crate::engine::{Capability, Guest, State};
use crate::modules::manifest::Manifest;
use crate::observe::limiter::LineLimiter;
use crate::store::{Namespace, Quota, Store, VALUE_BYTES_MAX};
use cursors::Cursors;
use space::{Cas, Space};

/// Most buckets an instance may have open.
const BUCKETS_MAX: usize = 1024;
/// Most compare-and-swap handles an instance may have.
const CAS_MAX: usize = 1024;
/// What those handles may keep in the host's memory, in bytes: two of the largest values.
const CAS_BYTES_MAX: usize = 2 * VALUE_BYTES_MAX;

/// Failures of the store that are logged a second, all guests together. A broken disk fails every call.
const WARNINGS_PER_S_MAX: u32 = 5;
const WARNINGS_BURST_MAX: u32 = 20;

/// Lets guests store values.
pub struct KeyValue {
    store: Arc<dyn Store>,
    warnings: Arc<LineLimiter>,
}

impl KeyValue {
    /// Values are kept in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        let warnings = LineLimiter::new(WARNINGS_PER_S_MAX, WARNINGS_BURST_MAX, Instant::now());
        Self { store, warnings: Arc::new(warnings) }
    }

    /// What a guest may use; nothing unless its manifest grants it.
    fn space(&self, guest: &Guest) -> Option<Space> {
        let manifest = guest.profile::<Manifest>().filter(|manifest| manifest.grants.kv)?;
        let limits = &manifest.limits;
        let quota = Quota {
            keys_max: limits.kv_keys_max,
            bytes_max: limits.kv_bytes_max,
            value_bytes_max: limits.kv_value_bytes_max,
        };
        // Names of services are short and plain, so each is the name of a namespace.
        let namespace = Namespace::new(guest.service.as_str()).ok()?;
        Some(Space::new(self.store.clone(), namespace, quota))
    }
}

impl Capability for KeyValue {
    fn name(&self) -> &'static str {
        "keyvalue"
    }

    fn link(&self, linker: &mut Linker<State>) -> wasmtime::Result<()> {
        draft::link(linker)?;
        draft2::link(linker)
    }

    fn prepare(&self, guest: &Guest, state: &mut State) {
        let space = self.space(guest).map(Arc::new);
        state.insert(Instance {
            space,
            warnings: self.warnings.clone(),
            buckets: 0,
            cas: Held::default(),
            cursors: Cursors::new(),
        });
    }
}

/// What the host keeps for one instance.
struct Instance {
    /// `None` when the guest may not store anything.
    space: Option<Arc<Space>>,
    warnings: Arc<LineLimiter>,
    /// Buckets that are open.
    buckets: usize,
    cas: Held,
    cursors: Cursors,
}

/// How many compare-and-swap handles an instance has, and what they keep.
#[derive(Debug, Default)]
struct Held {
    len: usize,
    bytes: usize,
}

impl Held {
    /// Counts one more handle, unless that is too much.
    fn add(&mut self, cas: &Cas) -> bool {
        let bytes = self.bytes.saturating_add(cas.bytes());
        let fits = self.len < CAS_MAX && bytes <= CAS_BYTES_MAX;
        if fits {
            self.len += 1;
            self.bytes = bytes;
        }
        fits
    }

    fn remove(&mut self, cas: &Cas) {
        self.len = self.len.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(cas.bytes());
    }
}

/// The state of an instance as host functions see it.
struct View<'a>(&'a mut State);

impl View<'_> {
    fn parts(&mut self) -> wasmtime::Result<(&mut Instance, &mut ResourceTable)> {
        self.0
            .extension::<Instance>()
            .ok_or_else(|| wasmtime::Error::msg("the instance was not prepared for wasi:keyvalue"))
    }
}

/// How the bindings get from an instance's state to a [`View`] of it.
struct Views;

impl HasData for Views {
    type Data<'a> = View<'a>;
}
