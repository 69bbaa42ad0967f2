//! What a worker waits for besides calls.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// A timer that costs a clock reading, not a registration, as long as it is only pushed back.
#[derive(Default)]
pub(super) struct Timer {
    since: Option<Instant>,
    /// Since when all callers have been gone.
    pub(super) stuck_since: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    pub(super) fn restart(&mut self) {
        self.since = Some(Instant::now());
    }

    pub(super) fn poll_after(&mut self, cx: &mut Context<'_>, delay: Duration) -> Poll<()> {
        let since = *self.since.get_or_insert_with(Instant::now);
        self.poll(cx, since + delay)
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        let sleep = match &mut self.sleep {
            // One that is due earlier wakes the task, which then sees that it is not time yet.
            Some(sleep) if sleep.deadline() <= at && !sleep.is_elapsed() => return Poll::Pending,
            Some(sleep) => {
                sleep.as_mut().reset(at);
                sleep
            }
            none => none.insert(Box::pin(tokio::time::sleep_until(at))),
        };
        sleep.as_mut().poll(cx)
    }
}
