//! What the endpoints of a service have in common.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwap, Guard};
use tokio::time::Instant;

use super::endpoint::Endpoint;
use super::{Key, NoEndpoint};
use crate::policy::concurrency::Limit;
use crate::policy::outlier::Health;
use crate::policy::retry::Budget;
use crate::policy::settings::Settings;

#[derive(Debug)]
pub(super) struct Core {
    began: Instant,
    settings: ArcSwap<Settings>,
    pub(super) calls: Limit,
    pub(super) budget: Budget,
    /// Whether any call was ever hashed.
    pub(super) hashes: AtomicBool,
    health: Mutex<Health>,
    /// Whether ejections are ignored, and the stamp from which on that has to be found out again.
    panics: AtomicBool,
    recheck_at: AtomicU64,
    saturated: AtomicU64,
    shed: AtomicU64,
    failing: AtomicU64,
}

impl Core {
    pub(super) fn new(now: Instant, settings: Arc<Settings>) -> Self {
        Self {
            began: now,
            settings: ArcSwap::new(settings),
            calls: Limit::default(),
            budget: Budget::new(now),
            hashes: AtomicBool::new(false),
            health: Mutex::default(),
            panics: AtomicBool::new(false),
            recheck_at: AtomicU64::new(u64::MAX),
            saturated: AtomicU64::new(0),
            shed: AtomicU64::new(0),
            failing: AtomicU64::new(0),
        }
    }

    pub(super) fn settings(&self) -> Guard<Arc<Settings>> {
        self.settings.load()
    }

    pub(super) fn configure(&self, settings: Arc<Settings>) {
        self.settings.store(settings);
    }

    /// An instant as a number that fits into an atomic: nanoseconds, never 0.
    pub(super) fn stamp(&self, instant: Instant) -> u64 {
        let nanos = instant.saturating_duration_since(self.began).as_nanos();
        u64::try_from(nanos).unwrap_or(u64::MAX - 1) + 1
    }

    /// Whether so few endpoints are healthy that ejections are ignored.
    pub(super) fn panics(&self, now: Instant, stamp: u64, settings: &Settings) -> bool {
        // All well: nothing to find out.
        if stamp >= self.recheck_at.load(Ordering::Relaxed) {
            let mut health = self.health();
            self.panics.store(health.panics(now, &settings.outlier), Ordering::Relaxed);
            let next = health.next_change().map_or(u64::MAX, |next| self.stamp(next));
            self.recheck_at.store(next, Ordering::Relaxed);
        }
        self.panics.load(Ordering::Relaxed)
    }

    /// Changes what is known about who is well.
    pub(super) fn with_health<T>(&self, change: impl FnOnce(&mut Health) -> T) -> T {
        let mut health = self.health();
        let result = change(&mut health);
        self.recheck_at.store(0, Ordering::Relaxed);
        result
    }

    /// Begins anew with these endpoints. When there are fewer of them, more may be ejected than may be: those whose
    /// time is over first are taken back.
    pub(super) fn reset_health<'e, K: Key>(&self, now: Instant, members: impl Iterator<Item = &'e Endpoint<K>>) {
        let settings = self.settings();
        let members: Vec<&Endpoint<K>> = members.collect();
        self.with_health(|health| {
            health.reset(members.len());
            let mut ejected = Vec::new();
            for member in &members {
                member.set_member(true);
                let (ejected_until, open_until) = member.trouble(now);
                health.open(member.id(), open_until);
                ejected.extend(ejected_until.map(|until| (until, *member)));
            }
            ejected.sort_unstable_by_key(|(until, _)| *until);
            let released = ejected.len().saturating_sub(settings.outlier.ejected_max(members.len()));
            for (place, (until, member)) in ejected.into_iter().enumerate() {
                if place < released { member.release(now) } else { health.ejected(member.id(), until) }
            }
        });
    }

    /// Counts a call that nobody can take.
    pub(super) fn refuse(&self, why: NoEndpoint) -> NoEndpoint {
        let counter = match why {
            NoEndpoint::Empty => return why,
            NoEndpoint::Saturated => &self.saturated,
            NoEndpoint::Shed => &self.shed,
            NoEndpoint::Failing => &self.failing,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        why
    }

    /// Calls refused since the beginning.
    pub(super) fn refused(&self, why: NoEndpoint) -> u64 {
        match why {
            NoEndpoint::Empty => 0,
            NoEndpoint::Saturated => self.saturated.load(Ordering::Relaxed),
            NoEndpoint::Shed => self.shed.load(Ordering::Relaxed),
            NoEndpoint::Failing => self.failing.load(Ordering::Relaxed),
        }
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
