//! The retry budget: retries may be a share of the calls of the last ten seconds, and a few per second besides, so that
//! a service that is hardly called can be retried at all. Whatever happens, retries cannot multiply a service's load.
//!
//! Source: the retry budget of Finagle.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::policy::settings::RetrySettings;

/// Seconds that the share is computed over.
const WINDOW_S: u64 = 10;
const SLOT_BITS: u32 = 32;

/// The budget of one service, shared by all who call it on this node.
#[derive(Debug)]
pub struct Budget {
    began: Instant,
    /// A slot for each second, the second in the upper half and its calls in the lower: every call counts itself here,
    /// and should not have to wait for others.
    calls: [AtomicU64; WINDOW_S as usize],
    spent: Mutex<Spent>,
}

#[derive(Debug)]
struct Spent {
    /// Retries paid from the share, and in which second.
    share: [(u64, u64); WINDOW_S as usize],
    /// What is left of the retries per second, as of the instant beside it; `None` before the first.
    floor: Option<(f64, Instant)>,
    granted: u64,
    refused: u64,
}

impl Budget {
    /// A budget nothing has been spent of.
    pub fn new(now: Instant) -> Self {
        let spent = Spent { share: [(0, 0); WINDOW_S as usize], floor: None, granted: 0, refused: 0 };
        Self { began: now, calls: Default::default(), spent: Mutex::new(spent) }
    }

    /// Counts a call: a first attempt, not a retry.
    pub fn deposit(&self, now: Instant) {
        let second = self.second(now);
        let Some(slot) = self.calls.get((second % WINDOW_S) as usize) else { return };
        let mut seen = slot.load(Ordering::Relaxed);
        // A slot of a later second takes a latecomer too.
        while seen >> SLOT_BITS < second {
            let fresh = (second << SLOT_BITS) | 1;
            match slot.compare_exchange_weak(seen, fresh, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
        slot.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes one retry, if there is one.
    pub fn withdraw(&self, now: Instant, settings: &RetrySettings) -> bool {
        let second = self.second(now);
        let mut spent = self.spent();
        if spent.share_left(second, self.calls(second), settings) > 0 {
            spent.spend_share(second);
        } else {
            let floor = spent.floor_left(now, settings);
            if floor < 1.0 {
                spent.refused += 1;
                return false;
            }
            spent.floor = Some((floor - 1.0, now));
        }
        spent.granted += 1;
        true
    }

    /// Retries that could be made now.
    pub fn left(&self, now: Instant, settings: &RetrySettings) -> u64 {
        let second = self.second(now);
        let spent = self.spent();
        spent.share_left(second, self.calls(second), settings) + spent.floor_left(now, settings) as u64
    }

    /// Retries granted and refused since the beginning.
    pub fn totals(&self) -> (u64, u64) {
        let spent = self.spent();
        (spent.granted, spent.refused)
    }

    fn second(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.began).as_secs()
    }

    /// Calls in the window that ends with this second.
    fn calls(&self, second: u64) -> u64 {
        let slots = self.calls.iter().map(|slot| slot.load(Ordering::Relaxed));
        let recent = slots.filter(|slot| in_window(slot >> SLOT_BITS, second));
        recent.map(|slot| slot & u64::from(u32::MAX)).sum()
    }

    fn spent(&self) -> MutexGuard<'_, Spent> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn in_window(slot: u64, second: u64) -> bool {
    slot + WINDOW_S > second
}

impl Spent {
    fn share_left(&self, second: u64, calls: u64, settings: &RetrySettings) -> u64 {
        let spent: u64 =
            self.share.iter().filter(|(slot, _)| in_window(*slot, second)).map(|(_, retries)| retries).sum();
        (calls * u64::from(settings.budget_percent) / 100).saturating_sub(spent)
    }

    fn spend_share(&mut self, second: u64) {
        if let Some((slot, retries)) = self.share.get_mut((second % WINDOW_S) as usize) {
            if *slot < second {
                (*slot, *retries) = (second, 0);
            }
            *retries += 1;
        }
    }

    fn floor_left(&self, now: Instant, settings: &RetrySettings) -> f64 {
        let most = f64::from(settings.budget_floor_per_s);
        self.floor.map_or(most, |(left, at)| (left + now.saturating_duration_since(at).as_secs_f64() * most).min(most))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn withdrawn(budget: &Budget, now: Instant, settings: &RetrySettings) -> u32 {
        (0..).take_while(|_| budget.withdraw(now, settings)).count() as u32
    }

    #[test]
    fn a_fifth_of_the_calls_and_ten_per_second() {
        let settings = RetrySettings::default();
        let now = Instant::now();
        let budget = Budget::new(now);
        assert_eq!(budget.left(now, &settings), 10);
        assert_eq!(withdrawn(&budget, now, &settings), 10, "the floor");
        let half = now + Duration::from_millis(500);
        assert_eq!(withdrawn(&budget, half, &settings), 5, "half a second of it");
        for _ in 0..1_000 {
            budget.deposit(half);
        }
        assert_eq!(budget.left(half, &settings), 200);
        assert_eq!(withdrawn(&budget, half, &settings), 200, "the share");
        assert_eq!(budget.totals(), (215, 3));
        let later = now + Duration::from_secs(60);
        assert_eq!(withdrawn(&budget, later, &settings), 10, "old calls pay for nothing");
    }

    #[test]
    fn what_was_spent_is_forgotten_with_the_calls_that_paid_for_it() {
        let settings = RetrySettings { budget_floor_per_s: 0, ..RetrySettings::default() };
        let now = Instant::now();
        let budget = Budget::new(now);
        for round in 0..3 {
            let now = now + Duration::from_secs(WINDOW_S * round);
            (0..100).for_each(|_| budget.deposit(now));
            assert_eq!(withdrawn(&budget, now, &settings), 20, "round {round}");
            assert!(!budget.withdraw(now + Duration::from_secs(9), &settings));
        }
    }

    #[test]
    fn nothing_is_nothing() {
        let settings = RetrySettings { budget_percent: 0, budget_floor_per_s: 0, ..RetrySettings::default() };
        let now = Instant::now();
        let budget = Budget::new(now);
        budget.deposit(now);
        assert!(!budget.withdraw(now + Duration::from_secs(100), &settings));
    }

    proptest! {
        /// Over any time there are no more retries than a fifth of the calls of that time and the ten seconds before
        /// it, ten per second, and the second of them that may have been saved up.
        #[test]
        fn never_more_than_its_rate(steps in proptest::collection::vec((0u64..700, 0u32..60, 0u32..60), 1..120)) {
            let settings = RetrySettings::default();
            let began = Instant::now();
            let budget = Budget::new(began);
            let mut ms = 0;
            let mut log: Vec<(u64, u32, u32)> = Vec::new();
            for (wait, calls, wanted) in steps {
                ms += wait;
                let now = began + Duration::from_millis(ms);
                (0..calls).for_each(|_| budget.deposit(now));
                let granted = (0..wanted).filter(|_| budget.withdraw(now, &settings)).count() as u32;
                log.push((ms, calls, granted));
                for begin in 0..log.len() {
                    let begin_ms = log[begin].0;
                    let granted: u32 = log[begin..].iter().map(|entry| entry.2).sum();
                    let calls = log.iter().filter(|entry| entry.0 + 1_000 * WINDOW_S >= begin_ms);
                    let calls: u32 = calls.map(|entry| entry.1).sum();
                    let most = calls / 5 + 11 + (ms - begin_ms) as u32 / 100;
                    prop_assert!(granted <= most, "{} retries of {} calls in {} ms", granted, calls, ms - begin_ms);
                }
            }
        }
    }
}
