//! A service's lane: the endpoints it has at this moment, kept in step with what is deployed here and with the catalogue.
//!
//! What a lane is made of changes seldom, so a call only compares four numbers ([`Stamp`]) with those its lane was made
//! from. When one differs, the call makes the lane anew; what the policies know of endpoints that stay is kept.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, UNIX_EPOCH};

use arc_swap::ArcSwap;
use tokio::time::Instant;

use super::Shared;
use super::node_key::NodeKey;
use super::remote::RemoteEndpoint;
use crate::call::{CallError, ServiceName};
use crate::cluster::catalogue::{Endpoint, Endpoints as Listed, Service, ServiceState};
use crate::modules::{Deployed, RemoteService};
use crate::observe::metrics::{CallMetrics, Locality as Counted};
use crate::peer::NodeName;
use crate::policy::balance::Locality;
use crate::policy::endpoints::{Attributes, Endpoints};
use crate::policy::settings::{PerCall, Settings};

/// The share of an endpoint in the calls; all have the same until operators can say otherwise.
const WEIGHT: u32 = 100;

/// Endpoints that are there when a lane is made are taken for having been there all the time.
const SETTLED: Duration = Duration::from_secs(24 * 3600);

/// One service as it is seen from here.
pub(super) struct Lane {
    service: ServiceName,
    endpoints: Arc<Endpoints<NodeKey>>,
    view: ArcSwap<View>,
    /// Held while the lane is made anew.
    renewing: Mutex<()>,
}

/// What a lane is made from, as it is now.
pub(super) struct Sources<'s> {
    pub(super) local: Option<&'s Arc<Deployed>>,
    pub(super) described: Option<&'s Arc<RemoteService>>,
    pub(super) listed: Option<&'s Arc<Listed>>,
    pub(super) reachability: u64,
}

/// Tells one state of the sources from another. Addresses do, because a view keeps them from being used again.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Stamp {
    local: usize,
    described: usize,
    listed: u64,
    reachability: u64,
}

impl Sources<'_> {
    /// Looks at them.
    pub(super) fn with<R>(shared: &Shared, service: &ServiceName, look: impl FnOnce(&Sources<'_>) -> R) -> R {
        let table = shared.deployments.table();
        let (local, described) = (table.get(service), table.remote(service));
        match &shared.remotes {
            None => look(&Sources { local, described, listed: None, reachability: 0 }),
            Some(remotes) => {
                // Before the list: a change that comes between is found by the next call.
                let reachability = remotes.catalogue().reachability();
                let catalogue = remotes.catalogue().load();
                let listed = catalogue.service(service.as_str());
                look(&Sources { local, described, listed, reachability })
            }
        }
    }

    fn stamp(&self) -> Stamp {
        Stamp {
            local: self.local.map_or(0, |local| Arc::as_ptr(local).addr()),
            described: self.described.map_or(0, |described| Arc::as_ptr(described).addr()),
            listed: self.listed.map_or(0, |listed| listed.revision()),
            // Of no interest to services that are only here.
            reachability: self.listed.map_or(0, |_| self.reachability),
        }
    }
}

/// What a call has to know of its service besides the endpoints.
pub(super) struct View {
    stamp: Stamp,
    service: ServiceName,
    /// Weak, because a lane that is not called must not keep what has been replaced.
    local: Weak<Deployed>,
    /// Whether any of its gRPC methods says that its calls may be sent again.
    local_promises: bool,
    described: Option<Arc<RemoteService>>,
    remote: HashMap<NodeKey, RemoteEndpoint>,
    policy: Arc<Settings>,
    treatment: Arc<PerCall>,
    refused: CallMetrics,
    since: HashMap<NodeKey, Instant>,
}

impl Lane {
    pub(super) fn new(shared: &Shared, service: &ServiceName, sources: &Sources<'_>) -> Self {
        let now = Instant::now();
        let settled = now.checked_sub(SETTLED).unwrap_or(now);
        let (view, members) = View::new(shared, service, sources, None, settled);
        let endpoints = Arc::new(Endpoints::new(now, view.policy.clone()));
        endpoints.update(now, members);
        Self { service: service.clone(), endpoints, view: ArcSwap::from_pointee(view), renewing: Mutex::default() }
    }

    /// The endpoints and the view, in step with `sources`.
    pub(super) fn current(&self, shared: &Shared, sources: &Sources<'_>) -> (Arc<Endpoints<NodeKey>>, Arc<View>) {
        let view = self.view.load();
        if view.stamp == sources.stamp() {
            return (self.endpoints.clone(), view.clone());
        }
        drop(view);
        (self.endpoints.clone(), self.renew(shared))
    }

    /// Looks again, now that nobody else renews: a thread that was stopped for a while must not bring back what it had seen
    /// before.
    fn renew(&self, shared: &Shared) -> Arc<View> {
        let _renewing = self.renewing.lock().unwrap_or_else(PoisonError::into_inner);
        Sources::with(shared, &self.service, |sources| self.renew_from(shared, sources))
    }

    fn renew_from(&self, shared: &Shared, sources: &Sources<'_>) -> Arc<View> {
        let old = self.view.load_full();
        // Somebody else was quicker.
        if old.stamp == sources.stamp() {
            return old;
        }
        let now = Instant::now();
        let (view, members) = View::new(shared, &self.service, sources, Some(&old), now);
        if !Arc::ptr_eq(&view.policy, &old.policy) {
            self.endpoints.configure(now, view.policy.clone());
        }
        self.endpoints.update(now, members);
        let view = Arc::new(view);
        self.view.store(view.clone());
        view
    }
}

impl View {
    /// The view, and the members that belong to it. Endpoints that are new are there since `new_since`.
    fn new(
        shared: &Shared,
        service: &ServiceName,
        sources: &Sources<'_>,
        old: Option<&Self>,
        new_since: Instant,
    ) -> (Self, Vec<(NodeKey, Attributes)>) {
        let me = shared.me();
        let known = |node: NodeKey| old.and_then(|old| old.since.get(&node)).copied().unwrap_or(new_since);
        let mut members = Vec::new();
        let mut remote = HashMap::new();
        if let Some(local) = sources.local {
            let version = version(local);
            members.push((me, Attributes { locality: Locality::Local, weight: WEIGHT, since: known(me), version }));
        }
        let here_too = sources.local.is_some();
        for endpoint in sources.listed.map(|listed| usable(listed, here_too)).unwrap_or_default() {
            let node = endpoint.presence.node();
            let Some(target) = RemoteEndpoint::new(node, &endpoint.offer.version, &shared.metrics) else { continue };
            let near = shared.remotes.as_ref().is_some_and(|remotes| remotes.is_near(node));
            let locality = if near { Locality::Zone } else { Locality::Elsewhere };
            let key = NodeKey::of(node);
            let (since, version) = (known(key), offered(&endpoint.offer));
            members.push((key, Attributes { locality, weight: WEIGHT, since, version }));
            remote.insert(key, target);
        }
        let (policy, treatment) = match (sources.local, sources.described) {
            (Some(local), _) => (local.policy().clone(), local.treatment().clone()),
            (None, Some(described)) => (described.policy().clone(), described.treatment().clone()),
            (None, None) => match old.filter(|old| old.stamp.local == 0 && old.stamp.described == 0) {
                Some(old) => (old.policy.clone(), old.treatment.clone()),
                None => (Arc::default(), Arc::default()),
            },
        };
        let refused = match sources.local {
            Some(local) => local.call_metrics(None).clone(),
            None => shared.metrics.calls(&service.as_str().into(), &"".into(), &"*".into(), Counted::None),
        };
        let view = Self {
            stamp: sources.stamp(),
            service: service.clone(),
            local: sources.local.map(Arc::downgrade).unwrap_or_default(),
            local_promises: sources.local.is_some_and(|local| local.promises_idempotence()),
            described: sources.described.cloned(),
            remote,
            policy,
            treatment,
            refused,
            since: members.iter().map(|(node, attributes)| (*node, attributes.since)).collect(),
        };
        (view, members)
    }

    pub(super) fn service(&self) -> &ServiceName {
        &self.service
    }

    /// How calls on no route are treated.
    pub(super) fn treatment(&self) -> &Arc<PerCall> {
        &self.treatment
    }

    /// The service on another node.
    pub(super) fn remote(&self, node: NodeKey) -> Option<&RemoteEndpoint> {
        self.remote.get(&node)
    }

    /// The names of the other nodes.
    pub(super) fn nodes(&self) -> HashMap<NodeKey, NodeName> {
        self.remote.iter().map(|(node, endpoint)| (*node, endpoint.node().clone())).collect()
    }

    pub(super) fn policy(&self) -> &Arc<Settings> {
        &self.policy
    }

    /// What the description of a gRPC method says about sending a call twice.
    pub(super) fn method_idempotent(&self, path: &str) -> Option<bool> {
        // Most promise nothing, and every call asks.
        let is_local = self.stamp.local != 0;
        match &self.described {
            _ if is_local && !self.local_promises => None,
            _ if is_local => self.local.upgrade()?.method_idempotent(path),
            Some(described) => described.method_idempotent(path),
            None => None,
        }
    }

    /// Counts a call for which there was no endpoint, which is found out at once.
    pub(super) fn count_refused(&self, error: &CallError, is_grpc: bool) {
        let grpc = is_grpc.then_some(error.kind().grpc_code() as i32);
        self.refused.record(error.kind().http_status().as_u16(), grpc, Duration::ZERO);
    }
}

/// Tells one deployment on this host from the next, even if both are of the same component: what made it fail may be gone.
fn version(local: &Deployed) -> u64 {
    let since = local.since().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::from_be_bytes(local.digest8()) ^ (since.as_nanos() as u64)
}

/// Tells one version on another host from the next, as far as that can be seen from here.
fn offered(offer: &Service) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&offer.version, offer.digest).hash(&mut hasher);
    hasher.finish()
}

/// One endpoint for each node that is to get calls: those that are ready, or else, if it is not here either, those that
/// drain; of these the ones that can be reached, or else all.
fn usable(listed: &Listed, here_too: bool) -> Vec<&Endpoint> {
    let all = listed.list();
    let has_ready = here_too || all.iter().any(|endpoint| endpoint.offer.state == ServiceState::Ready);
    let wanted = if has_ready { ServiceState::Ready } else { ServiceState::Draining };
    let fit = || all.iter().map(|endpoint| &**endpoint).filter(|endpoint| endpoint.offer.state == wanted);
    let mut chosen: Vec<_> = fit().filter(|endpoint| endpoint.presence.is_reachable()).collect();
    if chosen.is_empty() {
        chosen = fit().collect();
    }
    // The list is ordered by node. While a node swaps it may have two versions; what it is asked for is the service.
    chosen.dedup_by_key(|endpoint| endpoint.presence.node().id());
    chosen
}
