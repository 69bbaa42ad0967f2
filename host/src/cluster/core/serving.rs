//! What this node says about itself, and hears about connections: publishing, leaving, unreachable nodes.

use std::time::Duration;

use super::timers::Task;
use super::{Action, Core, Now, Phase};
use crate::cluster::catalogue::delta::Delta;
use crate::cluster::catalogue::{PublishError, Service, ServiceState};
use crate::cluster::node::NodeId;
use crate::cluster::settings::Settings;

/// More fragments than this are not gossiped: others get but a hint, and fetch the record.
const FRAGMENTS_MAX: usize = 4;
/// A sign of life counts only this long after a failed connection: what came earlier was on its way already.
const GRACE_MS: u64 = 250;
/// How often an unreachable node is asked for a sign of life.
const NUDGE_MS: u64 = 1_000;

/// Connections to a node fail.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failed {
    /// The first failure since the node was reachable.
    first: Duration,
    latest: Duration,
}

/// Most bytes of a fragment: what a packet has left beside the seal and a header with the longest names.
pub(super) fn fragment_bytes_max(settings: &Settings) -> usize {
    settings.packet_bytes_max - 400
}

impl Core {
    /// Makes `services` what this node serves, and lets others know.
    ///
    /// # Errors
    /// [`PublishError`]; then what it served before still holds.
    pub fn publish(&mut self, now: Now, services: Vec<Service>) -> Result<(), PublishError> {
        let delta = self.shared.lock().catalogue.publish(now.mono, services)?;
        self.tell(delta);
        Ok(())
    }

    /// Withdraws all that this node serves.
    pub fn withdraw_all(&mut self, now: Now) {
        let delta = self.shared.lock().catalogue.withdraw_all(now.mono);
        self.tell(delta);
    }

    /// What this node serves.
    #[must_use]
    pub fn offers(&self) -> Vec<Service> {
        self.shared.lock().catalogue.offers()
    }

    /// Makes this node's record news again, from number `from` on.
    pub(super) fn tell_record(&mut self, from: u64) {
        let delta = self.shared.lock().catalogue.since(self.me.id(), from);
        self.tell(delta);
    }

    /// Objects when others hold something for this node's record that is not.
    pub(super) fn reassert(&mut self) {
        let delta = self.shared.lock().catalogue.reassert();
        self.tell(delta);
    }

    fn tell(&mut self, delta: Option<Delta>) {
        let Some(delta) = delta else { return };
        let fragments = delta.fragments(fragment_bytes_max(&self.settings));
        let crowded = self.swim.custom_broadcast_backlog() > crate::cluster::swim::news::BACKLOG_MAX;
        // A complete record is one only as long as it is in one piece.
        let torn = delta.full && fragments.len() > 1;
        if fragments.len() > FRAGMENTS_MAX || crowded || torn {
            let hint = Delta { from: delta.to, full: false, emptied: false, changes: Vec::new(), ..delta };
            self.tell_fragment(&hint);
            return;
        }
        for fragment in fragments {
            self.tell_fragment(&fragment);
        }
    }

    fn tell_fragment(&mut self, fragment: &Delta) {
        // It cannot fail: what we encode we can decode, and it fits.
        let _ = self.swim.add_broadcast(&fragment.encode());
    }

    /// A connection to `id` failed. Until it is heard from again, [`Presence::is_reachable`] is false.
    ///
    /// [`Presence::is_reachable`]: crate::cluster::Presence::is_reachable
    pub fn report_unreachable(&mut self, now: Now, id: NodeId) {
        let Some(presence) = self.shared.lock().catalogue.presence(id).cloned() else { return };
        presence.set_reachable(false);
        if let Some(failed) = self.unreachable.get_mut(&id) {
            failed.latest = now.mono;
            return;
        }
        self.unreachable.insert(id, Failed { first: now.mono, latest: now.mono });
        self.timers.push(now.mono + Duration::from_millis(GRACE_MS), Task::Nudge(id, now.mono));
    }

    pub(super) fn heard_from(&mut self, now: Now, id: NodeId) {
        let Some(presence) = self.shared.lock().catalogue.presence(id).cloned() else { return };
        if presence.is_reachable() {
            return;
        }
        let Some(failed) = self.unreachable.get(&id).copied() else {
            // The report has not come through, only its mark.
            self.report_unreachable(now, id);
            return;
        };
        if now.mono.saturating_sub(failed.latest) >= Duration::from_millis(GRACE_MS) {
            self.unreachable.remove(&id);
            presence.set_reachable(true);
        }
    }

    pub(super) fn nudge(&mut self, now: Now, id: NodeId, begun: Duration) {
        // If it has been reachable in between, whoever asks since then goes on asking.
        if self.unreachable.get(&id).is_none_or(|failed| failed.first != begun) {
            return;
        }
        let Some(identity) = self.swim.iter_members().map(foca::Member::id).find(|member| member.id() == id).cloned()
        else {
            self.unreachable.remove(&id);
            return;
        };
        self.run(now, |swim, effects| swim.announce(identity, effects));
        self.timers.push(now.mono + Duration::from_millis(NUDGE_MS), Task::Nudge(id, begun));
    }

    /// Leaves the cluster: what this node serves is published as draining, then it says good-bye. [`Action::Left`]
    /// comes when it is done.
    pub fn leave(&mut self, now: Now) {
        if self.phase != Phase::Member {
            return;
        }
        self.phase = Phase::Draining;
        let mut offers = self.offers();
        for offer in &mut offers {
            offer.state = ServiceState::Draining;
        }
        let drains = !offers.is_empty() && self.swim.num_members() > 0;
        // It cannot fail: the same was published before.
        let _ = self.publish(now, offers);
        let wait = if drains { self.settings.drain_spread_ms } else { 0 };
        self.run(now, |swim, effects| swim.gossip(effects));
        self.timers.push(now.mono + Duration::from_millis(wait), Task::Leave);
    }

    pub(super) fn depart(&mut self, now: Now) {
        self.run(now, |swim, effects| swim.leave_cluster(effects));
        self.phase = Phase::Left;
        self.timers.clear();
        let rounds = self.settings.leave_spread_ms / self.settings.gossip_ms;
        self.farewell(now, u32::try_from(rounds).unwrap_or(u32::MAX));
    }

    pub(super) fn farewell(&mut self, now: Now, left: u32) {
        if left == 0 || self.swim.num_members() == 0 {
            self.timers.clear();
            self.actions.push_back(Action::Left);
            return;
        }
        self.run(now, |swim, effects| swim.gossip(effects));
        let wait = Duration::from_millis(self.settings.gossip_ms);
        self.timers.push(now.mono + wait, Task::Farewell(left - 1));
    }
}
