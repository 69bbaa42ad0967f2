//! Counts who is in, and closes only when nobody is.
//!
//! Without it a call that has looked up a version could find it closed a moment later. Closing and being empty are one
//! atomic step here: whoever gets in is served, whoever does not knows that the table has changed.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The bit that says closed; the others count.
const CLOSED: usize = 1 << (usize::BITS - 1);

#[derive(Default)]
pub(super) struct Gate {
    state: AtomicUsize,
    empty: Notify,
}

impl Gate {
    /// Gets in, unless the gate is closed. Every entry needs its [`Gate::leave`].
    pub(super) fn enter(&self) -> bool {
        let entered = |state: usize| (state & CLOSED == 0).then_some(state + 1);
        self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, entered).is_ok()
    }

    pub(super) fn leave(&self) {
        if self.state.fetch_sub(1, Ordering::AcqRel) & !CLOSED == 1 {
            self.empty.notify_waiters();
        }
    }

    /// How many are in.
    pub(super) fn entered(&self) -> usize {
        self.state.load(Ordering::Acquire) & !CLOSED
    }

    /// Closes at a moment when nobody is in.
    pub(super) async fn close_when_empty(&self) {
        loop {
            let mut empty = pin!(self.empty.notified());
            empty.as_mut().enable();
            let closed = self.state.compare_exchange(0, CLOSED, Ordering::AcqRel, Ordering::Acquire);
            if matches!(closed, Ok(_) | Err(CLOSED)) {
                return;
            }
            empty.await;
        }
    }

    /// Closes now, whoever is in.
    pub(super) fn close(&self) {
        self.state.fetch_or(CLOSED, Ordering::AcqRel);
        self.empty.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_closes_only_when_empty_and_then_for_good() {
        let gate = Gate::default();
        assert!(gate.enter() && gate.enter());
        let mut closing = pin!(gate.close_when_empty());
        assert!(futures::poll!(&mut closing).is_pending());
        gate.leave();
        assert!(futures::poll!(&mut closing).is_pending());
        assert!(gate.enter(), "still open while somebody is in");
        gate.leave();
        gate.leave();
        closing.await;
        assert!(!gate.enter());
        assert_eq!(gate.entered(), 0);
    }
}
