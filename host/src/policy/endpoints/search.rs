//! Choosing the endpoint of one call.
//!
//! At first only those are asked that have not been tried, are not known to be full, and could be reached when that was
//! tried last; when none of them takes the call, the others too.

use std::sync::atomic::Ordering;

use rand::Rng;
use tokio::time::Instant;

use super::core::Core;
use super::endpoint::Refusal;
use super::picked::Picked;
use super::table::{Member, Table, Tier};
use super::{Key, NoEndpoint, PickRequest};
use crate::policy::balance::p2c::{self, Load};
use crate::policy::balance::{Locality, ring, slow_start};
use crate::policy::settings::Settings;

/// How often an endpoint is drawn before all are looked at in turn.
const DRAWS: usize = 8;

pub(super) struct Search<'s, K: Key> {
    core: &'s Core,
    table: &'s Table<K>,
    settings: &'s Settings,
    now: Instant,
    stamp: u64,
    request: &'s PickRequest<'s, K>,
    panics: bool,
    /// Whether those count too that are better avoided.
    any: bool,
    late: bool,
    full: bool,
}

impl<'s, K: Key> Search<'s, K> {
    pub(super) fn new(core: &'s Core, table: &'s Table<K>, now: Instant, request: &'s PickRequest<'s, K>) -> Self {
        let settings = &*table.settings;
        let stamp = core.stamp(now);
        let panics = core.panics(now, stamp, settings);
        Self { core, table, settings, now, stamp, request, panics, any: false, late: false, full: false }
    }

    pub(super) fn run(mut self, rng: &mut (impl Rng + ?Sized)) -> Result<Picked<K>, NoEndpoint> {
        if self.table.members.is_empty() {
            return Err(NoEndpoint::Empty);
        }
        for any in [false, true] {
            self.any = any;
            let picked = match self.request.hash {
                Some(hash) => self.by_hash(hash),
                None => self.by_load(rng),
            };
            if let Some(picked) = picked {
                return Ok(picked);
            }
        }
        Err(match self {
            Self { late: true, .. } => NoEndpoint::Shed,
            Self { full: true, .. } => NoEndpoint::Saturated,
            _ => NoEndpoint::Failing,
        })
    }

    pub(super) fn has_other(mut self) -> bool {
        let table = self.table;
        table.members.iter().any(|member| self.may_take(member))
    }

    fn by_load(&mut self, rng: &mut (impl Rng + ?Sized)) -> Option<Picked<K>> {
        let table = self.table;
        table.tiers.iter().find_map(|tier| self.in_tier(tier, rng))
    }

    fn in_tier(&mut self, tier: &Tier, rng: &mut (impl Rng + ?Sized)) -> Option<Picked<K>> {
        let members = self.table.members.get(tier.places.clone())?;
        if let [only] = members {
            return self.take(only, self.settings.limits.endpoint_calls_max);
        }
        let chosen = self.draw(tier, members, None, rng).map(|first| {
            let second = self.draw(tier, members, Some(first), rng);
            second.filter(|second| self.is_better(members, first, *second)).unwrap_or(first)
        });
        if let Some(picked) = chosen.and_then(|place| self.take(members.get(place)?, self.limit())) {
            return Some(picked);
        }
        // Few are left, or somebody else was quicker. From anywhere, lest all calls go to the first.
        let (before, after) = members.split_at(rng.random_range(0..members.len()));
        after.iter().chain(before).find_map(|member| self.take(member, self.limit()))
    }

    /// A place of one that may take the call, and is not `other`.
    fn draw(
        &mut self,
        tier: &Tier,
        members: &[Member<K>],
        other: Option<usize>,
        rng: &mut (impl Rng + ?Sized),
    ) -> Option<usize> {
        let mut refused = None;
        for _ in 0..DRAWS {
            let place = tier.weights.draw(rng)?;
            let member = members.get(place)?;
            if Some(place) == other || !self.may_take(member) {
                continue;
            }
            let ramping = tier.has_slow_start(self.now);
            if !ramping || slow_start::accepts(member.attributes.since, self.now, &self.settings.balance, rng) {
                return Some(place);
            }
            refused = Some(place);
        }
        // As the second it would only be taken because it looks idle.
        refused.filter(|_| other.is_none())
    }

    fn is_better(&self, members: &[Member<K>], first: usize, second: usize) -> bool {
        let balance = &self.settings.balance;
        let load = |place: usize| {
            let member = members.get(place)?;
            let state = member.endpoint.state();
            Some(Load {
                latency: state.latency.latency(self.now, balance.decay()),
                successes: state.latency.successes(self.now, balance.decay()),
                in_flight: member.endpoint.calls.in_flight(),
                share: member.share,
            })
        };
        let (Some(first), Some(second)) = (load(first), load(second)) else { return false };
        p2c::second_is_better(&first, &second, balance.latency_min().as_secs_f64())
    }

    fn by_hash(&mut self, hash: u64) -> Option<Picked<K>> {
        let table = self.table;
        if !self.core.hashes.load(Ordering::Relaxed) {
            self.core.hashes.store(true, Ordering::Relaxed);
        }
        // This call has its place among those of the service already.
        let in_flight = u64::from(self.core.calls.in_flight().saturating_sub(1));
        let bound = self.settings.balance.load_bound_percent;
        let owner = table.ring().from(hash).find_map(|place| {
            let member = table.members.get(place)?;
            let most = ring::capacity(in_flight, member.attributes.weight, table.weights, bound);
            self.take(member, most.min(self.limit()))
        });
        if owner.is_some() {
            return owner;
        }
        // So many are not well that the rest has to take more than the bound: evenly, then. Whoever is asked in vain is
        // one that changed just now.
        let mut left: Vec<&Member<K>> = table.members.iter().filter(|member| self.may_take(member)).collect();
        left.sort_by(|one, other| relative(one).total_cmp(&relative(other)));
        left.into_iter().find_map(|member| self.take(member, self.limit()))
    }

    fn limit(&self) -> u32 {
        self.settings.limits.endpoint_calls_max
    }

    /// Whether it makes sense to ask this one.
    fn may_take(&mut self, member: &Member<K>) -> bool {
        let endpoint = &member.endpoint;
        let failing = self.settings.breaker.enabled && endpoint.is_blocked(self.stamp)
            || self.settings.outlier.enabled && !self.panics && endpoint.is_ejected(self.stamp);
        if failing {
            return false;
        }
        if endpoint.calls.in_flight() >= self.limit() {
            self.full = true;
            return false;
        }
        if self.any {
            return true;
        }
        let full = self.request.local_is_full && member.attributes.locality == Locality::Local;
        !full && !endpoint.is_avoided(self.stamp) && !self.request.tried.contains(endpoint.key())
    }

    fn take(&mut self, member: &Member<K>, most: u32) -> Option<Picked<K>> {
        if !self.may_take(member) {
            return None;
        }
        match member.endpoint.enter(self.now, self.request.deadline, most, self.settings) {
            Ok(ticket) => Some(Picked::new(member.endpoint.clone(), member.attributes.locality, ticket, self.now)),
            Err(refusal) => {
                match refusal {
                    Refusal::Full => self.full = true,
                    Refusal::Late => self.late = true,
                    Refusal::Open => {}
                }
                None
            }
        }
    }
}

/// Calls under way over the weight.
fn relative<K: Key>(member: &Member<K>) -> f64 {
    f64::from(member.endpoint.calls.in_flight()) / f64::from(member.attributes.weight.max(1))
}
