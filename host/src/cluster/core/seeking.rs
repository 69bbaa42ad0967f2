//! Finding others: at the start, and after a partition.
//!
//! A node that knows nobody asks the seeds, for ever. One that knows some still looks for those it holds for down, and
//! for seeds that are no members: that is what brings two halves of a cluster together again, since SWIM itself never
//! talks to the dead. The bigger the cluster the less often each does it, so all together do it at one rate.

use std::net::SocketAddr;

use foca::State;
use rand10::RngExt;
use rand10::seq::{IteratorRandom, SliceRandom};

use super::timers::Task;
use super::{Action, Core, Now, Phase};
use crate::cluster::swim::Identity;

/// Most seeds asked at a time by a node that knows nobody.
const SEEDS_ASKED_MAX: usize = 8;
/// How many nodes of a cluster, on average, look for lost ones in one period.
const SEEKERS: u32 = 20;
/// Each so-many-th look asks for the seeds too.
const SEEDS_EVERY: u32 = 4;

impl Core {
    pub(super) fn seek(&mut self, now: Now) {
        if self.phase == Phase::Left {
            return;
        }
        let members = self.swim.num_members();
        let alone = members == 0;
        let wait = if alone { self.settings.join_retry_ms } else { self.settings.heal_ms };
        self.after(now, wait, Task::Seek);
        let among = u32::try_from(members).unwrap_or(u32::MAX).max(SEEKERS);
        if !self.rng.random_ratio(SEEKERS, among) {
            return;
        }
        let lost = self.swim.iter_membership_state().filter(|member| member.state() == State::Down);
        let lost = lost.map(foca::Member::id).choose(&mut self.rng).cloned();
        if let Some(lost) = lost {
            self.run(now, |swim, effects| swim.announce(lost, effects));
        }
        if alone || self.seeking.is_multiple_of(SEEDS_EVERY) {
            self.actions.push_back(Action::Resolve);
        }
        self.seeking = self.seeking.wrapping_add(1);
    }

    /// The addresses that the seeds stand for, as of now.
    pub fn on_seeds(&mut self, now: Now, mut seeds: Vec<SocketAddr>) {
        if self.phase == Phase::Left {
            return;
        }
        seeds.retain(|seed| {
            *seed != self.me.gossip() && !self.swim.iter_members().any(|member| member.id().address() == *seed)
        });
        seeds.shuffle(&mut self.rng);
        let most = if self.swim.num_members() == 0 { SEEDS_ASKED_MAX } else { 1 };
        for seed in seeds.into_iter().take(most) {
            self.run(now, |swim, effects| swim.announce(Identity::anybody(seed), effects));
        }
        self.settle();
    }
}
