//! The table of what serves: replaced as a whole, read without a lock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use http::Method;
use tokio::sync::watch;

use super::deployed::{Deployed, Entered};
use super::described::{Described, Speech};
use super::remote::RemoteService;
use super::routes::{Destination, Lookup, Match, Routes};
use super::source::{Error, Source};
use crate::call::{CallError, ErrorKind, ServiceName, Side};
use crate::policy::settings::PerCall;
use crate::transcode::contract::Contract;
use crate::transcode::settings::Settings as Json;

/// What serves at one moment.
#[derive(Default)]
pub struct Table {
    services: BTreeMap<ServiceName, Arc<Deployed>>,
    /// Services that other hosts run. Some may run here too.
    remotes: BTreeMap<ServiceName, Arc<RemoteService>>,
    routes: Routes,
    /// Ways in that were left out, a line each.
    left_out: Vec<String>,
}

impl Table {
    /// The version of a service that takes calls.
    pub fn get(&self, service: &ServiceName) -> Option<&Arc<Deployed>> {
        self.services.get(service)
    }

    /// A service that others run, and this host does not.
    pub fn remote(&self, service: &ServiceName) -> Option<&Arc<RemoteService>> {
        self.remotes.get(service).filter(|_| !self.services.contains_key(service))
    }

    /// All versions that take calls here, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Deployed>> {
        self.services.values()
    }

    /// What the services offer in other protocols, by name: of those that have descriptors.
    pub fn contracts(&self) -> Vec<Offer> {
        let offer = |described: &Described| {
            let contract = described.speech().contract.clone()?;
            Some(Offer { service: described.service().clone(), contract, at_root: described.ways().is_empty() })
        };
        let local = self.services.values().filter_map(|deployed| offer(deployed.described()));
        local.chain(self.elsewhere().filter_map(|remote| offer(remote.described()))).collect()
    }

    /// Names of services, with the gRPC services that each of them has.
    pub fn served(&self) -> impl Iterator<Item = (&str, &[String])> {
        let local = self.services.values().map(|deployed| deployed.described());
        let all = local.chain(self.elsewhere().map(|remote| remote.described()));
        all.map(|described| (described.service().as_str(), described.grpc()))
    }

    /// Services that only others run.
    fn elsewhere(&self) -> impl Iterator<Item = &Arc<RemoteService>> {
        self.remotes.values().filter(|remote| !self.services.contains_key(remote.service()))
    }

    /// The services of this host and their ways in, for people.
    pub fn describe_routes(&self) -> Vec<(String, String)> {
        self.routes.describe()
    }

    /// The same table with one version put in, in place of `replaced`.
    fn with(&self, deployed: &Arc<Deployed>, replaced: Option<&Arc<Deployed>>) -> Result<Self, Error> {
        let mut services = self.services.clone();
        if let Some(replaced) = replaced {
            services.remove(replaced.service());
        }
        Deployments::conflict(deployed.source(), services.values().map(|other| other.source()))?;
        services.insert(deployed.service().clone(), deployed.clone());
        Ok(Self::of(services, self.remotes.clone()))
    }

    fn without(&self, service: &ServiceName) -> Self {
        let mut services = self.services.clone();
        services.remove(service);
        Self::of(services, self.remotes.clone())
    }

    fn of(services: BTreeMap<ServiceName, Arc<Deployed>>, remotes: BTreeMap<ServiceName, Arc<RemoteService>>) -> Self {
        let local = services.values().cloned().map(Destination::Local);
        let elsewhere = remotes.values().filter(|remote| !services.contains_key(remote.service()));
        let (routes, left_out) = Routes::new(local.chain(elsewhere.cloned().map(Destination::Remote)));
        let left_out = left_out.iter().map(ToString::to_string).collect();
        Self { services, remotes, routes, left_out }
    }
}

/// What a service offers in other protocols.
#[derive(Clone)]
pub struct Offer {
    /// Its name.
    pub service: ServiceName,
    /// What it offers.
    pub contract: Arc<Contract>,
    /// Whether its methods and rules are at the edge's root: it has no routes of its own, which would say where they are.
    pub at_root: bool,
}

/// A request's service, and what has to be done to its path.
pub struct Routed {
    /// Who takes it.
    pub to: RoutedTo,
    /// The template, for labels.
    pub route: Arc<str>,
    /// How many bytes to take off the front of the path.
    pub strip: usize,
    /// How the call is treated.
    pub treatment: Arc<PerCall>,
    /// How it is spoken in JSON.
    pub json: Json,
}

/// Who takes a request.
pub enum RoutedTo {
    /// A version on this host, entered.
    Local(Entered),
    /// A service that others run.
    Remote(Arc<RemoteService>),
}

impl RoutedTo {
    /// The service's name.
    pub fn service(&self) -> &ServiceName {
        match self {
            Self::Local(entered) => entered.deployed().service(),
            Self::Remote(remote) => remote.service(),
        }
    }

    /// What it offers in other protocols.
    pub fn speech(&self) -> &Speech {
        match self {
            Self::Local(entered) => entered.deployed().speech(),
            Self::Remote(remote) => remote.speech(),
        }
    }
}

/// The current table. Clones share it.
#[derive(Clone, Default)]
pub struct Deployments(Arc<Shared>);

#[derive(Default)]
struct Shared {
    table: ArcSwap<Table>,
    /// Held from reading the table to replacing it: nobody's change is lost to another's.
    writing: Mutex<()>,
    /// Counts the changes of what runs here.
    changes: watch::Sender<u64>,
    /// Counts all changes.
    all_changes: watch::Sender<u64>,
}

impl Deployments {
    /// What serves now.
    pub fn table(&self) -> arc_swap::Guard<Arc<Table>> {
        self.0.table.load()
    }

    /// What serves now, to be kept for a while.
    pub fn table_full(&self) -> Arc<Table> {
        self.0.table.load_full()
    }

    /// Changes with every change of what runs on this host. What it counts means nothing.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// Changes with every change of the table. What it counts means nothing.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.0.all_changes.subscribe()
    }

    /// Replaces all services that others run. One that runs here too is this host's as long as it does.
    ///
    /// Returns which ways in are left out, one line each; the log has said so of those that are new: of those that several services have, the one of a
    /// service of this host stays, else that of the service whose name comes first.
    pub fn set_remote(&self, services: Vec<Arc<RemoteService>>) -> Vec<String> {
        let remotes = services.into_iter().map(|remote| (remote.service().clone(), remote)).collect();
        let _writing = self.writing();
        let table = Table::of(self.0.table.load().services.clone(), remotes);
        let left_out = table.left_out.clone();
        self.replace(table);
        left_out
    }

    /// Whether a module can serve beside others.
    ///
    /// # Errors
    ///
    /// When one of the others has its service or one of its routes.
    pub fn conflict<'a>(source: &Source, others: impl Iterator<Item = &'a Source>) -> Result<(), Error> {
        let conflict = |reason: String| Err(Error::Conflict { file: source.file.clone(), reason });
        for other in others {
            if other.manifest.name == source.manifest.name {
                return conflict(format!("{} already implements the service `{}`", other.file, other.manifest.name));
            }
            for route in &source.manifest.routes {
                if other.manifest.routes.iter().any(|existing| existing.repeats(route)) {
                    return conflict(format!("{} already has the route {}", other.file, route.path));
                }
            }
        }
        Ok(())
    }

    /// Enters the version of a service that takes calls; `None` when there is no such service.
    pub fn enter(&self, service: &ServiceName) -> Option<Entered> {
        loop {
            // A version that cannot be entered has been replaced in the table before it was closed.
            if let Some(entered) = Entered::new(self.0.table.load().get(service)?) {
                return Some(entered);
            }
        }
    }

    /// Finds the service for a request from outside, and enters it if it runs here. `host` is without port; `domain` is the one of
    /// `NAME.<domain>`.
    ///
    /// # Errors
    ///
    /// When there is no route, or none for the method.
    pub fn route(
        &self,
        host: &str,
        path: &str,
        method: &Method,
        is_grpc: bool,
        domain: &str,
    ) -> Result<Routed, CallError> {
        loop {
            match self.0.table.load().routes.find(host, path, method, is_grpc, domain) {
                Lookup::Found(Match { to, route, strip, treatment, json }) => {
                    let to = match to {
                        Destination::Local(deployed) => Entered::new(&deployed).map(RoutedTo::Local),
                        Destination::Remote(remote) => Some(RoutedTo::Remote(remote)),
                    };
                    // A version that cannot be entered has been replaced in the table before it was closed.
                    if let Some(to) = to {
                        return Ok(Routed { to, route, strip, treatment, json });
                    }
                }
                Lookup::WrongMethod(allowed) => {
                    let message = format!("no route takes {method} here");
                    return Err(
                        CallError::new(ErrorKind::MethodNotAllowed, Side::Caller, message).with_allowed(allowed)
                    );
                }
                Lookup::None => {
                    let message = "no route and no service takes this request";
                    return Err(CallError::new(ErrorKind::NotFound, Side::Caller, message));
                }
            }
        }
    }

    /// Puts a version in place of `replaced`, in one step.
    pub(super) fn put(&self, deployed: &Arc<Deployed>, replaced: Option<&Arc<Deployed>>) -> Result<(), Error> {
        self.change(|table| table.with(deployed, replaced))
    }

    pub(super) fn remove(&self, service: &ServiceName) {
        // Taking away conflicts with nothing.
        let _ = self.change(|table| Ok(table.without(service)));
    }

    /// Changes what runs here.
    fn change(&self, change: impl FnOnce(&Table) -> Result<Table, Error>) -> Result<(), Error> {
        let _writing = self.writing();
        let table = change(&self.0.table.load())?;
        self.replace(table);
        self.0.changes.send_modify(|count| *count = count.wrapping_add(1));
        Ok(())
    }

    /// Says what is left out now and was not before.
    fn replace(&self, table: Table) {
        let table = Arc::new(table);
        let before = self.0.table.swap(table.clone());
        for line in table.left_out.iter().filter(|line| !before.left_out.contains(*line)) {
            tracing::warn!("{line}");
        }
        self.0.all_changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn writing(&self) -> MutexGuard<'_, ()> {
        self.0.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
