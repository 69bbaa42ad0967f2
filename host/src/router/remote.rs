//! Services on other hosts.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::counted::Counted;
use super::node_key::NodeKey;
use crate::call::{CallContext, CallError, Request, Response, ServiceName};
use crate::cluster::Node;
use crate::cluster::catalogue::Reader;
use crate::observe::metrics::{CallMetrics, Locality, Metrics};
use crate::peer::{Client, Incarnation, NodeName, Peer};
use crate::policy::deadline;

/// The other hosts of the cluster: what they serve, and how they are reached.
pub struct Remotes {
    /// This host.
    me: NodeKey,
    /// Its zone; empty when none was said.
    zone: Box<str>,
    /// What others serve.
    catalogue: Reader,
    /// The links to them.
    client: Client,
}

impl Remotes {
    /// What `me` knows of others by its `catalogue`, and reaches by `client`.
    pub fn new(me: &Node, catalogue: Reader, client: Client) -> Self {
        Self { me: NodeKey::of(me), zone: me.zone().into(), catalogue, client }
    }

    pub(super) fn me(&self) -> NodeKey {
        self.me
    }

    /// Whether a node is in the zone of this host, if it is in any.
    pub(super) fn is_near(&self, node: &Node) -> bool {
        !self.zone.is_empty() && *self.zone == *node.zone()
    }

    pub(super) fn catalogue(&self) -> &Reader {
        &self.catalogue
    }
}

/// A service on another host.
pub(super) struct RemoteEndpoint {
    peer: Peer,
    version: Arc<str>,
    /// Counters of the calls to it, by route.
    calls: RwLock<HashMap<Arc<str>, CallMetrics>>,
    metrics: Metrics,
}

/// The route label of calls that came in on none.
const ANY_ROUTE: &str = "*";

impl RemoteEndpoint {
    /// `None` when the node has a name that no certificate can carry.
    pub(super) fn new(node: &Node, version: &Arc<str>, metrics: &Metrics) -> Option<Self> {
        let peer = link_to(node)?;
        Some(Self { peer, version: version.clone(), calls: RwLock::default(), metrics: metrics.clone() })
    }

    pub(super) fn node(&self) -> &NodeName {
        &self.peer.node
    }

    fn call_metrics(&self, service: &ServiceName, route: Option<&Arc<str>>) -> CallMetrics {
        let name = route.map_or(ANY_ROUTE, |route| &**route);
        if let Some(known) = self.calls.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return known.clone();
        }
        // Routes come from tables, never from requests, so there are few.
        let route: Arc<str> = route.cloned().unwrap_or_else(|| name.into());
        let found = self.metrics.calls(&service.as_str().into(), &self.version, &route, Locality::Remote);
        let mut calls = self.calls.write().unwrap_or_else(PoisonError::into_inner);
        calls.entry(route).or_insert(found).clone()
    }
}

/// How a node is reached over its links; `None` when it has a name that no certificate can carry.
pub fn link_to(node: &Node) -> Option<Peer> {
    Some(Peer {
        incarnation: Incarnation(node.id().as_u128().to_be_bytes()),
        node: NodeName::new(node.name()).ok()?,
        address: node.peer(),
    })
}

/// Sends a call to a service on another host.
pub(super) fn call(
    remotes: &Remotes,
    service: &ServiceName,
    endpoint: &RemoteEndpoint,
    request: Request,
    context: CallContext,
) -> impl Future<Output = Result<Response, CallError>> + Send + use<> {
    let counted = Counted::begin(endpoint.call_metrics(service, context.route.as_ref()), &request);
    let deadline = context.deadline;
    // Sent now and not when the future is polled, which then need not carry the request.
    let sent = remotes.client.call(&endpoint.peer, service, request, &context);
    let calling = deadline::within(deadline, move || sent);
    async move { counted.end(calling.await) }
}
