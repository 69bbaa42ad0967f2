//! The counters of a service that belong to no single call.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use super::calls::Gauge;

/// Why an instance ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum EndReason {
    /// It had nothing to do for its idle time.
    Idle,
    /// It had served as many calls as its manifest allows.
    Reuse,
    /// It trapped.
    Trap,
    /// A call used up its CPU time.
    Cpu,
    /// It asked for more memory than it may have.
    Memory,
    /// Its version was replaced or removed, or the host stops.
    Retired,
    /// It did not let go of a call that nobody waited for any more.
    Abandoned,
    /// It did not start.
    Start,
}

impl EndReason {
    pub(super) const ALL: [Self; 8] =
        [Self::Idle, Self::Reuse, Self::Trap, Self::Cpu, Self::Memory, Self::Retired, Self::Abandoned, Self::Start];

    /// The label's text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Reuse => "reuse",
            Self::Trap => "trap",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Retired => "retired",
            Self::Abandoned => "abandoned",
            Self::Start => "start",
        }
    }
}

/// How an attempt to change what is deployed ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum SwapResult {
    /// A new version serves.
    Ok,
    /// The new version was refused; what served before still does.
    Failed,
    /// The service was taken away.
    Removed,
}

impl SwapResult {
    pub(super) const ALL: [Self; 3] = [Self::Ok, Self::Failed, Self::Removed];

    /// The label's text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Removed => "removed",
        }
    }
}

/// Counters of one service; each method is one or two relaxed atomic additions.
#[derive(Debug, Default)]
pub struct ServiceMetrics {
    pub(super) in_flight: Arc<Gauge>,
    pub(super) instances: AtomicI64,
    pub(super) instances_started: AtomicU64,
    pub(super) instance_start_nanos: AtomicU64,
    pub(super) instances_ended: [AtomicU64; EndReason::ALL.len()],
    pub(super) swaps: [AtomicU64; SwapResult::ALL.len()],
    pub(super) log_lines_dropped: AtomicU64,
    pub(super) queue_rejected: AtomicU64,
}

impl ServiceMetrics {
    /// An instance started, which took this long.
    pub fn instance_started(&self, took: Duration) {
        self.instance_start_nanos.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.instances.fetch_add(1, Ordering::Relaxed);
        self.instances_started.fetch_add(1, Ordering::Relaxed);
    }

    /// An instance ended that was counted as started, or did not start, which only the reason tells.
    pub fn instance_ended(&self, reason: EndReason) {
        if reason != EndReason::Start {
            self.instances.fetch_sub(1, Ordering::Relaxed);
        }
        if let Some(count) = self.instances_ended.get(reason as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// An attempt to change the service's deployment ended.
    pub fn swap(&self, result: SwapResult) {
        if let Some(count) = self.swaps.get(result as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Log lines of the guest were dropped.
    pub fn log_lines_dropped(&self, lines: u64) {
        self.log_lines_dropped.fetch_add(lines, Ordering::Relaxed);
    }

    /// A call was refused because the queue was full or would not have been reached in time.
    pub fn queue_rejected(&self) {
        self.queue_rejected.fetch_add(1, Ordering::Relaxed);
    }

    /// Calls in flight now.
    pub fn calls_in_flight(&self) -> i64 {
        self.in_flight.get()
    }

    /// Instances alive now.
    pub fn instances(&self) -> i64 {
        self.instances.load(Ordering::Relaxed)
    }
}
