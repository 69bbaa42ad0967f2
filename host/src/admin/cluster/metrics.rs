//! The cluster in metrics.
//!
//! Everything is read when somebody asks. What only the membership's own task knows, states of members and the node's
//! health, is asked for by the metrics route before it encodes ([`ClusterMetrics::sample`]), because encoding cannot
//! wait. When the membership does not answer, these two are left out rather than shown as they once were.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::report::state_text;
use super::{ClusterView, CountersReport};
use crate::admin::out::Out;
use crate::cluster::{MemberState, Status};

/// All states, so that each is shown when nobody is in it.
const STATES: [MemberState; 3] = [MemberState::Alive, MemberState::Suspect, MemberState::Down];

/// Collects what there is to know about a cluster. Clones are the same.
#[derive(Clone)]
pub(in crate::admin) struct ClusterMetrics {
    view: ClusterView,
    sampled: Arc<Mutex<Option<Sample>>>,
}

#[derive(Clone, Copy)]
struct Sample {
    members: [u64; STATES.len()],
    health: u32,
}

impl Sample {
    fn new(status: &Status) -> Self {
        let count = |state| status.members.iter().filter(|member| member.state == state).count() as u64;
        Self { members: STATES.map(count), health: status.health }
    }
}

impl ClusterMetrics {
    pub(in crate::admin) fn new(view: ClusterView) -> Self {
        Self { view, sampled: Arc::default() }
    }

    /// Asks for what encoding cannot wait for.
    pub(in crate::admin) async fn sample(&self) {
        let sample = self.view.status().await.ok().as_ref().map(Sample::new);
        *self.sampled.lock().unwrap_or_else(PoisonError::into_inner) = sample;
    }
}

impl fmt::Debug for ClusterMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterMetrics").field("cluster", &self.view.name).finish_non_exhaustive()
    }
}

impl Collector for ClusterMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let sample = *self.sampled.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = Out::new(&mut encoder);
        if let Some(Sample { members, health }) = sample {
            let states: Vec<_> =
                STATES.into_iter().zip(members).map(|(state, count)| (state_text(state), count)).collect();
            let help = "Other nodes by state, as this one sees them";
            out.gauges("hostel_cluster_members", help, "state", &states)?;
            let help = "0 is well; the higher, the more the node blames itself for what it sees";
            out.gauge("hostel_cluster_health", help, u64::from(health))?;
        }
        let endpoints = self.view.handle.reader().load().len() as u64;
        out.gauge("hostel_cluster_endpoints", "Versions of services that other nodes offer", endpoints)?;
        let expires = (self.view.certificate_expires)().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let help = "Unix time at which the certificate of this node expires";
        out.gauge("hostel_cluster_certificate_expiry_timestamp_seconds", help, expires)?;
        gossip(&mut out, &self.view.handle.counters().into())?;
        self.links(&mut out)
    }
}

fn gossip(out: &mut Out<'_, '_>, counters: &CountersReport) -> fmt::Result {
    for (name, help, count) in [
        ("hostel_cluster_packets_sent", "Packets of gossip sent", counters.packets_sent),
        ("hostel_cluster_sent_bytes", "Bytes of gossip sent", counters.bytes_sent),
        ("hostel_cluster_packets_received", "Packets received, good or not", counters.packets_received),
        ("hostel_cluster_received_bytes", "Bytes received, of good packets or not", counters.bytes_received),
        ("hostel_cluster_refutations", "How often this node objected to being suspected", counters.refutations),
        ("hostel_cluster_rejoins", "How often this node came back after it was held for down", counters.rejoins),
        ("hostel_cluster_late", "How often this node ran so late that it gave others more time", counters.late),
        ("hostel_cluster_exchanges", "Exchanges of full state that this node began", counters.exchanges),
        ("hostel_cluster_exchanges_failed", "Exchanges of full state that failed", counters.exchanges_failed),
        ("hostel_cluster_exchange_bytes", "Bytes of these exchanges, both ways", counters.exchange_bytes),
    ] {
        out.counter(name, help, count)?;
    }
    let reasons = [
        ("foreign", counters.packets_foreign),
        ("replayed", counters.packets_replayed),
        ("clock", counters.packets_clock),
        ("malformed", counters.malformed),
        ("no_room", counters.members_refused),
    ];
    let help = "Packets of gossip that were refused, by reason";
    out.counters("hostel_cluster_packets_rejected", help, "reason", &reasons)
}

impl ClusterMetrics {
    fn links(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let (client, server) = (self.view.client.snapshot(), self.view.server.snapshot());
        let to_others: usize = client.peers.iter().map(|peer| peer.connections).sum();
        let open = [("in", server.connections), ("out", to_others as u64)];
        out.gauges("hostel_peer_connections", "Links between this node and others", "direction", &open)?;
        let calls = [("in", server.calls), ("out", client.calls)];
        let help = "Calls over links; those that come in include what hosts ask each other";
        out.counters("hostel_peer_calls", help, "direction", &calls)?;
        for (name, help, count) in [
            ("hostel_peer_connects", "Connections to other nodes made", client.connected),
            ("hostel_peer_connects_failed", "Connections to other nodes that could not be made", client.connect_failed),
            ("hostel_peer_connections_lost", "Connections to others that broke or fell silent", client.lost),
            ("hostel_peer_connections_refused", "Incoming connections that did not become links", server.refused),
            ("hostel_peer_calls_saturated", "Calls refused because all connections were full", client.saturated),
            ("hostel_peer_calls_unprocessed", "Calls that another node left unprocessed", client.unprocessed),
            ("hostel_peer_panics", "Calls over links whose handler panicked", server.panics),
        ] {
            out.counter(name, help, count)?;
        }
        Ok(())
    }
}
