//! Tells wake-ups that matter from those that do not.
//!
//! While a store's event loop is polled it wakes itself: each guest that returns, each host function that ends, is an event
//! for another part of the same loop, which sees it in the same poll. Taken at its word, each poll of an instance would
//! be followed by a second one that finds nothing to do.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};

/// The wake-ups of one task.
#[derive(Default)]
pub(super) struct Wakeups {
    task: OnceLock<Waker>,
    polling: AtomicBool,
    pending: AtomicBool,
}

impl Wakeups {
    /// Polls something on behalf of the task, which must be the same each time.
    pub(super) fn poll<T>(self: &Arc<Self>, waker: &Waker, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        let task = self.task.get_or_init(|| waker.clone());
        debug_assert!(task.will_wake(waker), "the task has moved");
        self.polling.store(true, Ordering::SeqCst);
        let polled = poll(&mut Context::from_waker(&self.clone().into()));
        // In this order: whoever wakes now sees that nobody is polling, or is seen here.
        self.polling.store(false, Ordering::SeqCst);
        if self.pending.swap(false, Ordering::SeqCst) && polled.is_pending() {
            task.wake_by_ref();
        }
        polled
    }

    /// Everything is about to be looked at: what has happened so far needs no wake-up.
    pub(super) fn forget(&self) {
        self.pending.store(false, Ordering::SeqCst);
    }
}

impl Wake for Wakeups {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.pending.store(true, Ordering::SeqCst);
        if !self.polling.load(Ordering::SeqCst)
            && let Some(task) = self.task.get()
        {
            task.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn only_what_nobody_has_seen_wakes_the_task() {
        let count = Arc::new(Count::default());
        let task: Waker = count.clone().into();
        let wakeups = Arc::new(Wakeups::default());
        let woken = || count.0.load(Ordering::SeqCst);
        let mut inner = None;

        let _ = wakeups.poll(&task, |cx| {
            inner = Some(cx.waker().clone());
            cx.waker().wake_by_ref();
            wakeups.forget();
            Poll::<()>::Pending
        });
        assert_eq!(woken(), 0, "seen before the end of the poll");

        let _ = wakeups.poll(&task, |cx| {
            wakeups.forget();
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        });
        assert_eq!(woken(), 1, "after the last look");

        inner.unwrap().wake();
        assert_eq!(woken(), 2, "from outside");
    }
}
