//! Saying the same thing seldom: what goes wrong again and again is told at once, and then once in a while.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How often the same thing is told: often enough for whoever looks at the log now, and no flood.
pub const EVERY: Duration = Duration::from_secs(60);

/// Different things that are remembered. Strangers can make up as many as they like; with so many told within [`EVERY`],
/// nothing new is.
pub const THINGS_MAX: usize = 16;

/// Lets each of a few things be said at once, and then at most once in [`EVERY`].
#[derive(Debug, Default)]
pub struct Seldom(Mutex<HashMap<String, Instant>>);

impl Seldom {
    fn said(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether `what` is to be said now. If so, it counts as said.
    pub fn may_say(&self, what: &str) -> bool {
        let now = Instant::now();
        let mut said = self.said();
        if said.get(what).is_some_and(|at| now < *at + EVERY) {
            return false;
        }
        if said.len() >= THINGS_MAX && !said.contains_key(what) {
            said.retain(|_, at| now < *at + EVERY);
            if said.len() >= THINGS_MAX {
                return false;
            }
        }
        said.insert(what.to_owned(), now);
        true
    }

    /// `what` is over: if it happens again, that is new. Returns whether it had been said.
    pub fn forget(&self, what: &str) -> bool {
        self.said().remove(what).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_same_is_said_at_once_and_then_once_a_minute() {
        let seldom = Seldom::default();
        assert!(seldom.may_say("a") && seldom.may_say("b"));
        for _ in 0..59 {
            tokio::time::advance(Duration::from_secs(1)).await;
            assert!(!seldom.may_say("a"));
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(seldom.may_say("a") && !seldom.may_say("a"));
        assert!(seldom.forget("a") && !seldom.forget("a"));
        assert!(seldom.may_say("a"), "it is new");
    }

    #[tokio::test(start_paused = true)]
    async fn strangers_fill_neither_the_memory_nor_the_log() {
        let seldom = Seldom::default();
        let said = (0..1_000).filter(|i| seldom.may_say(&i.to_string())).count();
        assert_eq!((said, seldom.said().len()), (THINGS_MAX, THINGS_MAX));
        tokio::time::advance(EVERY).await;
        assert!(seldom.may_say("later"));
        assert_eq!(seldom.said().len(), 1);
    }
}
