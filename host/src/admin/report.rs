//! What is running, in the shape the control API gives it. Field names are an interface: scripts read them.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::{CalledService, EdgeAt, Readiness};
use crate::engine::ENGINE_VERSION;
use crate::modules::{Deployments, ModuleState, ModuleStatus, Status};
use crate::router::Router;

/// A host and its modules.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// The process.
    pub host: HostReport,
    /// `starting`, `ready` or `draining`.
    pub readiness: Cow<'static, str>,
    /// One for each module file.
    pub services: Vec<ModuleReport>,
    /// One for each service that has been called, here or elsewhere.
    pub called: Vec<CalledService>,
}

/// The process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HostReport {
    /// Of the host.
    pub version: Cow<'static, str>,
    /// The commit it was built from.
    pub revision: Cow<'static, str>,
    /// Of wasmtime.
    pub engine: Cow<'static, str>,
    /// Process id.
    pub pid: u32,
    /// Where calls come in.
    pub edge: SocketAddr,
    /// The same as a URL, which says whether it speaks TLS.
    pub edge_url: String,
    /// Seconds since 1970.
    pub started_unix_s: u64,
}

impl HostReport {
    pub(super) fn new(edge: EdgeAt, started: SystemTime) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            revision: env!("HOSTEL_GIT_REV").into(),
            engine: ENGINE_VERSION.into(),
            pid: std::process::id(),
            edge: edge.address,
            edge_url: edge.url,
            started_unix_s: unix_s(started),
        }
    }
}

/// A module file, and what of it serves.
#[derive(Debug, Serialize, Deserialize)]
pub struct ModuleReport {
    /// The service, or the file's stem as long as none is known.
    pub name: String,
    /// The file's name.
    pub file: String,
    /// `loading`, `serving` or `failed`: of the file as it is now. When it failed, an older version may serve.
    pub state: Cow<'static, str>,
    /// Whether some version serves: the file's own, or the one that was there before it.
    #[serde(default)]
    pub serving: bool,
    /// Why it failed, in one line.
    pub error: Option<String>,
    /// When it failed; seconds since 1970.
    pub failed_unix_s: Option<u64>,
    /// The version that serves.
    pub version: Option<String>,
    /// Of the component that serves.
    pub digest: Option<String>,
    /// How it is called: `lean`, `wasi:http 0.3` or `wasi:http 0.2`.
    pub door: Option<Cow<'static, str>>,
    /// The tier of its code: `baseline`, until `optimised` code replaces it.
    pub code: Option<Cow<'static, str>>,
    /// Since when that version serves; seconds since 1970.
    pub since_unix_s: Option<u64>,
    /// Of the component that serves, in bytes.
    pub size_bytes: Option<usize>,
    /// Instances of that version.
    pub instances: usize,
    /// Of these, without a call.
    pub instances_idle: usize,
    /// Calls in progress.
    pub in_flight: usize,
    /// Calls that wait for an instance.
    pub queued: usize,
    /// Ways in from outside.
    pub routes: Vec<String>,
    /// Full names of the gRPC services it describes.
    pub grpc_services: Vec<String>,
}

impl Report {
    pub(super) fn new(
        host: &HostReport,
        readiness: Readiness,
        status: &Status,
        deployments: &Deployments,
        router: &Router,
    ) -> Self {
        let routes = deployments.table().describe_routes();
        let services = status.snapshot().iter().map(|module| ModuleReport::new(module, &routes)).collect();
        let readiness = match readiness {
            Readiness::Starting => "starting",
            Readiness::Ready => "ready",
            Readiness::Draining => "draining",
        };
        let called = router.snapshot().iter().map(CalledService::new).collect();
        Self { host: host.clone(), readiness: readiness.into(), services, called }
    }
}

impl ModuleReport {
    fn new(module: &ModuleStatus, routes: &[(String, String)]) -> Self {
        let stem = module.file.strip_suffix(".wasm").unwrap_or(&module.file);
        let (state, error, failed_unix_s) = match &module.state {
            ModuleState::Loading => ("loading", None, None),
            ModuleState::Serving => ("serving", None, None),
            ModuleState::Failed { error, at } => ("failed", Some(error.clone()), Some(unix_s(*at))),
        };
        let mut report = Self {
            name: stem.to_owned(),
            file: module.file.clone(),
            state: state.into(),
            serving: module.serving.is_some(),
            error,
            failed_unix_s,
            version: None,
            digest: None,
            door: None,
            code: None,
            since_unix_s: None,
            size_bytes: None,
            instances: 0,
            instances_idle: 0,
            in_flight: 0,
            queued: 0,
            routes: Vec::new(),
            grpc_services: Vec::new(),
        };
        if let Some(deployed) = &module.serving {
            let pool = deployed.pool().snapshot();
            let inspection = deployed.inspection();
            report.name = deployed.service().to_string();
            report.version = Some(deployed.version().to_string());
            report.digest = Some(inspection.digest.to_string());
            report.door = Some(deployed.pool().door().as_str().into());
            report.code = Some(deployed.code().into());
            report.since_unix_s = Some(unix_s(deployed.since()));
            report.size_bytes = Some(inspection.size);
            report.instances = pool.instances;
            report.instances_idle = pool.idle;
            report.in_flight = pool.in_flight;
            report.queued = pool.queued;
            report.routes =
                routes.iter().filter(|(service, _)| *service == report.name).map(|(_, route)| route.clone()).collect();
            report.grpc_services = inspection.services.iter().map(|service| service.name.clone()).collect();
        }
        report
    }
}

pub(super) fn unix_s(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
