//! One call while a guest works on it.

use std::pin::pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use super::Failure;
use crate::call::CallContext;

const OPEN: u8 = 0;
const ABANDONED: u8 = 1;
const FINISHED: u8 = 2;

/// What the host knows of a call that a guest is working on. Host functions find it by the task that calls them, so
/// that whatever the guest does next carries on this call's deadline, trace and caller.
pub struct Inflight {
    context: CallContext,
    /// [`OPEN`], [`ABANDONED`] or [`FINISHED`].
    stage: AtomicU8,
    over: Notify,
    cpu_nanos: AtomicU64,
    failure: OnceLock<Failure>,
}

impl Inflight {
    pub(super) fn new(context: CallContext) -> Self {
        Self {
            context,
            stage: AtomicU8::new(OPEN),
            over: Notify::new(),
            cpu_nanos: AtomicU64::new(0),
            failure: OnceLock::new(),
        }
    }

    /// Deadline, trace, caller and depth.
    pub fn context(&self) -> &CallContext {
        &self.context
    }

    /// Resolves when nobody waits for the call any more. Whatever it caused should stop then.
    pub async fn over(&self) {
        let mut over = pin!(self.over.notified());
        // In line first, so that an end between the look and the wait is not missed.
        over.as_mut().enable();
        if !self.is_over() {
            over.await;
        }
    }

    /// The caller has the whole response.
    pub(super) fn finish(&self) {
        self.end(FINISHED);
    }

    /// The caller went away.
    pub(super) fn abandon(&self) {
        self.end(ABANDONED);
    }

    /// Only the first end counts.
    fn end(&self, stage: u8) {
        if self.stage.compare_exchange(OPEN, stage, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            self.over.notify_waiters();
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.stage.load(Ordering::Acquire) != OPEN
    }

    pub(super) fn is_finished(&self) -> bool {
        self.stage.load(Ordering::Acquire) == FINISHED
    }

    /// Adds CPU time and returns the sum.
    pub(super) fn charge(&self, spent: Duration) -> Duration {
        let spent = u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.cpu_nanos.fetch_add(spent, Ordering::Relaxed).saturating_add(spent))
    }

    /// Notes that the instance failed under this call, before its streams are torn down: what reads them would
    /// otherwise take the tear for a regular end.
    pub(super) fn fail(&self, failure: Failure) {
        let _ = self.failure.set(failure);
    }

    pub(super) fn failure(&self) -> Option<&Failure> {
        self.failure.get()
    }
}
