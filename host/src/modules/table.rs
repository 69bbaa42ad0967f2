//! The table of what serves: replaced as a whole, read without a lock.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::Method;

use super::deployed::{Deployed, Entered};
use super::routes::{Lookup, Match, Routes};
use super::source::{Error, Source};
use crate::call::{CallError, ErrorKind, ServiceName, Side};

/// What serves at one moment.
#[derive(Default)]
pub struct Table {
    services: BTreeMap<ServiceName, Arc<Deployed>>,
    routes: Routes,
}

impl Table {
    /// The version of a service that takes calls.
    pub fn get(&self, service: &ServiceName) -> Option<&Arc<Deployed>> {
        self.services.get(service)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Deployed>> {
        self.services.values()
    }

    /// Services and their ways in, for people.
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
        Ok(Self::of(services))
    }

    fn without(&self, service: &ServiceName) -> Self {
        let mut services = self.services.clone();
        services.remove(service);
        Self::of(services)
    }

    fn of(services: BTreeMap<ServiceName, Arc<Deployed>>) -> Self {
        let routes = Routes::new(services.values());
        Self { services, routes }
    }
}

/// A request's service, entered, and what has to be done to its path.
pub struct Routed {
    /// The version that takes it.
    pub entered: Entered,
    /// The template, for labels.
    pub route: Arc<str>,
    /// How many bytes to take off the front of the path.
    pub strip: usize,
}

/// The current table. Clones share it.
#[derive(Clone, Default)]
pub struct Deployments(Arc<ArcSwap<Table>>);

impl Deployments {
    /// What serves now.
    pub fn table(&self) -> arc_swap::Guard<Arc<Table>> {
        self.0.load()
    }

    /// What serves now, to be kept for a while.
    pub fn table_full(&self) -> Arc<Table> {
        self.0.load_full()
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
            if let Some(entered) = Entered::new(self.0.load().get(service)?) {
                return Some(entered);
            }
        }
    }

    /// Finds the service for a request from outside and enters it. `host` is without port; `domain` is the one of
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
            match self.0.load().routes.find(host, path, method, is_grpc, domain) {
                Lookup::Found(Match { deployed, route, strip }) => {
                    if let Some(entered) = Entered::new(&deployed) {
                        return Ok(Routed { entered, route, strip });
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

    /// Puts a version in place of `replaced`, in one step. Only the loader changes the table, one change at a time.
    pub(super) fn put(&self, deployed: &Arc<Deployed>, replaced: Option<&Arc<Deployed>>) -> Result<(), Error> {
        let table = self.0.load().with(deployed, replaced)?;
        self.0.store(Arc::new(table));
        Ok(())
    }

    pub(super) fn remove(&self, service: &ServiceName) {
        let table = self.0.load().without(service);
        self.0.store(Arc::new(table));
    }
}
