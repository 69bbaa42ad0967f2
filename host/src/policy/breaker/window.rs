//! Calls and failures of the last while, in ten slots, so that the oldest tenth goes at a time.

use std::time::Duration;

use tokio::time::Instant;

const SLOTS: usize = 10;

/// A sliding window of results.
#[derive(Debug)]
pub(super) struct Window {
    began: Instant,
    slot: Duration,
    /// The number of the newest slot, counted from `began`.
    newest: u64,
    slots: [(u64, u64); SLOTS],
}

impl Window {
    pub(super) fn new(now: Instant, length: Duration) -> Self {
        let slot = (length / SLOTS as u32).max(Duration::from_millis(1));
        Self { began: now, slot, newest: 0, slots: [(0, 0); SLOTS] }
    }

    pub(super) fn add(&mut self, now: Instant, failed: bool) {
        let elapsed = now.saturating_duration_since(self.began).as_nanos();
        let number = u64::try_from(elapsed / self.slot.as_nanos()).unwrap_or(u64::MAX);
        // At most once around: beyond that all of them are old.
        for skipped in 1..=number.saturating_sub(self.newest).min(SLOTS as u64) {
            if let Some(slot) = self.slots.get_mut(((self.newest + skipped) % SLOTS as u64) as usize) {
                *slot = (0, 0);
            }
        }
        // Threads may report a little out of order; the newest slot takes what comes late.
        self.newest = self.newest.max(number);
        if let Some((calls, failures)) = self.slots.get_mut((self.newest % SLOTS as u64) as usize) {
            *calls += 1;
            *failures += u64::from(failed);
        }
    }

    /// All calls in the window, and how many of them failed.
    pub(super) fn sums(&self) -> (u64, u64) {
        self.slots.iter().fold((0, 0), |(calls, failures), slot| (calls + slot.0, failures + slot.1))
    }
}
