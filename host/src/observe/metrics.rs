//! Metrics, in the text format that Prometheus and OpenMetrics share.
//!
//! Calls and what belongs to a service are counted in a table of our own, `table`, which the registry of
//! prometheus-client reads when it is asked for text: whoever serves calls looks its counters up once, at
//! deployment, and afterwards touches nothing but atomics. Everything has a bound: services, versions, routes and
//! codes beyond it are counted together, as `other` or by class.
//!
//! A call is counted once, where its outcome is decided: by the service that answered it, or as service `""` when
//! no service was found, see [`Metrics::unrouted`].

mod calls;
mod histogram;
mod process;
mod service;
mod striped;
mod table;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};

pub use calls::{CallMetrics, InFlight, Locality, code_text, is_grpc_fault};
pub use service::{EndReason, ServiceMetrics, SwapResult};

use table::Table;

/// The content type of what [`Metrics::encode`] returns.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What `hostel_build_info` says.
#[derive(Debug, Clone, Copy)]
pub struct BuildInfo<'a> {
    /// The host's version.
    pub version: &'a str,
    /// The commit it was built from, or empty.
    pub revision: &'a str,
    /// The WebAssembly engine and its version.
    pub engine: &'a str,
}

/// All metrics of one host. Cloning is cheap and gives the same metrics.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    table: Arc<Table>,
    unrouted: CallMetrics,
}

impl Metrics {
    /// Metrics that are all zero.
    pub fn new(build: BuildInfo<'_>) -> Self {
        let mut registry = Registry::default();
        let labels = [("version", build.version), ("revision", build.revision), ("engine", build.engine)];
        let labels = labels.map(|(name, value)| (name, value.to_owned()));
        registry.register("hostel_build", "What this host was built from", Info::new(labels));
        let table = Arc::new(Table::default());
        registry.register_collector(Box::new(Arc::clone(&table)));
        registry.register_collector(Box::new(process::Process::default()));
        let nothing: Arc<str> = Arc::from("");
        let unrouted = table.calls(&nothing, &nothing, &nothing, Locality::None);
        Self { registry: Arc::new(Mutex::new(registry)), table, unrouted }
    }

    /// The counters of the calls to one version of a service on one route, created when they are new.
    ///
    /// `route` is a template, never a path. This takes a lock: keep the result. Counters that were retired are
    /// brought back.
    pub fn calls(&self, service: &Arc<str>, version: &Arc<str>, route: &Arc<str>, locality: Locality) -> CallMetrics {
        self.table.calls(service, version, route, locality)
    }

    /// The counters of calls that an edge answered itself because no service was found or asked for.
    pub fn unrouted(&self) -> &CallMetrics {
        &self.unrouted
    }

    /// The counters of a service that do not belong to a call, created when they are new. Takes a lock: keep the
    /// result.
    pub fn service(&self, service: &Arc<str>) -> Arc<ServiceMetrics> {
        self.table.service(service)
    }

    /// Sets `hostel_modules{state}`, the number of modules in each state, for all states.
    ///
    /// States that were set before and are missing now become zero.
    pub fn set_modules(&self, states: &[(&'static str, u64)]) {
        self.table.set_modules(states);
    }

    /// Lets go of the counters of a version that no longer serves.
    ///
    /// They are shown for ten more minutes, so that the last counts are scraped, and then removed.
    pub fn retire_version(&self, service: &str, version: &str) {
        self.table.retire_version(service, version, Instant::now());
    }

    /// Lets go of all counters of a service that is gone, in the same way as [`Metrics::retire_version`].
    pub fn retire_service(&self, service: &str) {
        self.table.retire_service(service, Instant::now());
    }

    /// Adds a metric that another module owns. Counters get the suffix `_total` by themselves.
    pub fn register(&self, name: &'static str, help: &'static str, metric: impl Metric) {
        self.registry().register(name, help, metric);
    }

    /// Adds a counter that is read from `read` when somebody asks; its name gets the suffix `_total`.
    pub fn register_counter_fn(
        &self,
        name: &'static str,
        help: &'static str,
        read: impl Fn() -> u64 + Send + Sync + 'static,
    ) {
        self.register_collector(Box::new(CounterFn { name, help, read }));
    }

    /// Adds metrics that are read only when somebody asks.
    pub fn register_collector(&self, collector: Box<dyn Collector>) {
        self.registry().register_collector(collector);
    }

    /// All metrics as text of [`CONTENT_TYPE`]. Reads a few small files of `/proc`, and blocks for so long.
    pub fn encode(&self) -> String {
        self.table.sweep(Instant::now());
        let mut text = String::with_capacity(16 * 1024);
        if prometheus_client::encoding::text::encode(&mut text, &self.registry()).is_err() {
            // Writing to a string cannot fail, and a collector fails only where its writer does.
            tracing::error!("metrics could not be written as text");
        }
        text
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct CounterFn<F> {
    name: &'static str,
    help: &'static str,
    read: F,
}

impl<F> fmt::Debug for CounterFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CounterFn").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<F: Fn() -> u64 + Send + Sync + 'static> Collector for CounterFn<F> {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        encoder
            .encode_descriptor(self.name, self.help, None, MetricType::Counter)?
            .encode_counter::<NoLabelSet, _, u64>(&(self.read)(), None)
    }
}

#[cfg(test)]
mod tests;
