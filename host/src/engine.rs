//! The engine: wasmtime, narrowed to what a host of services needs.
//!
//! Modules are compiled off the serving threads and kept compiled on disk. A version's instances form a [`Pool`];
//! each instance is a task that stays inside its store's event loop and is handed calls. Limits are enforced here,
//! on every instance: memory by the store's limiter, CPU time by the epoch, calls and waiting by the pool.
//!
//! Nothing outside of this module and of `capability` names wasmtime.

mod answer;
mod background;
mod blueprint;
mod cache;
mod capability;
mod code;
mod compile;
mod failure;
mod guest_log;
mod handoff;
mod inflight;
mod job;
mod lean;
mod limits;
mod meter;
mod pool;
mod serve;
mod settings;
mod share;
mod standard;
mod state;
mod stream;
mod ticker;
mod tier;
mod wakeups;
mod worker;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::Linker;

use crate::observe::metrics::ServiceMetrics;
use blueprint::{Blueprint, Entry};
use cache::Cache;
use compile::Compiler;
use share::{Share, Threads};
use ticker::Ticker;

pub use blueprint::Door;
pub use capability::{Capability, Guest};
pub use compile::Compiled;
pub use failure::{Cause, Failure};
pub use guest_log::GuestLog;
pub use handoff::serve_on_this_thread;
pub use inflight::Inflight;
pub use lean::{CLIENT as LEAN_CLIENT, HANDLER as LEAN_HANDLER, LeanError, LeanRequest, LeanResponse};
pub use limits::Limits;
pub use pool::{Lease, Pool, PoolSnapshot};
pub use settings::Settings;
pub use standard::Outgoing;
pub use state::{State, current_call};

/// Tells the workers of a pool apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct WorkerId(u64);

/// What can go wrong with a module before it serves.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine does not start on this machine.
    #[error("cannot start the WebAssembly engine: {0}")]
    Engine(String),
    /// The component is invalid, or uses something this engine does not know.
    #[error("cannot compile: {0}")]
    Compile(String),
    /// The component imports something nobody provides, or with another type.
    #[error("cannot link: {0}")]
    Link(String),
    /// The component exports no interface through which it could be called.
    #[error(
        "exports none of hostel:service/handler@0.2.0, wasi:http/handler@0.3.0 and wasi:http/incoming-handler@0.2.x, so it cannot be called"
    )]
    NoDoor,
    /// The first instance failed to start.
    #[error("fails at start: {0}")]
    Start(#[source] Failure),
    /// The first instance did not start in time.
    #[error("does not start within {} ms", .0.as_millis())]
    StartTimeout(Duration),
    /// The host has as many instances as it may.
    #[error("the host is at its limit of instances (`instances_max` in [engine])")]
    TooManyInstances,
}

/// What all pools share.
struct Core {
    wasmtime: wasmtime::Engine,
    runtime: tokio::runtime::Handle,
    threads: usize,
    /// Instances the host may have.
    instances: Arc<Semaphore>,
    /// Who makes room for whom; see `share`.
    shares: Arc<Threads>,
    pools: Mutex<Vec<Weak<pool::Shared>>>,
}

impl Core {
    fn add_pool(&self, pool: &Arc<pool::Shared>) {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.retain(|pool| pool.strong_count() > 0);
        pools.push(Arc::downgrade(pool));
    }

    /// A place for one more instance. When there is none, an idle one of another pool is asked to end, for next time.
    fn instance_permit(&self) -> Option<OwnedSemaphorePermit> {
        let permit = self.instances.clone().try_acquire_owned().ok();
        if permit.is_none() {
            let pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = pools.iter().filter_map(Weak::upgrade).any(|pool| pool.give_back_one());
        }
        permit
    }
}

/// The engine. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    core: Arc<Core>,
    linker: Arc<Linker<State>>,
    capabilities: Arc<[Arc<dyn Capability>]>,
    compiler: Compiler,
    _ticker: Arc<Ticker>,
}

impl Engine {
    /// Starts the engine. Guests run on `runtime`, whose number of threads is `threads`; compiled modules are kept
    /// below `cache_dir`.
    ///
    /// # Errors
    ///
    /// When the settings do not fit the machine, or two capabilities provide the same import.
    pub fn new(
        settings: &Settings,
        cache_dir: Option<&Path>,
        runtime: tokio::runtime::Handle,
        threads: usize,
        capabilities: Vec<Arc<dyn Capability>>,
    ) -> Result<Self, Error> {
        let failed = |error: wasmtime::Error| Error::Engine(format!("{error:#}"));
        let wasmtime = wasmtime::Engine::new(&compile::config(settings)).map_err(failed)?;
        let mut linker = Linker::new(&wasmtime);
        link_wasi(&mut linker).map_err(failed)?;
        // Capabilities may put themselves before a stock implementation, to see who calls.
        linker.allow_shadowing(true);
        for capability in &capabilities {
            capability
                .link(&mut linker)
                .map_err(|error| Error::Engine(format!("capability {}: {error:#}", capability.name())))?;
        }
        let cache = cache_dir.and_then(|dir| {
            Cache::open(dir, &wasmtime)
                .map_err(|error| {
                    tracing::warn!(dir = %dir.display(), %error, "no cache of compiled modules: every start compiles");
                })
                .ok()
        });
        let ticker = Ticker::start(&wasmtime, settings.tick())
            .map_err(|error| Error::Engine(format!("cannot start a thread: {error}")))?;
        Ok(Self {
            core: Arc::new(Core {
                wasmtime: wasmtime.clone(),
                runtime,
                threads,
                instances: Arc::new(Semaphore::new(settings.instances_max)),
                shares: Threads::new(threads),
                pools: Mutex::default(),
            }),
            linker: Arc::new(linker),
            capabilities: capabilities.into(),
            compiler: Compiler::new(wasmtime, cache, settings)?,
            _ticker: Arc::new(ticker),
        })
    }

    /// Compiles a component, or takes it compiled from the cache. `digest` names its content.
    ///
    /// # Errors
    ///
    /// When the bytes are no component this engine can run.
    pub async fn compile(&self, bytes: Arc<[u8]>, digest: &str) -> Result<Compiled, Error> {
        self.compiler.compile(bytes, digest).await
    }

    /// Replaces baseline code by optimised code: instances that were made of the former end when they have nothing to do.
    /// `bytes` is asked for the component when its turn has come. Returns whether that came about: the pool may be closed by
    /// then, or the component not to be had.
    ///
    /// # Errors
    ///
    /// When it cannot be compiled, or does not start within `timeout`. Then the pool goes on as it was.
    pub async fn optimise(
        &self,
        pool: &Pool,
        digest: &str,
        bytes: impl Fn() -> Option<Arc<[u8]>> + Send + Sync + 'static,
        timeout: Duration,
    ) -> Result<bool, Error> {
        let wanted = {
            let pool = pool.clone();
            move || if pool.is_closed() { None } else { bytes() }
        };
        let Some(compiled) = self.compiler.optimise(digest, wanted).await? else { return Ok(false) };
        pool.renew(Arc::new(self.link(&compiled)?), timeout).await
    }

    fn link(&self, compiled: &Compiled) -> Result<Entry, Error> {
        let linked = self.linker.instantiate_pre(&compiled.code.component);
        Entry::new(compiled.code.clone(), linked.map_err(|error| Error::Link(format!("{error:#}")))?)
    }

    /// Links a compiled module for a guest. No instance is started yet.
    ///
    /// # Errors
    ///
    /// When it imports what nobody provides, or cannot be called.
    pub fn pool(
        &self,
        compiled: &Compiled,
        guest: Guest,
        limits: Limits,
        log: GuestLog,
        metrics: Arc<ServiceMetrics>,
    ) -> Result<Pool, Error> {
        let blueprint = Blueprint::new(
            self.link(compiled)?,
            Arc::new(guest),
            self.capabilities.clone(),
            limits,
            Arc::new(log),
            Share::new(self.core.shares.clone()),
        );
        Ok(Pool::new(self.core.clone(), blueprint, metrics))
    }
}

/// WASI as every component expects it. What it leads to is decided by each instance's state: there are no files, no
/// environment and no sockets there.
fn link_wasi(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    wasmtime_wasi::p3::add_to_linker(linker)?;
    wasmtime_wasi_http::p3::add_to_linker(linker)
}

/// Interfaces the host provides, without versions.
const PROVIDED: [&str; 14] = [
    "hostel:service/client",
    "hostel:service/types",
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:config/store",
    "wasi:filesystem/",
    "wasi:http/",
    "wasi:io/",
    "wasi:keyvalue/atomics",
    "wasi:keyvalue/batch",
    "wasi:keyvalue/store",
    "wasi:logging/logging",
    "wasi:random/",
    "wasi:sockets/",
];

/// Whether the host provides an interface of this name. Linking alone tells whether its type fits too.
pub fn provides(import: &str) -> bool {
    let name = import.split('@').next().unwrap_or(import);
    PROVIDED.iter().any(|known| match known.strip_suffix('/') {
        Some(package) => name.strip_prefix(package).is_some_and(|rest| rest.starts_with('/')),
        None => name == *known,
    })
}

/// The version of the engine, for `--version`.
pub const ENGINE_VERSION: &str = match option_env!("HOSTEL_WASMTIME_VERSION") {
    Some(v) => v,
    None => "?",
};
