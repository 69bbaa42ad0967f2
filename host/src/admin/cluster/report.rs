//! The cluster in the shape the control API gives it. Field names are an interface: scripts read them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use super::ClusterView;
use crate::admin::report::unix_s;
use crate::cluster::catalogue::{ServiceState, Snapshot};
use crate::cluster::{Counters, MemberState, MemberStatus, Node, NodeId, Status};
use crate::modules::Deployments;
use crate::peer::{ClientSnapshot, Incarnation, ServerSnapshot};

/// A cluster, as one of its nodes sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterReport {
    /// The cluster's name.
    pub cluster: String,
    /// The node that was asked.
    pub node: NodeReport,
    /// All others, by name; for a while also those that left or were declared dead.
    pub members: Vec<MemberReport>,
    /// Links from others to the node.
    pub server: ServerReport,
    /// Links from the node to others.
    pub client: ClientReport,
    /// What the node's gossip has done.
    pub counters: CountersReport,
}

/// The node that was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeReport {
    /// Its name, as its operator gave it.
    pub name: String,
    /// Which start of the node this is: 128 bits in hexadecimal.
    pub id: String,
    /// The zone it is in; empty when none was given.
    pub zone: String,
    /// Where it takes gossip (UDP).
    pub gossip: SocketAddr,
    /// Where it takes links (TCP).
    pub peer: SocketAddr,
    /// 0 is well; the higher, the more it blames itself for what it sees, and the more time it gives others.
    pub health: u32,
    /// When its certificate expires; seconds since 1970.
    pub certificate_expires_unix_s: u64,
    /// What it serves, by name.
    pub services: Vec<ServedReport>,
}

/// Another node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberReport {
    /// Its name. Not necessarily unique: an earlier start of a node has the same.
    pub name: String,
    /// Which start of the node this is: 128 bits in hexadecimal.
    pub id: String,
    /// The zone it is in; empty when none was given.
    pub zone: String,
    /// Where it takes gossip (UDP).
    pub gossip: SocketAddr,
    /// Where it takes links (TCP).
    pub peer: SocketAddr,
    /// `alive`, `suspect` (somebody got no answer from it; still a member) or `down` (it left, or was declared dead).
    pub state: Cow<'static, str>,
    /// How long it has been a member, or been down, as seen from the node; in seconds.
    pub age_s: u64,
    /// How often it has objected to being suspected.
    pub incarnation: u16,
    /// When it started, or made itself known anew after having been held for down; seconds since 1970.
    pub started_unix_s: u64,
    /// Who was the first to suspect it, while it is suspected and as far as that is known.
    pub suspected_by: Option<SuspectedBy>,
    /// False from a failed connection until it is heard from.
    pub reachable: bool,
    /// Up to which number its record in the catalogue is known to the node; 0 is nothing.
    pub record: u64,
    /// What it serves, by name and version. Nothing when it is down.
    pub services: Vec<ServedReport>,
    /// The node's links to it; `null` when there was no reason for one.
    pub link: Option<LinkReport>,
}

/// Who suspects somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuspectedBy {
    /// Which start of which node.
    pub id: String,
    /// Its name, if the node knows it.
    pub name: Option<String>,
}

/// A version of a service, on a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServedReport {
    /// The service's name.
    pub service: String,
    /// The version's.
    pub version: String,
    /// `ready`, or `draining`: it finishes what it has.
    pub state: Cow<'static, str>,
    /// The version's share among the versions of the service, as other nodes publish it; `null` for the node itself.
    pub weight: Option<u16>,
}

/// Links to one other node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkReport {
    /// `ok`; `failed`, which may pass; or `refused`: one of the two does not take the other for a node of its cluster, so no
    /// call gets there.
    #[serde(default)]
    pub state: Cow<'static, str>,
    /// Open for calls.
    pub connections: usize,
    /// Calls in flight on them.
    pub in_flight: usize,
    /// Attempts to connect that failed since the last that did not.
    pub failures: u32,
    /// What the last of them failed with.
    pub last_error: Option<String>,
}

/// Links from others. Counts are since the start of the process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerReport {
    /// Connections accepted.
    pub accepted: u64,
    /// Connections that did not become links: no handshake in time, no certificate, the wrong one.
    pub refused: u64,
    /// Why the last of them was refused.
    pub last_refusal: Option<String>,
    /// Links open now.
    pub connections: u64,
    /// Calls and control requests taken.
    pub calls: u64,
    /// Handlers that panicked; their calls were reset.
    pub panics: u64,
}

/// Links to others, all together. Counts are since the start of the process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientReport {
    /// Calls that were sent or tried to be.
    pub calls: u64,
    /// Connections made.
    pub connected: u64,
    /// Connections that could not be made.
    pub connect_failed: u64,
    /// Connections that broke or fell silent.
    pub lost: u64,
    /// Calls refused because all connections were full.
    pub saturated: u64,
    /// Calls that another node refused or left unprocessed.
    pub unprocessed: u64,
    /// Connections open for calls now.
    pub connections: usize,
    /// Calls in flight now.
    pub in_flight: usize,
}

impl ClusterReport {
    pub(super) fn new(view: &ClusterView, status: &Status, deployments: &Deployments, draining: bool) -> Self {
        let catalogue = view.handle.reader().snapshot();
        let client = view.client.snapshot();
        let me = &status.me;
        let mut served = served(&catalogue);
        let mut links = links(&client);
        let names: HashMap<NodeId, &str> =
            status.members.iter().map(|member| (member.node.id(), member.node.name())).collect();
        let name_of = |id: NodeId| match names.get(&id) {
            Some(name) => Some((*name).to_owned()),
            None => (id == me.id()).then(|| me.name().to_owned()),
        };
        let member = |member: &MemberStatus| {
            let id = member.node.id();
            let services = served.remove(&id).unwrap_or_default();
            let link = links.remove(&Incarnation(id.as_u128().to_be_bytes()));
            let suspected_by = member.suspected_by.map(|by| SuspectedBy { id: by.to_string(), name: name_of(by) });
            MemberReport::new(member, suspected_by, services, link)
        };
        Self {
            cluster: view.name.clone(),
            members: status.members.iter().map(member).collect(),
            node: NodeReport {
                name: me.name().to_owned(),
                id: me.id().to_string(),
                zone: me.zone().to_owned(),
                gossip: me.gossip(),
                peer: me.peer(),
                health: status.health,
                certificate_expires_unix_s: unix_s((view.certificate_expires)()),
                services: own(deployments, draining),
            },
            server: view.server.snapshot().into(),
            client: client.into(),
            counters: view.handle.counters().into(),
        }
    }
}

impl MemberReport {
    fn new(
        member: &MemberStatus,
        suspected_by: Option<SuspectedBy>,
        services: Vec<ServedReport>,
        link: Option<LinkReport>,
    ) -> Self {
        let node: &Node = &member.node;
        Self {
            name: node.name().to_owned(),
            id: node.id().to_string(),
            zone: node.zone().to_owned(),
            gossip: node.gossip(),
            peer: node.peer(),
            state: state_text(member.state).into(),
            age_s: member.age.as_secs(),
            incarnation: member.incarnation,
            started_unix_s: member.epoch / 1_000,
            suspected_by,
            reachable: member.reachable,
            record: member.record,
            services,
            link,
        }
    }
}

/// How a member's state is called, here and in metrics.
pub(super) fn state_text(state: MemberState) -> &'static str {
    match state {
        MemberState::Alive => "alive",
        MemberState::Suspect => "suspect",
        MemberState::Down => "down",
    }
}

fn service_state_text(draining: bool) -> Cow<'static, str> {
    if draining { "draining" } else { "ready" }.into()
}

/// What other nodes serve, by name and version.
fn served(catalogue: &Snapshot) -> HashMap<NodeId, Vec<ServedReport>> {
    let mut served: HashMap<NodeId, Vec<ServedReport>> = HashMap::new();
    for (_, endpoints) in catalogue.services() {
        for endpoint in endpoints.list() {
            let offer = &endpoint.offer;
            served.entry(endpoint.presence.node().id()).or_default().push(ServedReport {
                service: offer.service.to_string(),
                version: offer.version.to_string(),
                state: service_state_text(offer.state == ServiceState::Draining),
                weight: Some(offer.weight),
            });
        }
    }
    for services in served.values_mut() {
        services.sort_by(|a, b| (&a.service, &a.version).cmp(&(&b.service, &b.version)));
    }
    served
}

/// What this node serves, by name.
fn own(deployments: &Deployments, draining: bool) -> Vec<ServedReport> {
    let table = deployments.table_full();
    let own = table.iter().map(|deployed| ServedReport {
        service: deployed.service().to_string(),
        version: deployed.version().to_string(),
        state: service_state_text(draining),
        weight: None,
    });
    own.collect()
}

/// The links to each start of a node. There may be several to one, if it was reached by several addresses.
fn links(client: &ClientSnapshot) -> HashMap<Incarnation, LinkReport> {
    let mut links: HashMap<Incarnation, LinkReport> = HashMap::new();
    for peer in &client.peers {
        let link = links.entry(peer.peer.incarnation).or_default();
        link.connections += peer.connections;
        link.in_flight += peer.in_flight;
        link.failures = link.failures.max(peer.failures);
        link.last_error = link.last_error.take().or_else(|| peer.last_error.clone());
        link.state = match link.failures {
            0 => "ok",
            _ if peer.refused || link.state == "refused" => "refused",
            _ => "failed",
        }
        .into();
    }
    links
}

impl From<ServerSnapshot> for ServerReport {
    fn from(from: ServerSnapshot) -> Self {
        let ServerSnapshot { accepted, refused, connections, calls, panics, last_refusal } = from;
        Self { accepted, refused, last_refusal, connections, calls, panics }
    }
}

impl From<ClientSnapshot> for ClientReport {
    fn from(from: ClientSnapshot) -> Self {
        let ClientSnapshot { calls, connected, connect_failed, lost, saturated, unprocessed, peers } = from;
        let connections = peers.iter().map(|peer| peer.connections).sum();
        let in_flight = peers.iter().map(|peer| peer.in_flight).sum();
        Self { calls, connected, connect_failed, lost, saturated, unprocessed, connections, in_flight }
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// What a node's gossip has done since the start of the process.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct CountersReport {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl From<&Counters> for CountersReport {
            fn from(from: &Counters) -> Self {
                // Names them all, so that one that is new cannot be forgotten.
                let Counters { $($name),* } = from;
                let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
                Self { $($name: read($name)),* }
            }
        }
    };
}

counters! {
    /// Packets sent.
    packets_sent,
    /// Their bytes.
    bytes_sent,
    /// Packets received, good or not.
    packets_received,
    /// Their bytes.
    bytes_received,
    /// Packets that did not open: another key, another cluster, damaged, garbage.
    packets_foreign,
    /// Authentic packets that came again.
    packets_replayed,
    /// Authentic packets whose time is too far from this node's.
    packets_clock,
    /// Authentic packets that make no sense, in whole or in part.
    malformed,
    /// Packets of nodes for whom there is no room.
    members_refused,
    /// How often the node objected to being suspected.
    refutations,
    /// How often it made itself known anew after having been held for down.
    rejoins,
    /// How often it ran so late that it gave everybody more time.
    late,
    /// Exchanges of full state it began.
    exchanges,
    /// Those that failed.
    exchanges_failed,
    /// Bytes of these exchanges, both ways.
    exchange_bytes,
}
