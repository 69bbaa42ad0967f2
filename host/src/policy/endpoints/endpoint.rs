//! One endpoint, and what the policies know of it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Key;
use super::core::Core;
use crate::policy::balance::Locality;
use crate::policy::balance::peak_ewma::{PeakEwma, Sample};
use crate::policy::breaker::{Breaker, BreakerState, Ticket, Verdict};
use crate::policy::concurrency::Limit;
use crate::policy::outcome::{Failure, Outcome};
use crate::policy::outlier::Streak;
use crate::policy::settings::Settings;
use crate::policy::shed::Estimate;

#[derive(Debug)]
pub(super) struct Endpoint<K> {
    key: K,
    id: u64,
    version: u64,
    pub(super) core: Arc<Core>,
    pub(super) calls: Limit,
    /// Copies of what the state says, so that who looks around for an endpoint needs no lock: stamps until which its
    /// breaker lets nobody in, it is ejected, and it is better avoided. 0 for never.
    blocked_until: AtomicU64,
    ejected_until: AtomicU64,
    avoid_until: AtomicU64,
    member: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) breaker: Breaker,
    pub(super) streak: Streak,
    pub(super) latency: PeakEwma,
    pub(super) estimate: Estimate,
    pub(super) picks: u64,
    pub(super) failures: u64,
}

/// How a call ended.
pub(super) struct End {
    pub(super) now: Instant,
    pub(super) started: Instant,
    /// When the head of the response came, if that has been taken into account.
    pub(super) head: Option<Instant>,
    pub(super) ticket: Ticket,
    pub(super) outcome: Outcome,
    pub(super) locality: Locality,
}

/// Why an endpoint lets nobody in.
pub(super) enum Refusal {
    Full,
    Late,
    Open,
}

impl<K: Key> Endpoint<K> {
    pub(super) fn new(key: K, id: u64, version: u64, core: Arc<Core>) -> Self {
        Self {
            key,
            id,
            version,
            core,
            calls: Limit::default(),
            blocked_until: AtomicU64::new(0),
            ejected_until: AtomicU64::new(0),
            avoid_until: AtomicU64::new(0),
            member: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }

    /// The endpoint under the same key that takes its place, of which nothing is known. What is counted goes on.
    pub(super) fn successor(&self, id: u64, version: u64) -> Self {
        let mut next = Self::new(self.key.clone(), id, version, self.core.clone());
        let old = self.state();
        next.state = Mutex::new(State {
            breaker: old.breaker.successor(),
            streak: old.streak.successor(),
            picks: old.picks,
            failures: old.failures,
            ..State::default()
        });
        drop(old);
        next
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn key(&self) -> &K {
        &self.key
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn is_blocked(&self, stamp: u64) -> bool {
        stamp < self.blocked_until.load(Ordering::Relaxed)
    }

    pub(super) fn is_ejected(&self, stamp: u64) -> bool {
        stamp < self.ejected_until.load(Ordering::Relaxed)
    }

    /// Whether it had no room, or could not be reached, a moment ago.
    pub(super) fn is_avoided(&self, stamp: u64) -> bool {
        stamp < self.avoid_until.load(Ordering::Relaxed)
    }

    /// Takes a place for a call and asks the breaker.
    pub(super) fn enter(
        &self,
        now: Instant,
        deadline: Instant,
        most: u32,
        settings: &Settings,
    ) -> Result<Ticket, Refusal> {
        let others = self.calls.in_flight();
        let place = self.calls.try_enter(most).ok_or(Refusal::Full)?;
        let mut state = self.state();
        let remaining = deadline.saturating_duration_since(now);
        // Before the breaker, so that a call that is not made cannot be its probe.
        if state.estimate.too_late(remaining, others, &settings.shed) {
            return Err(Refusal::Late);
        }
        let ticket = state.breaker.admit(now, &settings.breaker).map_err(|_| Refusal::Open)?;
        if ticket.is_probe() {
            self.publish(&state.breaker);
        }
        state.picks += 1;
        place.keep();
        Ok(ticket)
    }

    /// The head of a response that streams has come, and is no failure.
    pub(super) fn head(&self, now: Instant, started: Instant, ticket: Ticket) {
        let settings = self.core.settings();
        let mut state = self.state();
        let took = now.saturating_duration_since(started);
        state.latency.observe(now, Sample::Took(took), settings.balance.decay());
        state.estimate.observe(took);
        if ticket.is_probe() {
            state.breaker.alive(ticket);
            self.publish(&state.breaker);
            drop(state);
            self.tell_health(now);
        }
    }

    /// A call is over.
    pub(super) fn end(&self, end: &End) {
        let settings = self.core.settings();
        let took = end.now.saturating_duration_since(end.started);
        let verdict = Verdict::of(end.outcome, took, &settings.breaker);
        let mut state = self.state();
        let blocked = state.breaker.blocked_until();
        state.breaker.record(end.now, end.ticket, verdict, &settings.breaker);
        let turned = state.breaker.blocked_until() != blocked;
        if turned {
            self.publish(&state.breaker);
        }
        let outlies = state.streak.record(end.now, verdict, &settings.outlier);
        state.failures += u64::from(matches!(verdict, Verdict::Fails | Verdict::Errs));
        if end.head.is_none() {
            state.observe(end.now, took, end.outcome, verdict, &settings);
        }
        drop(state);
        let avoid = match end.outcome {
            Outcome::Rejected if end.locality == Locality::Local => Some(settings.locality.saturated()),
            Outcome::Failure(Failure::Unreached) => Some(settings.outlier.unreached()),
            _ => None,
        };
        if let Some(avoid) = avoid {
            self.avoid_until.store(self.core.stamp(end.now + avoid), Ordering::Relaxed);
        }
        if turned {
            self.tell_health(end.now);
        }
        if outlies {
            self.eject(end.now, &settings);
        }
    }

    /// Ejects the endpoint if enough others are left.
    fn eject(&self, now: Instant, settings: &Settings) {
        self.core.with_health(|health| {
            if !self.member.load(Ordering::Relaxed) || !health.may_eject(now, &settings.outlier) {
                return;
            }
            let mut state = self.state();
            // Another call may have come first.
            if !state.streak.is_ejected(now) {
                let until = state.streak.eject(now, &settings.outlier);
                self.ejected_until.store(self.core.stamp(until), Ordering::Relaxed);
                health.ejected(self.id, until);
            }
        });
    }

    /// Takes the endpoint back.
    pub(super) fn release(&self, now: Instant) {
        self.state().streak.release(now);
        self.ejected_until.store(0, Ordering::Relaxed);
    }

    /// Until when it is ejected, and until when its breaker is open.
    pub(super) fn trouble(&self, now: Instant) -> (Option<Instant>, Option<Instant>) {
        let state = self.state();
        let ejected = state.streak.until().filter(|until| now < *until);
        (ejected, open_until(&state.breaker).filter(|until| now < *until))
    }

    pub(super) fn set_member(&self, member: bool) {
        self.member.store(member, Ordering::Relaxed);
    }

    fn tell_health(&self, now: Instant) {
        self.core.with_health(|health| {
            if self.member.load(Ordering::Relaxed) {
                let (_, open_until) = self.trouble(now);
                health.open(self.id, open_until);
            }
        });
    }

    fn publish(&self, breaker: &Breaker) {
        let until = breaker.blocked_until().map_or(0, |until| self.core.stamp(until));
        self.blocked_until.store(until, Ordering::Relaxed);
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open_until(breaker: &Breaker) -> Option<Instant> {
    match breaker.state() {
        BreakerState::Open { until } => Some(until),
        BreakerState::Closed | BreakerState::HalfOpen => None,
    }
}

impl State {
    /// Learns from how long a call took.
    fn observe(&mut self, now: Instant, took: Duration, outcome: Outcome, verdict: Verdict, settings: &Settings) {
        let sample = match (outcome, verdict) {
            (Outcome::Success, _) => Sample::Took(took),
            (Outcome::Rejected | Outcome::CallerFault, _) => return,
            (Outcome::Failure(_), Verdict::Fails | Verdict::Errs) => Sample::Failed(took),
            (Outcome::Failure(_) | Outcome::Throttled | Outcome::Cancelled, _) => Sample::AtLeast(took),
        };
        self.latency.observe(now, sample, settings.balance.decay());
        match outcome {
            Outcome::Success => self.estimate.observe(took),
            Outcome::Failure(Failure::Deadline) => self.estimate.observe_at_least(took),
            _ => {}
        }
    }
}
