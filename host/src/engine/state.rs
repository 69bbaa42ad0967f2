//! What the host keeps beside each instance: the data of its store.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Semaphore;
use wasmtime::StoreContextMut;
use wasmtime::component::{GuestTaskId, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::capability::Guest;
use super::guest_log::GuestLog;
use super::inflight::Inflight;
use super::limits::Limiter;
use super::meter::Meter;
use super::standard::{Hooks, Outgoing};

/// Calls that one instance may have made and not got an answer to. More of them wait: a guest that calls in a loop would
/// otherwise have the host hold as many calls as fit into its memory.
const OUTGOING_MAX: usize = 64;

/// The data of one instance's store.
pub struct State {
    pub(super) table: ResourceTable,
    pub(super) wasi: WasiCtx,
    pub(super) http: WasiHttpCtx,
    pub(super) hooks: Hooks,
    pub(super) limiter: Limiter,
    pub(super) meter: Meter,
    /// Calls in flight on this instance. At most a few, so a list beats a map.
    calls: Vec<(GuestTaskId, Arc<Inflight>)>,
    guest: Arc<Guest>,
    log: Arc<GuestLog>,
    extensions: HashMap<TypeId, Box<dyn Any + Send>>,
    outgoing: Arc<Semaphore>,
}

impl State {
    pub(super) fn new(guest: Arc<Guest>, log: Arc<GuestLog>, wasi: WasiCtx, limiter: Limiter, meter: Meter) -> Self {
        let mut hooks = Hooks::default();
        let outgoing = Arc::new(Semaphore::new(OUTGOING_MAX));
        hooks.set_guest(guest.clone(), outgoing.clone());
        Self {
            table: ResourceTable::new(),
            wasi,
            http: WasiHttpCtx::new(),
            hooks,
            limiter,
            meter,
            calls: Vec::new(),
            guest,
            log,
            extensions: HashMap::new(),
            outgoing,
        }
    }

    /// Whose instance it is.
    pub fn guest(&self) -> &Arc<Guest> {
        &self.guest
    }

    /// Where the guest's lines go. All instances of the version share it with what they write to standard output and
    /// error, so that one limit holds for all.
    pub fn log(&self) -> &Arc<GuestLog> {
        &self.log
    }

    /// The resources the guest holds handles to.
    pub fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }

    /// The places for calls that the instance makes.
    pub fn outgoing_places(&self) -> Arc<Semaphore> {
        self.outgoing.clone()
    }

    /// Where requests over `wasi:http` go. A guest without it has every request refused.
    pub fn set_outgoing(&mut self, outgoing: Arc<dyn Outgoing>) {
        self.hooks.set_outgoing(outgoing);
    }

    /// Keeps a capability's own data, one value per type.
    pub fn insert<T: Send + 'static>(&mut self, value: T) {
        self.extensions.insert(TypeId::of::<T>(), Box::new(value));
    }

    /// A capability's own data and the resource table, together because host functions need both at once.
    pub fn extension<T: 'static>(&mut self) -> Option<(&mut T, &mut ResourceTable)> {
        let value = self.extensions.get_mut(&TypeId::of::<T>())?.downcast_mut()?;
        Some((value, &mut self.table))
    }

    pub(super) fn call_started(&mut self, task: GuestTaskId, call: Arc<Inflight>) {
        self.meter.call_started();
        if self.calls.is_empty() {
            self.limiter.forget_refusal();
        }
        // The engine uses the ids of tasks again; whatever had this one has ended.
        self.calls.retain(|(other, _)| *other != task);
        self.calls.push((task, call));
    }

    pub(super) fn call_ended(&mut self, call: &Arc<Inflight>) {
        self.calls.retain(|(_, other)| !Arc::ptr_eq(other, call));
    }

    pub(super) fn forget_calls(&mut self) {
        self.calls.clear();
    }

    fn find_call(&self, task: GuestTaskId) -> Option<Arc<Inflight>> {
        self.calls.iter().find(|(other, _)| *other == task).map(|(_, call)| call.clone())
    }

    /// The only call in flight, when there is exactly one.
    fn sole_call(&self) -> Option<Arc<Inflight>> {
        match self.calls.as_slice() {
            [(_, call)] => Some(call.clone()),
            _ => None,
        }
    }

    /// Tells the `wasi:http` hooks, which see no task, on whose behalf the next request is sent.
    pub fn attribute_next_request(&mut self, call: Option<Arc<Inflight>>) {
        self.hooks.attribute(call);
    }
}

/// The call on whose behalf the guest is running right now. `None` for what a guest does at start-up or after it has
/// answered.
pub fn current_call(store: &mut StoreContextMut<'_, State>) -> Option<Arc<Inflight>> {
    // The oldest task on the stack is the export that the host called.
    let root = store.async_call_stack().ok().and_then(Iterator::last);
    let state = store.data();
    match root {
        // A task that is not in the list has answered already: what it does now belongs to no call.
        Some(task) => state.find_call(task),
        None => state.sole_call(),
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.hooks, table: &mut self.table, ctx: &mut self.http }
    }
}
