//! The limit on calls that are under way at once. Who finds it reached is refused at once: waiting is for the one queue
//! there is, that of the instances.

use std::sync::atomic::{AtomicU32, Ordering};

/// Counts calls under way. The most there may be is said at each entry, because it may change with the settings.
#[derive(Debug, Default)]
pub struct Limit {
    in_flight: AtomicU32,
}

impl Limit {
    /// A place for one more call, if there are fewer than `most`. It is given back when the permit is dropped.
    pub fn try_enter(&self, most: u32) -> Option<Permit<'_>> {
        // One instruction in the ordinary case; a loop of compare-and-swap would fight with other threads.
        if self.in_flight.fetch_add(1, Ordering::Relaxed) >= most {
            self.in_flight.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Permit(self))
    }

    /// Gives back a place that was kept with [`Permit::keep`].
    pub(super) fn leave(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// Calls under way.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }
}

/// A place among the calls under way.
#[derive(Debug)]
pub struct Permit<'l>(&'l Limit);

impl Permit<'_> {
    /// Keeps the place beyond this borrow. Somebody else gives it back.
    pub(super) fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_limit_and_places_come_back() {
        let limit = Limit::default();
        let held: Vec<_> = (0..3).map(|_| limit.try_enter(3).unwrap()).collect();
        assert!(limit.try_enter(3).is_none());
        assert!(limit.try_enter(4).is_some(), "the limit may be raised");
        assert_eq!(limit.in_flight(), 3);
        drop(held);
        assert_eq!(limit.in_flight(), 0);
        assert!(limit.try_enter(0).is_none());
        assert_eq!(limit.in_flight(), 0);
    }

    #[test]
    fn threads_together_stay_within_it() {
        let limit = Limit::default();
        let inside = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        if let Some(_permit) = limit.try_enter(2) {
                            assert!(inside.fetch_add(1, Ordering::SeqCst) < 2);
                            inside.fetch_sub(1, Ordering::SeqCst);
                        }
                    }
                });
            }
        });
        assert_eq!(limit.in_flight(), 0);
    }
}
