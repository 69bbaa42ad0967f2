//! How SWIM (`foca`) sees this project's nodes: identity, packets, news that travels along, and the node's own health.
//!
//! [SWIM](https://www.cs.cornell.edu/projects/Quicksilver/public_pdfs/SWIM.pdf) finds failures by probing, directly and
//! through others, and spreads what it finds on the probes themselves. A node that does not answer is *suspect* first
//! and has some time to object; only then it is *down*.

pub(super) mod codec;
pub(super) mod health;
pub(super) mod news;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::catalogue::Table;
use super::node::{Node, NodeId};

/// By how many milliseconds an identity is moved ahead at its first renewal; each further one doubles it.
const RENEWAL_MS: u64 = 1_000;
/// No sensible epoch is later, and none this large can be overtaken by adding to it.
const EPOCH_MAX: u64 = 1 << 52;

/// A node, as of some epoch.
///
/// Of two identities with one address the later epoch wins. The epoch is the time when the process started, so a
/// restarted node replaces its ghost; where the clock went back, or when the cluster holds a node for dead that is not,
/// the node renews its identity with ever larger steps until it wins.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    address: SocketAddr,
    epoch: u64,
    renewals: u8,
    node: Arc<Node>,
}

impl Identity {
    pub(super) fn new(node: Arc<Node>, epoch: u64) -> Self {
        Self { address: node.gossip(), epoch: epoch.min(EPOCH_MAX), renewals: 0, node }
    }

    /// Whoever listens at `address`.
    pub(super) fn anybody(address: SocketAddr) -> Self {
        Self::new(Arc::new(Node::nameless(NodeId::from_u128(0), address)), 0)
    }

    pub(super) fn is_anybody(&self) -> bool {
        self.node.id().as_u128() == 0
    }

    pub(super) fn node(&self) -> &Arc<Node> {
        &self.node
    }

    pub(super) fn id(&self) -> NodeId {
        self.node.id()
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.epoch == other.epoch && self.address == other.address && self.id() == other.id()
    }
}

impl Eq for Identity {}

impl foca::Identity for Identity {
    type Addr = SocketAddr;

    fn renew(&self) -> Option<Self> {
        let step = RENEWAL_MS << self.renewals.min(40);
        let epoch = self.epoch.saturating_add(step).min(EPOCH_MAX);
        let renewals = self.renewals.saturating_add(1);
        (epoch > self.epoch).then(|| Self { epoch, renewals, ..self.clone() })
    }

    fn addr(&self) -> SocketAddr {
        self.address
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        (self.epoch, self.id()) > (adversary.epoch, adversary.id())
    }
}

/// What foca's callbacks share with the core. There is one thread; the lock is never waited for.
#[derive(Clone, Debug)]
pub(super) struct Shared(Arc<Mutex<State>>);

#[derive(Debug)]
pub(super) struct State {
    pub(super) catalogue: Table,
    pub(super) me: Identity,
    /// Who was the first to suspect whom, as far as it is known here.
    pub(super) suspicions: HashMap<NodeId, NodeId>,
    /// Somebody suspects this node.
    pub(super) accuser: Option<NodeId>,
    /// Descriptions of nodes, so that equal ones share their memory.
    pub(super) nodes: HashMap<NodeId, Arc<Node>>,
    pub(super) members_max: usize,
    /// How many more members, of whatever state, there is room for.
    pub(super) room: usize,
    /// Members there was no room for, since that was counted last.
    pub(super) refused: u64,
    /// As whom the sender of what is being handled goes.
    pub(super) source: Identity,
    /// Who sent what is being handled, and when.
    pub(super) sender: NodeId,
    pub(super) now: std::time::Duration,
    /// Pieces of news that wait to be passed on; more than a bound are left to the exchange.
    pub(super) backlog: usize,
}

impl State {
    /// Whether `id` may be said to be a member: it is one, or there is room. foca itself knows no bound, and takes each
    /// address for a member of its own.
    pub(super) fn admits(&mut self, id: &Identity) -> bool {
        let known = match self.catalogue.presence(id.id()) {
            Some(presence) => Some(presence.node().gossip()),
            None => (id.id() == self.me.id()).then(|| self.me.address()),
        };
        let admitted = match known {
            // A node keeps its address as long as it keeps its id.
            Some(address) => address == id.address(),
            None => self.room > 0,
        };
        if known.is_none() {
            self.room = self.room.saturating_sub(1);
        }
        self.refused += u64::from(!admitted);
        admitted
    }
}

impl Shared {
    pub(super) fn new(catalogue: Table, me: Identity, members_max: usize) -> Self {
        let sender = me.id();
        Self(Arc::new(Mutex::new(State {
            catalogue,
            source: me.clone(),
            me,
            room: members_max,
            refused: 0,
            suspicions: HashMap::new(),
            accuser: None,
            nodes: HashMap::new(),
            members_max,
            sender,
            now: std::time::Duration::ZERO,
            backlog: 0,
        })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use foca::Identity as _;

    fn identity(id: u128, epoch: u64) -> Identity {
        let address = "127.0.0.1:9".parse().unwrap();
        let node = Node::new(NodeId::from_u128(id), "a", address, address, "").unwrap();
        Identity::new(Arc::new(node), epoch)
    }

    #[test]
    fn a_restart_wins_over_its_ghost_and_a_clock_that_went_back_catches_up() {
        let ghost = identity(9, 1_000_000_000);
        assert!(identity(1, 1_000_000_001).win_addr_conflict(&ghost));
        let mut back = identity(1, 1_000_000_000 - 86_400_000);
        let mut renewals = 0;
        while !back.win_addr_conflict(&ghost) {
            let next = back.renew().unwrap();
            assert!(next.win_addr_conflict(&back));
            (back, renewals) = (next, renewals + 1);
        }
        assert!(renewals <= 17, "a day took {renewals} renewals");
    }

    #[test]
    fn epochs_end_before_they_overflow() {
        let mut last = identity(1, u64::MAX);
        assert_eq!(last.renew(), None);
        last.epoch = 0;
        for _ in 0..200 {
            let Some(next) = last.renew() else { break };
            last = next;
        }
        assert_eq!(last.epoch, EPOCH_MAX);
    }
}
