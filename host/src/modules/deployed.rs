//! One version of a service, from bytes on disk to instances that take calls.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::described::{Described, Speech, default_route};
use super::description::Description;
use super::inspect::{Digest, Inspection};
use super::manifest::{self, Limits, Manifest};
use super::settings::Services;
use super::source::{Error, Source};
use crate::call::{Body, CallContext, CallError, Caller, Deadline, Request, ServiceName, TraceContext};
use crate::engine::{self, Engine, Guest, GuestLog, Lease, Pool};
use crate::observe::metrics::{CallMetrics, Locality, Metrics, ServiceMetrics};
use crate::policy::settings::{PerCall, Settings};
use crate::transcode::contract::Contract;

/// What a version is made with.
#[derive(Clone)]
pub struct Platform {
    /// Compiles and runs.
    pub engine: Engine,
    /// Counts.
    pub metrics: Metrics,
    /// Operators' configuration values, by service.
    pub services: Arc<Services>,
    /// The largest `memory_mib` a manifest may ask for, in MiB.
    pub memory_mib_max: u32,
    /// How long start and probe may take.
    pub start_timeout: Duration,
    /// So many modules are read and compiled at once, or those of a large folder would all be in memory.
    pub turns: Arc<Semaphore>,
}

/// One version of a service that can take calls.
pub struct Deployed {
    described: Described,
    description: Bytes,
    digest8: [u8; 8],
    version: Arc<str>,
    source: Arc<Source>,
    manifest: Arc<Manifest>,
    pool: Pool,
    /// Whether what runs is to be compiled again.
    baseline: AtomicBool,
    since: SystemTime,
    calls: HashMap<Arc<str>, CallMetrics>,
    other_calls: CallMetrics,
    metrics: Arc<ServiceMetrics>,
}

/// The route label of calls that no template describes.
const ANY_ROUTE: &str = "*";

impl Deployed {
    /// Compiles, links, starts and probes a module. Nobody can call it yet. `turn` is given back once it is compiled.
    ///
    /// # Errors
    ///
    /// For the first thing that is wrong.
    pub async fn build(mut source: Source, platform: &Platform, turn: OwnedSemaphorePermit) -> Result<Self, Error> {
        let file = source.file.clone();
        let failed = |source| Error::Engine { file: file.clone(), source };
        source.check(platform.memory_mib_max)?;
        let digest = source.inspection.digest.to_string();
        // Once compiled, nobody needs them any more, and a thousand modules would keep half a gigabyte.
        let bytes = std::mem::replace(&mut source.bytes, Arc::from([]));
        let compiled = platform.engine.compile(bytes, &digest).await.map_err(failed)?;
        let manifest = Arc::new(effective(&source.manifest, &platform.services));
        let contract = contract(&source, &manifest).await;
        drop(turn);

        let service = manifest.name.clone();
        let version: Arc<str> = match &manifest.version {
            Some(version) => version.as_str().into(),
            None => source.inspection.digest.short().into(),
        };
        let label: Arc<str> = service.as_str().into();
        let metrics = platform.metrics.service(&label);
        let log = GuestLog::new(
            service.clone(),
            version.clone(),
            manifest.limits.log_lines_per_s_max,
            manifest.limits.log_line_bytes_max,
            metrics.clone(),
        );
        let guest = Guest { service: service.clone(), version: version.clone(), profile: manifest.clone() as Arc<_> };
        let pool = platform.engine.pool(&compiled, guest, limits(&manifest), log, metrics.clone()).map_err(failed)?;
        if let Err(source) = pool.warm_up(platform.start_timeout).await {
            pool.kill();
            return Err(failed(source));
        }
        if let Err((path, reason)) = probe(&pool, &manifest, platform.start_timeout).await {
            pool.kill();
            return Err(Error::Health { file, path, reason });
        }
        // Labels are for versions that serve: those that fail would use up the places for them.
        let counted = |route: &Arc<str>| platform.metrics.calls(&label, &version, route, Locality::Local);
        let rules = contract.iter().flat_map(|contract| contract.rules().iter().map(|bound| bound.label.clone()));
        let calls = known_routes(&manifest, &source.inspection)
            .chain(rules)
            .map(|route| (route.clone(), counted(&route)))
            .collect();
        let other_calls = counted(&ANY_ROUTE.into());
        let mut description = Description::of(&manifest, &source.inspection);
        description.has_contract &= contract.is_some();
        let encoded = description.encode();
        Ok(Self {
            described: Described::new(&description, contract),
            digest8: digest8(&source.inspection.digest, &encoded),
            description: encoded.into(),
            version,
            manifest,
            pool,
            baseline: AtomicBool::new(compiled.is_baseline()),
            since: SystemTime::now(),
            calls,
            other_calls,
            metrics,
            source: Arc::new(source),
        })
    }

    /// Replaces baseline code by optimised code. Calls go on meanwhile.
    ///
    /// # Errors
    ///
    /// When that fails; the version goes on as it is.
    pub async fn optimise(&self, platform: &Platform) -> Result<(), Error> {
        let source = self.source.clone();
        let digest = source.inspection.digest.to_string();
        let bytes = move || source.read_again();
        let done = platform.engine.optimise(&self.pool, &digest, bytes, platform.start_timeout).await;
        if done.map_err(|source| Error::Engine { file: self.source.file.clone(), source })? {
            self.baseline.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Whether it runs baseline code, which is being replaced.
    pub(super) fn is_baseline(&self) -> bool {
        self.baseline.load(Ordering::Relaxed)
    }

    /// The tier of its code: `baseline`, until `optimised` code replaces it.
    pub fn code(&self) -> &'static str {
        if self.is_baseline() { "baseline" } else { "optimised" }
    }

    /// The service this is a version of.
    pub fn service(&self) -> &ServiceName {
        self.described.service()
    }

    /// What other hosts are told of it: [`Description::encode`].
    pub fn description(&self) -> &Bytes {
        &self.description
    }

    /// Names component and description: another when one of them is another.
    pub fn digest8(&self) -> [u8; 8] {
        self.digest8
    }

    /// What is done to calls on their way to the service.
    pub fn policy(&self) -> &Arc<Settings> {
        self.described.policy()
    }

    /// How calls on no route are treated: those of other services, and those that come in by the defaults.
    pub fn treatment(&self) -> &Arc<PerCall> {
        self.described.treatment()
    }

    /// Whether calls of a gRPC method, given by its path, may be sent again although their outcome is unknown: what the
    /// method's option `idempotency_level` says. `None` when it says nothing.
    pub fn method_idempotent(&self, path: &str) -> Option<bool> {
        self.described.method_idempotent(path)
    }

    /// Whether any of its gRPC methods says that.
    pub fn promises_idempotence(&self) -> bool {
        self.described.promises_idempotence()
    }

    /// What it offers in other protocols.
    pub fn speech(&self) -> &Speech {
        self.described.speech()
    }

    pub(super) fn described(&self) -> &Described {
        &self.described
    }

    /// The version's name.
    pub fn version(&self) -> &Arc<str> {
        &self.version
    }

    /// What the module says about itself, with the operator's configuration values over its own.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What the module is.
    pub fn inspection(&self) -> &Inspection {
        &self.source.inspection
    }

    /// The file it came from.
    pub fn file(&self) -> &str {
        &self.source.file
    }

    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    pub(super) fn identity(&self) -> &str {
        &self.source.identity
    }

    /// Its instances.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Since when it has been there.
    pub fn since(&self) -> SystemTime {
        self.since
    }

    /// Where calls on a route are counted.
    pub fn call_metrics(&self, route: Option<&Arc<str>>) -> &CallMetrics {
        route.and_then(|route| self.calls.get(route)).unwrap_or(&self.other_calls)
    }

    /// The template of a request that came in on no route of the manifest: the method, for gRPC that the module
    /// describes.
    pub fn route_of(&self, path: &str) -> Option<&Arc<str>> {
        self.calls.get_key_value(path).map(|(route, _)| route)
    }

    /// The counters of the service.
    pub fn metrics(&self) -> &Arc<ServiceMetrics> {
        &self.metrics
    }

    /// Lets calls in flight end, at most for `drain`, then stops all instances. Returns how many calls were cut off.
    pub async fn retire(&self, drain: Duration) -> usize {
        let mut cut_off = 0;
        if tokio::time::timeout(drain, self.pool.drain()).await.is_err() {
            cut_off = self.pool.snapshot().in_flight;
            self.pool.kill();
        }
        cut_off
    }
}

/// What its descriptors offer. A module whose descriptors cannot be used serves what it serves without them.
async fn contract(source: &Source, manifest: &Manifest) -> Option<Arc<Contract>> {
    if source.inspection.services.is_empty() {
        return None;
    }
    let set = Bytes::from(source.inspection.descriptors.clone());
    let (served, settings) = (manifest.grpc.services.clone(), manifest.json);
    // Linking up the largest takes longer than a serving thread has.
    let made = tokio::task::spawn_blocking(move || Contract::new(set, served, settings)).await;
    let file = &source.file;
    match made {
        Ok(Ok((contract, left_out))) => {
            for line in left_out {
                tracing::warn!(file, service = %manifest.name, "{line}");
            }
            Some(Arc::new(contract))
        }
        Ok(Err(error)) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(file, service = %manifest.name, error, "no JSON and no reflection: the descriptors cannot be used");
            None
        }
        Err(error) => {
            tracing::error!(file, service = %manifest.name, %error, "no JSON and no reflection: reading the descriptors failed");
            None
        }
    }
}

/// Asks a version that nobody can call yet whether it is well. An error is the path, and what came of asking.
async fn probe(pool: &Pool, manifest: &Manifest, timeout: Duration) -> Result<(), (String, String)> {
    let Some(health) = &manifest.health else { return Ok(()) };
    let failed = |reason: String| (health.path.clone(), reason);
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = format!("http://{}.internal{}", manifest.name, health.path)
        .parse()
        .map_err(|error| failed(format!("cannot be sent: {error}")))?;
    let context = CallContext {
        deadline: Deadline::after(timeout),
        trace: TraceContext::new_root(),
        caller: Caller::Host,
        depth: 0,
        route: None,
    };
    let probing = async {
        let lease = pool.enter().ok_or_else(|| CallError::unavailable("the version is closed"))?;
        let response = lease.call(request, context).await?;
        let (parts, body) = response.into_parts();
        body.collect().await?;
        Ok::<_, CallError>(parts.status)
    };
    match tokio::time::timeout(timeout, probing).await {
        Ok(Ok(status)) if status.as_u16() < 400 => Ok(()),
        Ok(Ok(status)) => Err(failed(format!("answered {}", status.as_u16()))),
        Ok(Err(error)) => Err(failed(format!("failed: {}", error.chain()))),
        Err(_) => Err(failed(format!("was not answered within {} ms", timeout.as_millis()))),
    }
}

/// A version, entered for one call: it will not be closed before the call has ended.
pub struct Entered {
    deployed: Arc<Deployed>,
    lease: Lease,
}

impl Entered {
    /// Enters a version; `None` when it has been replaced.
    pub(super) fn new(deployed: &Arc<Deployed>) -> Option<Self> {
        Some(Self { lease: deployed.pool.enter()?, deployed: deployed.clone() })
    }

    /// The version.
    pub fn deployed(&self) -> &Arc<Deployed> {
        &self.deployed
    }

    /// What the call is made through.
    pub fn into_lease(self) -> Lease {
        self.lease
    }
}

/// Route labels known when a version is deployed: templates of the manifest, the default, and gRPC methods.
fn known_routes(manifest: &Manifest, inspection: &Inspection) -> impl Iterator<Item = Arc<str>> {
    let mut routes: Vec<Arc<str>> = manifest.routes.iter().map(|route| route.path.as_str().into()).collect();
    if routes.is_empty() {
        routes.push(default_route(&manifest.name));
    }
    for service in &inspection.services {
        routes.extend(service.methods.iter().map(|method| format!("/{}/{}", service.name, method.name).into()));
    }
    routes.into_iter()
}

/// The first bytes of the SHA-256 of a component's digest and its description.
fn digest8(module: &Digest, description: &[u8]) -> [u8; 8] {
    let both = Digest::of(&[module.as_bytes().as_slice(), description].concat());
    both.as_bytes().first_chunk().copied().unwrap_or_default()
}

/// The manifest with the operator's configuration values over the module's own.
fn effective(manifest: &Manifest, services: &Services) -> Manifest {
    let mut manifest = manifest.clone();
    if let Some(settings) = services.get(manifest.name.as_str()) {
        for (key, value) in &settings.config {
            // Keys that no manifest could name are still the operator's to set; nobody can read them.
            if let Ok(key) = manifest::ConfigKey::new(key) {
                manifest.config.insert(key, value.expose().to_owned());
            }
        }
    }
    manifest
}

fn limits(manifest: &Manifest) -> engine::Limits {
    let Limits { memory_bytes_max, cpu, calls_max, queue_len_max, queue_wait, body_bytes_max, .. } =
        manifest.limits.clone();
    let clamp = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    engine::Limits {
        memory_bytes_max: clamp(memory_bytes_max),
        cpu,
        calls_max: calls_max as usize,
        queue_len_max: queue_len_max as usize,
        queue_wait,
        body_bytes_max,
        instances_max: manifest.instances.max as usize,
        concurrency: manifest.instances.concurrency as usize,
        reuse_max: manifest.instances.reuse_max.map(u64::from),
        idle: manifest.instances.idle,
    }
}

#[cfg(test)]
mod tests;
