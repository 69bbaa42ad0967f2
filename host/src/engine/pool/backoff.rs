//! How soon an instance may follow one that failed.
//!
//! Starting an instance and cleaning up after a trap cost far more than a call. A version that fails at every call must
//! not be able to spend that on everybody's threads, so after a few failures in a row its new instances have to wait;
//! its calls wait with them. One call that ends well sets everything back.

use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row that cost nothing.
const FREE: u32 = 3;
const DELAY_MIN: Duration = Duration::from_millis(1);
const DELAY_MAX: Duration = Duration::from_millis(50);

#[derive(Default)]
pub(super) struct Backoff {
    failures: u32,
    until: Option<Instant>,
    /// Somebody waits for the delay to end.
    armed: bool,
}

impl Backoff {
    pub(super) fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if let Some(doublings) = self.failures.checked_sub(FREE + 1) {
            self.until = Some(now + DELAY_MIN.saturating_mul(1 << doublings.min(16)).min(DELAY_MAX));
        }
    }

    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
        self.until = None;
    }

    /// Until when no instance may start; `None` when one may start now.
    pub(super) fn until(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| *until > now)
    }

    /// Takes on the duty to wait for the delay to end, unless somebody has it.
    pub(super) fn arm(&mut self) -> bool {
        !std::mem::replace(&mut self.armed, true)
    }

    pub(super) fn disarm(&mut self) {
        self.armed = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn delays_grow_to_a_bound_and_success_ends_them() {
        let mut backoff = Backoff::default();
        let now = Instant::now();
        for _ in 0..FREE {
            backoff.failed(now);
            assert_eq!(backoff.until(now), None);
        }
        backoff.failed(now);
        assert_eq!(backoff.until(now), Some(now + DELAY_MIN));
        for _ in 0..100 {
            backoff.failed(now);
        }
        assert_eq!(backoff.until(now), Some(now + DELAY_MAX));
        assert_eq!(backoff.until(now + DELAY_MAX), None);
        backoff.succeeded();
        assert_eq!(backoff.until(now), None);
    }
}
