//! The endpoints at one time, arranged for choosing. Replaced as a whole when something changes.

use std::ops::Range;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;

use super::endpoint::Endpoint;
use super::{Attributes, Key};
use crate::policy::balance::p2c::Weights;
use crate::policy::balance::ring::Ring;
use crate::policy::settings::Settings;

#[derive(Debug)]
pub(super) struct Table<K: Key> {
    /// Nearest first.
    pub(super) members: Vec<Member<K>>,
    pub(super) tiers: Vec<Tier>,
    /// Of all members together.
    pub(super) weights: u64,
    pub(super) settings: Arc<Settings>,
    /// Built when a call is hashed: most services never need it.
    ring: OnceLock<Ring>,
}

/// An endpoint that gets calls.
#[derive(Debug)]
pub(super) struct Member<K> {
    pub(super) endpoint: Arc<Endpoint<K>>,
    pub(super) attributes: Attributes,
    /// Its weight over the mean weight of its tier.
    pub(super) share: f64,
}

impl<K> Member<K> {
    pub(super) fn new(endpoint: Arc<Endpoint<K>>, attributes: Attributes) -> Self {
        Self { endpoint, attributes, share: 1.0 }
    }
}

/// Endpoints that are equally near.
#[derive(Debug)]
pub(super) struct Tier {
    pub(super) places: Range<usize>,
    pub(super) weights: Weights,
    /// While this lasts, some of them are new and some are not.
    slow_start: Range<Instant>,
}

impl Tier {
    pub(super) fn has_slow_start(&self, now: Instant) -> bool {
        self.slow_start.contains(&now)
    }
}

impl<K: Key> Table<K> {
    pub(super) fn new(mut members: Vec<Member<K>>, settings: Arc<Settings>) -> Self {
        let near = |member: &Member<K>| member.attributes.locality.tier(&settings.locality);
        // Stable: the order within a tier is the caller's.
        members.sort_by_key(near);
        let weights = members.iter().map(|member| u64::from(member.attributes.weight)).sum();
        let mut tiers = Vec::new();
        let mut begin = 0;
        for tier in members.chunk_by_mut(|one, other| near(one) == near(other)) {
            let places = begin..begin + tier.len();
            begin = places.end;
            let weights = Weights::new(tier.iter().map(|member| member.attributes.weight));
            let mean = weights.total() as f64 / tier.len() as f64;
            for member in &mut *tier {
                member.share = f64::from(member.attributes.weight) / mean;
            }
            let length = Duration::from_millis(settings.balance.slow_start_ms);
            let since = tier.iter().map(|member| member.attributes.since);
            // When all of them are new, nobody is there to take their part.
            if let (Some(oldest), Some(newest)) = (since.clone().min(), since.max()) {
                tiers.push(Tier { places, weights, slow_start: oldest + length..newest + length });
            }
        }
        Self { members, tiers, weights, settings, ring: OnceLock::new() }
    }

    pub(super) fn ring(&self) -> &Ring {
        self.ring.get_or_init(|| Ring::new(self.members.iter().map(|member| member.endpoint.key())))
    }
}
