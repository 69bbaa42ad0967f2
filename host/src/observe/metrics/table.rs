//! The table behind the metrics of services: who may be counted under which labels, and for how long.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::calls::{CallMetrics, Locality};
use super::histogram::Histogram;
use super::service::{EndReason, ServiceMetrics, SwapResult};

/// Services with counters of their own.
const SERVICES_MAX: usize = 1000;
/// Versions of one service with counters of their own.
const VERSIONS_MAX: usize = 16;
/// Route templates of one service with counters of their own.
const ROUTES_MAX: usize = 200;
/// What is counted together beyond these bounds.
const OTHER: &str = "other";
/// How long counters that are no longer written are still shown.
const RETIRED_FOR: Duration = Duration::from_secs(600);

type ByRoute<T> = BTreeMap<(Arc<str>, Locality), T>;

#[derive(Debug, Default)]
pub(super) struct Table {
    services: Mutex<BTreeMap<Arc<str>, Service>>,
    modules: Mutex<BTreeMap<&'static str, u64>>,
}

#[derive(Debug, Default)]
struct Service {
    metrics: Arc<ServiceMetrics>,
    /// The route templates that have labels of their own.
    routes: BTreeSet<Arc<str>>,
    durations: ByRoute<Arc<Histogram>>,
    versions: BTreeMap<Arc<str>, Version>,
    retired_at: Option<Instant>,
}

#[derive(Debug, Default)]
struct Version {
    calls: ByRoute<CallMetrics>,
    retired_at: Option<Instant>,
}

impl Table {
    pub(super) fn calls(
        &self,
        service: &Arc<str>,
        version: &Arc<str>,
        route: &Arc<str>,
        locality: Locality,
    ) -> CallMetrics {
        let mut services = self.services();
        let service = service_entry(&mut services, service);
        let route = service.route_label(route);
        let duration = Arc::clone(service.durations.entry((Arc::clone(&route), locality)).or_default());
        let in_flight = Arc::clone(&service.metrics.in_flight);
        let version = service.version_entry(version);
        let new = || CallMetrics::new(duration, in_flight);
        version.calls.entry((route, locality)).or_insert_with(new).clone()
    }

    pub(super) fn service(&self, service: &Arc<str>) -> Arc<ServiceMetrics> {
        Arc::clone(&service_entry(&mut self.services(), service).metrics)
    }

    pub(super) fn set_modules(&self, states: &[(&'static str, u64)]) {
        let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        modules.values_mut().for_each(|count| *count = 0);
        modules.extend(states.iter().copied());
    }

    pub(super) fn retire_version(&self, service: &str, version: &str, now: Instant) {
        if let Some(service) = self.services().get_mut(service)
            && let Some(version) = service.versions.get_mut(version)
        {
            version.retired_at.get_or_insert(now);
        }
        self.sweep(now);
    }

    pub(super) fn retire_service(&self, service: &str, now: Instant) {
        if let Some(service) = self.services().get_mut(service) {
            service.retired_at.get_or_insert(now);
        }
        self.sweep(now);
    }

    /// Removes what was retired long enough ago.
    pub(super) fn sweep(&self, now: Instant) {
        let live =
            |retired_at: Option<Instant>| retired_at.is_none_or(|at| now.saturating_duration_since(at) < RETIRED_FOR);
        self.services().retain(|_, service| {
            service.sweep(live);
            live(service.retired_at)
        });
    }

    fn services(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Service>> {
        self.services.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn service_entry<'a>(services: &'a mut BTreeMap<Arc<str>, Service>, name: &Arc<str>) -> &'a mut Service {
    let full = services.len() >= SERVICES_MAX && !services.contains_key(name);
    let name = if full { Arc::from(OTHER) } else { Arc::clone(name) };
    let service = services.entry(name).or_default();
    service.retired_at = None;
    service
}

impl Service {
    fn route_label(&mut self, route: &Arc<str>) -> Arc<str> {
        if self.routes.len() >= ROUTES_MAX && !self.routes.contains(route) {
            return Arc::from(OTHER);
        }
        self.routes.insert(Arc::clone(route));
        Arc::clone(route)
    }

    /// Removes versions that are not live, and the routes that only they had.
    fn sweep(&mut self, live: impl Fn(Option<Instant>) -> bool) {
        let before = self.versions.len();
        self.versions.retain(|_, version| live(version.retired_at));
        if self.versions.len() < before {
            let used: BTreeSet<_> = self.versions.values().flat_map(|version| version.calls.keys()).collect();
            self.durations.retain(|key, _| used.contains(key));
            self.routes.retain(|route| used.iter().any(|(used, _)| used == route));
        }
    }

    /// A new version takes the place of the one that was retired first when there are too many.
    fn version_entry(&mut self, name: &Arc<str>) -> &mut Version {
        let mut name = Arc::clone(name);
        if self.versions.len() >= VERSIONS_MAX && !self.versions.contains_key(&name) {
            let retired = self.versions.iter().filter_map(|(name, version)| Some((version.retired_at?, name)));
            match retired.min().map(|(_, oldest)| Arc::clone(oldest)) {
                Some(oldest) => drop(self.versions.remove(&oldest)),
                None => name = Arc::from(OTHER),
            }
        }
        let version = self.versions.entry(name).or_default();
        version.retired_at = None;
        version
    }
}

impl Collector for Table {
    /// Holds the table's lock, which serving threads take only at deployments.
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let services = self.services();
        encode_calls(&services, &mut encoder)?;
        encode_durations(&services, &mut encoder)?;
        encode_service_metrics(&services, &mut encoder)?;
        drop(services);
        let help = "Modules by state";
        let mut family = encoder.encode_descriptor("hostel_modules", help, None, MetricType::Gauge)?;
        for (state, count) in self.modules.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            family.encode_family(&[("state", *state)])?.encode_gauge(count)?;
        }
        Ok(())
    }
}

fn encode_calls(services: &BTreeMap<Arc<str>, Service>, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let help = "Calls that ended, by HTTP status or gRPC status name";
    let mut family = encoder.encode_descriptor("hostel_calls", help, None, MetricType::Counter)?;
    for (name, service) in services {
        for (version_name, version) in &service.versions {
            for ((route, locality), calls) in &version.calls {
                for (code, count) in calls.counts() {
                    let labels = [
                        ("service", &**name),
                        ("version", &**version_name),
                        ("route", &**route),
                        ("code", code),
                        ("locality", locality.as_str()),
                    ];
                    encode_count(&mut family, &labels, count)?;
                }
            }
        }
    }
    Ok(())
}

fn encode_durations(services: &BTreeMap<Arc<str>, Service>, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let help = "Seconds from taking a call in to its response's end";
    let name = "hostel_call_duration_seconds";
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
    for (name, service) in services {
        for ((route, locality), duration) in &service.durations {
            let labels = [("service", &**name), ("route", &**route), ("locality", locality.as_str())];
            duration.encode(&mut family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

fn encode_service_metrics(services: &BTreeMap<Arc<str>, Service>, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    type Read = fn(&ServiceMetrics) -> i64;
    let gauges: [(&str, &str, Read); 2] = [
        ("hostel_calls_in_flight", "Calls being served", ServiceMetrics::calls_in_flight),
        ("hostel_instances", "Instances alive", ServiceMetrics::instances),
    ];
    for (name, help, read) in gauges {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (service, entry) in services {
            family.encode_family(&[("service", &**service)])?.encode_gauge(&read(&entry.metrics))?;
        }
    }
    type Counter = fn(&ServiceMetrics) -> &AtomicU64;
    let counters: [(&str, &str, Counter); 3] = [
        ("hostel_instances_started", "Instances started", |of| &of.instances_started),
        ("hostel_guest_log_lines_dropped", "Log lines of guests above their limit", |of| &of.log_lines_dropped),
        ("hostel_queue_rejected", "Calls refused by a full or slow queue", |of| &of.queue_rejected),
    ];
    for (name, help, counter) in counters {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (service, entry) in services {
            let count = counter(&entry.metrics).load(Ordering::Relaxed);
            encode_count(&mut family, &[("service", &**service)], count)?;
        }
    }
    let help = "Seconds spent starting instances";
    let mut family = encoder.encode_descriptor("hostel_instance_start_seconds", help, None, MetricType::Counter)?;
    for (service, entry) in services {
        let nanos = entry.metrics.instance_start_nanos.load(Ordering::Relaxed);
        let seconds = Duration::from_nanos(nanos).as_secs_f64();
        family.encode_family(&[("service", &**service)])?.encode_counter::<NoLabelSet, _, u64>(&seconds, None)?;
    }
    let help = "Instances ended, by reason";
    let mut family = encoder.encode_descriptor("hostel_instances_ended", help, None, MetricType::Counter)?;
    for (service, entry) in services {
        for (reason, count) in EndReason::ALL.iter().zip(&entry.metrics.instances_ended) {
            let labels = [("service", &**service), ("reason", reason.as_str())];
            encode_count(&mut family, &labels, count.load(Ordering::Relaxed))?;
        }
    }
    let help = "Attempts to change what a service runs, by result";
    let mut family = encoder.encode_descriptor("hostel_module_swaps", help, None, MetricType::Counter)?;
    for (service, entry) in services {
        for (result, count) in SwapResult::ALL.iter().zip(&entry.metrics.swaps) {
            let labels = [("service", &**service), ("result", result.as_str())];
            encode_count(&mut family, &labels, count.load(Ordering::Relaxed))?;
        }
    }
    Ok(())
}

fn encode_count<const N: usize>(family: &mut MetricEncoder<'_>, labels: &[(&str, &str); N], count: u64) -> fmt::Result {
    family.encode_family(labels)?.encode_counter::<NoLabelSet, _, u64>(&count, None)
}
