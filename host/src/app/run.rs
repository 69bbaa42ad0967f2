//! Build, run, drain.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::announce::Announcement;
use super::cluster::{self, Member, Runtimes};
use super::config::Config;
use super::signals::Signals;
use crate::admin::{Admin, EdgeAt, Readiness};
use crate::capability::calls::Calls;
use crate::capability::config::ConfigValues;
use crate::capability::egress::Egress;
use crate::capability::keyvalue::KeyValue;
use crate::capability::logging::Logging;
use crate::edge::{self, Edge, Tls, TlsError};
use crate::engine::{self, Capability, ENGINE_VERSION, Engine};
use crate::modules::{Deployments, Loader, Platform, Status};
use crate::observe::metrics::{BuildInfo, Metrics};
use crate::router::Router;
use crate::store::{self, RedbStore, Store};

/// How long after the drain the last connections may take to close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Tasks that a thread polls between two looks at its sockets.
const EVENT_INTERVAL: u32 = 16;

/// Tasks that a thread polls between two looks at what other threads have woken: answers of the store, for one. Whoever waits
/// for them should not always come after those who need not wait.
const GLOBAL_QUEUE_INTERVAL: u32 = 3;

/// Why a host does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address cannot be bound.
    #[error("cannot listen on {address} ({purpose}): {reason}")]
    Bind { address: SocketAddr, purpose: &'static str, reason: String },
    /// The edge's certificate cannot be used.
    #[error("{0}")]
    Tls(#[from] TlsError),
    /// The directory of modules is missing.
    #[error("there is no directory of modules at {}: create it, or name another with --modules", .0.display())]
    NoModules(PathBuf),
    /// The data directory cannot be used.
    #[error("{0}")]
    Store(#[from] store::Error),
    /// The engine does not start.
    #[error("{0}")]
    Engine(#[from] engine::Error),
    /// The host cannot be a node of its cluster.
    #[error("{0}")]
    Cluster(#[from] cluster::Error),
    /// The operating system refuses something else.
    #[error("{what}: {source}")]
    System { what: &'static str, source: io::Error },
}

fn system(what: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::System { what, source }
}

/// Runs a host until it is told to stop. `on_ready` is called once, when everything that was deployed at the start
/// serves or has failed.
///
/// # Errors
///
/// When it cannot start. Returns `Ok` after an orderly stop.
pub fn run(config: Config, metrics: Metrics, on_ready: impl FnOnce(Announcement, &Deployments)) -> Result<(), Error> {
    // Guests must not be able to keep timers, health and shutdown from running: these have threads of their own.
    let threads = config.engine.threads();
    let serving = runtime("hostel-serve", threads)
        .on_thread_start(engine::serve_on_this_thread)
        .build()
        .map_err(system("cannot start the serving threads"))?;
    let control = runtime("hostel-control", 1).build().map_err(system("cannot start the control thread"))?;
    let outcome = control.block_on(start(config, metrics, &serving, threads, on_ready));
    // What is still running there was given its time.
    serving.shutdown_background();
    control.shutdown_background();
    outcome
}

fn runtime(name: &str, threads: usize) -> Builder {
    let mut builder = Builder::new_multi_thread();
    builder
        .worker_threads(threads)
        .thread_name(name)
        .enable_all()
        // Guests run for up to a millisecond at a time. At tokio's default of 61 tasks between two looks at the sockets,
        // a busy host would not see a new request for tens of milliseconds.
        .event_interval(EVENT_INTERVAL)
        .global_queue_interval(GLOBAL_QUEUE_INTERVAL);
    builder
}

/// The build information in metrics.
pub fn build_info() -> BuildInfo<'static> {
    BuildInfo { version: env!("CARGO_PKG_VERSION"), revision: env!("HOSTEL_GIT_REV"), engine: ENGINE_VERSION }
}

async fn start(
    config: Config,
    metrics: Metrics,
    serving: &Runtime,
    threads: usize,
    on_ready: impl FnOnce(Announcement, &Deployments),
) -> Result<(), Error> {
    let mut signals = Signals::new().map_err(system("cannot listen for signals"))?;
    let tls = Tls::load(&config.edge)?;
    // Bind early, serve late: a port in use is known before anything was compiled.
    let edge_listener = {
        let _guard = serving.enter();
        edge::bind(config.edge.listen).map_err(|error| cannot_bind(config.edge.listen, "edge", &error))?
    };
    let admin_listener = tokio::net::TcpListener::bind(config.admin.listen)
        .await
        .map_err(|error| cannot_bind(config.admin.listen, "admin", &error))?;
    if !config.modules.dir.is_dir() {
        return Err(Error::NoModules(config.modules.dir));
    }

    let store = open_store(&config.data.dir).await?;
    let deployments = Deployments::default();
    let status = Status::default();
    let runtimes = Runtimes { serving: serving.handle(), control: &tokio::runtime::Handle::current() };
    let member = Member::start(&config, &deployments, &runtimes)?;
    let announcement = Announcement {
        edge: edge_listener.address().map_err(system("cannot read the edge's address"))?,
        tls: tls.is_some(),
        admin: admin_listener.local_addr().map_err(system("cannot read the admin's address"))?,
        peer: member.as_ref().map(Member::address),
    };
    let router = Router::new(deployments.clone(), metrics.clone(), member.as_ref().map(Member::remotes));
    let capabilities: Vec<Arc<dyn Capability>> = vec![
        Arc::new(Calls::new(Arc::new(router.clone()), Egress::new())),
        Arc::new(KeyValue::new(store.clone())),
        Arc::new(ConfigValues::new()),
        Arc::new(Logging::new()),
    ];
    let cache_dir = config.engine.cache_dir(&config.data.dir);
    let engine = Engine::new(&config.engine, Some(&cache_dir), serving.handle().clone(), threads, capabilities)?;
    let platform = Platform {
        engine,
        metrics: metrics.clone(),
        services: Arc::new(config.services.clone()),
        memory_mib_max: u32::try_from(config.engine.memory_mib_max).unwrap_or(u32::MAX),
        start_timeout: config.modules.start_timeout(),
        // Those that are compiled, and some that are read meanwhile.
        turns: Arc::new(Semaphore::new(config.engine.compile_threads + 2)),
    };
    let loader = Loader::new(&config.modules, platform, deployments.clone(), status.clone());
    let mut loaded = loader.loaded();
    let (readiness, readiness_seen) = watch::channel(Readiness::Starting);

    let stop_admin = CancellationToken::new();
    let view = member.as_ref().map(Member::view);
    let (deployed, called) = (deployments.clone(), router.clone());
    let edge_at = EdgeAt { address: announcement.edge, url: announcement.edge_url() };
    let admin = Admin::new(deployed, called, status, metrics.clone(), readiness_seen, edge_at, view);
    let admin = tokio::spawn(admin.run(admin_listener, stop_admin.clone()));
    let loader = tokio::spawn(loader.run());
    let stop_edge = CancellationToken::new();

    // The modules that are there come first, and those of other hosts: a host that answers 404 for what it is about to serve
    // is worse than one that does not answer yet.
    let prepared = async {
        let _ = loaded.wait_for(|loaded| *loaded).await;
        if let Some(member) = &member {
            member.get_acquainted(&deployments).await;
        }
    };
    let code = tokio::select! {
        () = prepared => None,
        code = signals.next() => Some(code),
    };
    if code.is_none() {
        let leaving = CancellationToken::new();
        let access = config.log.access;
        let edge = Edge::new(config.edge.clone(), deployments.clone(), router, metrics, access, leaving.clone());
        if let Some(tls) = &tls {
            tokio::spawn(tls.clone().watch(stop_edge.clone()));
        }
        let edge = serving.spawn(edge_listener.run(edge, tls, stop_edge.clone()));
        if let Some(member) = &member {
            member.publish(&deployments);
        }
        readiness.send_replace(Readiness::Ready);
        on_ready(announcement, &deployments);
        tracing::info!(edge = %announcement.edge, tls = announcement.tls, admin = %announcement.admin, "ready");
        signals.next().await;

        tracing::info!(drain_ms = config.modules.drain_ms, "stopping: requests in flight may end");
        readiness.send_replace(Readiness::Draining);
        leaving.cancel();
        loader.abort();
        let drained = async {
            if let Some(member) = &member {
                // Until the others know that this host goes, it takes what they send.
                member.leave().await;
            }
            stop_edge.cancel();
            let _ = tokio::time::timeout(config.modules.drain(), edge).await.map_err(|_| {
                tracing::warn!("requests were cut off: they did not end within `drain_ms`");
            });
            if let Some(member) = member {
                member.close().await;
            }
        };
        tokio::select! {
            () = drained => {}
            code = signals.next() => {
                tracing::warn!("a second signal: stopping at once");
                std::process::exit(code);
            }
        }
    }
    loader.abort();
    for deployed in deployments.table_full().iter() {
        deployed.pool().kill();
    }
    store.close().await;
    stop_admin.cancel();
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, admin).await;
    tracing::info!("stopped");
    Ok(())
}

async fn open_store(data_dir: &Path) -> Result<Arc<dyn Store>, Error> {
    let config = store::Config { dir: data_dir.to_owned(), ..store::Config::default() };
    // After an unclean end, opening reads the whole file.
    let opening = tokio::task::spawn_blocking(move || RedbStore::open(&config));
    let opened = opening
        .await
        .map_err(|error| Error::System { what: "cannot open the store", source: io::Error::other(error) })?;
    Ok(Arc::new(opened?))
}

fn cannot_bind(address: SocketAddr, purpose: &'static str, error: &io::Error) -> Error {
    let reason = match error.kind() {
        io::ErrorKind::AddrInUse => "the port is in use; stop what uses it, or choose another".to_owned(),
        io::ErrorKind::PermissionDenied => "not allowed; ports below 1024 need privileges".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine does not have the address".to_owned(),
        _ => error.to_string(),
    };
    Error::Bind { address, purpose, reason }
}
