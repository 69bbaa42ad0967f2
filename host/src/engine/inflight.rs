//! One call while a guest works on it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Failure;
use crate::call::CallContext;

/// What the host knows of a call that a guest is working on. Host functions find it by the task that calls them, so
/// that whatever the guest does next carries on this call's deadline, trace and caller.
pub struct Inflight {
    context: CallContext,
    over: CancellationToken,
    finished: AtomicBool,
    cpu_nanos: AtomicU64,
    failure: OnceLock<Failure>,
}

impl Inflight {
    pub(super) fn new(context: CallContext) -> Self {
        Self {
            context,
            over: CancellationToken::new(),
            finished: AtomicBool::new(false),
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
        self.over.cancelled().await;
    }

    /// The caller has the whole response.
    pub(super) fn finish(&self) {
        self.finished.store(true, Ordering::Release);
        self.over.cancel();
    }

    /// The caller went away.
    pub(super) fn abandon(&self) {
        self.over.cancel();
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }

    pub(super) fn is_finished(&self) -> bool {
        self.finished.load(Ordering::Acquire)
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
