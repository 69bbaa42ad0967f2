//! What a node knows about the membership, for people to look at.

use std::sync::Arc;
use std::time::Duration;

use super::{Core, Now};
use crate::cluster::node::{Node, NodeId};

/// How a member is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MemberState {
    Alive,
    /// It did not answer somebody, and has some time to object. It still is a member.
    Suspect,
    /// It left, or was declared dead.
    Down,
}

/// One member, as it is seen from here.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberStatus {
    pub node: Arc<Node>,
    pub state: MemberState,
    /// How long it has been a member, or been down, as seen from here.
    pub age: Duration,
    /// SWIM's incarnation: how often it has objected to being suspected.
    pub incarnation: u16,
    /// When it started, in milliseconds since 1970, or later if it had to make itself known anew.
    pub epoch: u64,
    /// Who was the first to suspect it, as far as it is known here.
    pub suspected_by: Option<NodeId>,
    /// False after a failed connection until it is heard from.
    pub reachable: bool,
    /// Up to which number its record in the catalogue is known here; 0 is nothing.
    pub record: u64,
}

/// The cluster, as it is seen from here.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    pub me: Arc<Node>,
    /// 0 is well; the higher, the more this node blames itself for what it sees.
    pub health: u32,
    /// Others, by name.
    pub members: Vec<MemberStatus>,
    /// Whether this node has learnt, since it started, what some other one knows, and lacks nothing that it knows of. False
    /// for one that is alone.
    pub acquainted: bool,
}

impl Core {
    /// How many other members there are, suspects included.
    #[must_use]
    pub fn members(&self) -> usize {
        self.swim.num_members()
    }

    /// Whether `id` is a member, suspects included.
    #[must_use]
    pub fn is_member(&self, id: NodeId) -> bool {
        self.shared.lock().catalogue.presence(id).is_some()
    }

    #[must_use]
    pub fn status(&self, now: Now) -> Status {
        let state = self.shared.lock();
        let member = |member: &foca::Member<_>| {
            let id: &crate::cluster::swim::Identity = member.id();
            let presence = state.catalogue.presence(id.id());
            let shown = match member.state() {
                foca::State::Alive => MemberState::Alive,
                foca::State::Suspect => MemberState::Suspect,
                foca::State::Down => MemberState::Down,
            };
            MemberStatus {
                node: Arc::clone(id.node()),
                state: shown,
                age: self.since.get(&id.id()).map_or(Duration::ZERO, |since| now.mono.saturating_sub(*since)),
                incarnation: member.incarnation(),
                epoch: id.epoch(),
                suspected_by: state.suspicions.get(&id.id()).copied().filter(|_| shown == MemberState::Suspect),
                reachable: presence.is_some_and(|presence| presence.is_reachable()),
                record: state.catalogue.synced(id.id()),
            }
        };
        let mut members: Vec<_> = self
            .swim
            .iter_membership_state()
            // An earlier identity of this node's own may be among those that are down.
            .filter(|member| member.id().address() != self.me.gossip())
            .map(member)
            .collect();
        members.sort_by(|a, b| (a.node.name(), a.node.id()).cmp(&(b.node.name(), b.node.id())));
        let acquainted = self.exchanging.is_acquainted() && state.catalogue.wanted().is_empty();
        Status { me: Arc::clone(&self.me), health: self.health.score(), members, acquainted }
    }
}
