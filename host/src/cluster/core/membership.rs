//! What follows from changes of the membership.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use foca::{OwnedNotification, State, Timer};

use super::timers::Task;
use super::{Action, Core, Notice, Now};
use crate::cluster::counters::Counters;
use crate::cluster::swim::Identity;

impl Core {
    pub(super) fn notified(&mut self, now: Now, notification: OwnedNotification<Identity>) {
        match notification {
            OwnedNotification::MemberUp(id) => self.up(now, &id),
            OwnedNotification::MemberDown(id) => self.down(now, &id, false),
            OwnedNotification::Rename(old, new) if old.id() != new.id() => {
                // The address has a new owner. Whether it is up shows in its state; being down is no news then.
                self.down(now, &old, true);
                let active = self.swim.iter_members().any(|member| *member.id() == new);
                if active {
                    self.up(now, &new);
                }
            }
            OwnedNotification::Rejoin(id) => {
                self.shared.lock().me = id;
                Counters::add(&self.counters.rejoins, 1);
                self.actions.push_back(Action::Notice(Notice::Rejoined));
                // The new identity has to be made known where the old one is held for down.
                self.timers.push(now.mono, Task::Seek);
            }
            _ => {}
        }
    }

    pub(super) fn up(&mut self, now: Now, id: &Identity) {
        let mut state = self.shared.lock();
        state.suspicions.remove(&id.id());
        let known = state.catalogue.presence(id.id()).is_some();
        state.catalogue.up(id.node());
        drop(state);
        self.unreachable.remove(&id.id());
        if !known {
            self.since.insert(id.id(), now.mono);
            self.actions.push_back(Action::Notice(Notice::MemberUp(Arc::clone(id.node()))));
            self.get_acquainted(now);
        }
    }

    pub(super) fn down(&mut self, now: Now, id: &Identity, for_good: bool) {
        let mut state = self.shared.lock();
        state.suspicions.remove(&id.id());
        let known = state.catalogue.presence(id.id()).is_some();
        state.catalogue.down(now.mono, id.id(), for_good);
        drop(state);
        self.unreachable.remove(&id.id());
        if for_good {
            self.since.remove(&id.id());
        } else {
            self.since.insert(id.id(), now.mono);
        }
        if known {
            self.actions.push_back(Action::Notice(Notice::MemberDown(Arc::clone(id.node()))));
        }
    }

    pub(super) fn expire(&mut self, now: Now) {
        self.forget_down(now, Duration::from_millis(self.settings.down_retain_ms));
        let mut state = self.shared.lock();
        state.suspicions.retain(|id, _| self.since.contains_key(id));
        state.catalogue.expire(now.mono);
        drop(state);
        self.after(now, self.settings.tombstone_ms / 8, Task::Expire);
    }

    /// Makes room when there is none left: those that are down go first.
    pub(super) fn make_room(&mut self, now: Now) {
        if self.swim.iter_membership_state().len() >= self.settings.members_max {
            self.forget_down(now, Duration::ZERO);
        }
    }

    /// Forgets members that have been down for `age`. Others would take them for new again.
    fn forget_down(&mut self, now: Now, age: Duration) {
        let (mut since, mut gone) = (HashMap::new(), Vec::new());
        for member in self.swim.iter_membership_state() {
            let at = *self.since.get(&member.id().id()).unwrap_or(&now.mono);
            if member.state() == State::Down && now.mono.saturating_sub(at) >= age {
                gone.push(member.id().clone());
            } else {
                since.insert(member.id().id(), at);
            }
        }
        self.since = since;
        for id in gone {
            let mut state = self.shared.lock();
            if state.catalogue.presence(id.id()).is_none() {
                // What it served is not kept any longer either.
                state.catalogue.down(now.mono, id.id(), true);
            }
            drop(state);
            self.run(now, |swim, effects| swim.handle_timer(Timer::RemoveDown(id), effects));
        }
    }

    /// If somebody suspects this node: objects, to the one who suspects, and not only by rumour.
    pub(super) fn refute(&mut self, now: Now) {
        let Some(accuser) = self.shared.lock().accuser.take() else { return };
        if now.mono.saturating_sub(self.refuted) < Duration::from_millis(self.settings.gossip_ms) {
            return;
        }
        self.refuted = now.mono;
        self.health.worsen();
        Counters::add(&self.counters.refutations, 1);
        let accuser = self.swim.iter_members().map(foca::Member::id).find(|id| id.id() == accuser).cloned();
        if let Some(accuser) = accuser {
            self.run(now, |swim, effects| swim.announce(accuser, effects));
        }
    }
}
