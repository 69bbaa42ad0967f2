//! A compiled module, ready to be started as often as needed.

use std::sync::Arc;

use arc_swap::ArcSwap;
use wasmtime::Store;
use wasmtime::component::{ComponentExportIndex, InstancePre, TypedFunc};
use wasmtime_wasi::WasiCtx;
use wasmtime_wasi_http::{p2, p3};

use super::capability::{Capability, Guest};
use super::code::Code;
use super::guest_log::{GuestLog, Stdio};
use super::lean::{self, LeanRequest, LeanResponse};
use super::limits::{Limiter, Limits};
use super::meter::{Meter, Stopwatch, on_epoch};
use super::share::Share;
use super::{Error, State};

/// How calls get into a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Door {
    /// `hostel:service/handler`.
    Lean,
    /// `wasi:http/handler` of WASI 0.3.
    Standard3,
    /// `wasi:http/incoming-handler` of WASI 0.2: one call at a time per instance.
    Standard2,
}

impl Door {
    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lean => "lean",
            Self::Standard3 => "wasi:http 0.3",
            Self::Standard2 => "wasi:http 0.2",
        }
    }
}

/// A linked module.
pub(super) struct Entry {
    code: Code,
    way_in: WayIn,
}

/// By door.
enum WayIn {
    Lean { pre: InstancePre<State>, handle: ComponentExportIndex },
    Standard3(p3::bindings::ServicePre<State>),
    Standard2(p2::bindings::ProxyPre<State>),
}

/// The function of an instance that takes calls.
pub(super) enum Handler {
    Lean(TypedFunc<(LeanRequest,), (LeanResponse,)>),
    Standard3(p3::bindings::Service),
    Standard2(p2::bindings::Proxy),
}

impl Entry {
    /// Finds the door of a linked module; the lean one when it has both.
    pub(super) fn new(code: Code, pre: InstancePre<State>) -> Result<Self, Error> {
        let component = pre.component();
        let handle = component
            .get_export_index(None, lean::HANDLER)
            .and_then(|interface| component.get_export_index(Some(&interface), "handle"));
        let way_in = match handle {
            Some(handle) => WayIn::Lean { pre, handle },
            None => match p3::bindings::ServicePre::new(pre.clone()) {
                Ok(pre) => WayIn::Standard3(pre),
                Err(_) => WayIn::Standard2(p2::bindings::ProxyPre::new(pre).map_err(|_| Error::NoDoor)?),
            },
        };
        Ok(Self { code, way_in })
    }

    fn door(&self) -> Door {
        match self.way_in {
            WayIn::Lean { .. } => Door::Lean,
            WayIn::Standard3(_) => Door::Standard3,
            WayIn::Standard2(_) => Door::Standard2,
        }
    }
}

/// A compiled and linked module, with everything its instances share.
pub(super) struct Blueprint {
    /// What instances are made of; the same module compiled better may take its place.
    entry: ArcSwap<Entry>,
    door: Door,
    guest: Arc<Guest>,
    capabilities: Arc<[Arc<dyn Capability>]>,
    limits: Limits,
    log: Arc<GuestLog>,
    share: Share,
}

/// A started instance.
pub(super) struct Instance {
    pub(super) store: Store<State>,
    pub(super) handler: Handler,
    pub(super) stopwatch: Stopwatch,
    pub(super) output: [Stdio; 2],
}

impl Blueprint {
    pub(super) fn new(
        entry: Entry,
        guest: Arc<Guest>,
        capabilities: Arc<[Arc<dyn Capability>]>,
        limits: Limits,
        log: Arc<GuestLog>,
        share: Share,
    ) -> Self {
        let door = entry.door();
        Self { entry: ArcSwap::from_pointee(entry), door, guest, capabilities, limits, log, share }
    }

    pub(super) fn door(&self) -> Door {
        self.door
    }

    /// Has instances made of this from now on. Returns what they were made of.
    pub(super) fn replace(&self, entry: Arc<Entry>) -> Arc<Entry> {
        self.entry.swap(entry)
    }

    /// Nobody needs the code now, nor very likely soon.
    pub(super) fn release_code(&self) {
        self.entry.load().code.release();
    }

    pub(super) fn share(&self) -> &Share {
        &self.share
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) fn guest(&self) -> &Arc<Guest> {
        &self.guest
    }

    /// How many calls one instance takes at once.
    pub(super) fn concurrency(&self) -> usize {
        match self.door {
            Door::Standard2 => 1,
            Door::Lean | Door::Standard3 => self.limits.concurrency,
        }
    }

    /// Starts an instance.
    pub(super) async fn start(&self, engine: &wasmtime::Engine) -> wasmtime::Result<Instance> {
        let output = [
            Stdio::new(self.log.clone(), "stdout", tracing::Level::INFO),
            Stdio::new(self.log.clone(), "stderr", tracing::Level::WARN),
        ];
        let [stdout, stderr] = output.clone();
        // No arguments, no environment, no files, no network: what a guest may do comes from its grants.
        let wasi = WasiCtx::builder().stdout(stdout).stderr(stderr).allow_tcp(false).allow_udp(false).build();
        let stopwatch = Stopwatch::new();
        let state = State::new(
            self.guest.clone(),
            self.log.clone(),
            wasi,
            Limiter::new(self.limits.memory_bytes_max),
            Meter::new(stopwatch.clone(), self.limits.cpu),
        );
        let mut store = Store::new(engine, state);
        store.limiter(|state| &mut state.limiter);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(on_epoch);
        for capability in self.capabilities.iter() {
            capability.prepare(&self.guest, store.data_mut());
        }
        stopwatch.start(std::time::Instant::now());
        let entry = self.entry.load_full();
        let handler = match &entry.way_in {
            WayIn::Lean { pre, handle } => {
                let instance = pre.instantiate_async(&mut store).await?;
                Handler::Lean(instance.get_typed_func(&mut store, handle)?)
            }
            WayIn::Standard3(pre) => Handler::Standard3(pre.instantiate_async(&mut store).await?),
            WayIn::Standard2(pre) => Handler::Standard2(pre.instantiate_async(&mut store).await?),
        };
        Ok(Instance { store, handler, stopwatch, output })
    }
}
