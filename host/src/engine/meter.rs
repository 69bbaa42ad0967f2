//! Who is on the CPU, and for how long.
//!
//! Two things happen when the epoch moves while a guest is running. The time it ran is charged to the call it runs for,
//! and a call over its budget ends its instance. And a guest that ran for a whole slice yields, so that others on the
//! same thread get their turn; whether it may go on at once is for `share` to say.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use wasmtime::{StoreContextMut, UpdateDeadline};

use super::State;

/// How long a guest runs before it yields.
const SLICE: Duration = Duration::from_millis(1);

/// The time an instance spends on the CPU, as its worker sees it from outside the store.
#[derive(Clone)]
pub(super) struct Stopwatch {
    base: Instant,
    since_nanos: Arc<AtomicU64>,
    /// How long the guest has been running without waiting for anything.
    run_nanos: Arc<AtomicU64>,
    /// The guest was made to yield, and is not waiting for anything.
    yielded: Arc<AtomicBool>,
}

impl Stopwatch {
    pub(super) fn new() -> Self {
        Self { base: Instant::now(), since_nanos: Arc::default(), run_nanos: Arc::default(), yielded: Arc::default() }
    }

    /// The instance gets on the CPU now.
    pub(super) fn start(&self, now: Instant) {
        let nanos = u64::try_from(now.saturating_duration_since(self.base).as_nanos()).unwrap_or(u64::MAX);
        self.since_nanos.store(nanos, Ordering::Relaxed);
        if !self.yielded.swap(false, Ordering::Relaxed) {
            self.run_nanos.store(0, Ordering::Relaxed);
        }
    }

    /// Adds to the time of this slice. Whether it is used up, in which case another begins.
    fn used_up(&self, spent: Duration) -> bool {
        let spent = u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX);
        let run = self.run_nanos.fetch_add(spent, Ordering::Relaxed).saturating_add(spent);
        let whole = u128::from(run) >= SLICE.as_nanos();
        if whole {
            self.run_nanos.store(0, Ordering::Relaxed);
        }
        whole
    }

    /// Whether the guest left the CPU only because it was made to, and would go on computing.
    pub(super) fn has_yielded(&self) -> bool {
        self.yielded.load(Ordering::Relaxed)
    }

    /// The time since the last start or lap; starts anew.
    fn lap(&self) -> Duration {
        let now = u64::try_from(self.base.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let since = self.since_nanos.swap(now, Ordering::Relaxed);
        Duration::from_nanos(now.saturating_sub(since))
    }
}

/// The part of the meter that lives in the store.
pub(super) struct Meter {
    stopwatch: Stopwatch,
    budget: Duration,
    /// Time that belongs to no call in flight: start-up, and what goes on after a response.
    background: Duration,
    exhausted: bool,
}

impl Meter {
    pub(super) fn new(stopwatch: Stopwatch, budget: Duration) -> Self {
        Self { stopwatch, budget, background: Duration::ZERO, exhausted: false }
    }

    /// Whether a call ran out of its budget, which is why the instance trapped.
    pub(super) fn exhausted(&self) -> bool {
        self.exhausted
    }

    /// A new call begins: what earlier ones left running in the background gets a new budget too.
    pub(super) fn call_started(&mut self) {
        self.background = Duration::ZERO;
    }
}

/// The epoch moved while the guest of `store` was running.
pub(super) fn on_epoch(mut store: StoreContextMut<'_, State>) -> wasmtime::Result<UpdateDeadline> {
    let spent = store.data().meter.stopwatch.lap();
    let call = super::state::current_call(&mut store);
    let meter = &mut store.data_mut().meter;
    let total = match &call {
        Some(call) => call.charge(spent),
        None => {
            meter.background += spent;
            meter.background
        }
    };
    if total > meter.budget {
        meter.exhausted = true;
        wasmtime::bail!("used more than {} ms of CPU time in one call", meter.budget.as_millis());
    }
    // The first check after a rest sees an epoch long past, however short the guest has been running.
    if !meter.stopwatch.used_up(spent) {
        return Ok(UpdateDeadline::Continue(1));
    }
    meter.stopwatch.yielded.store(true, Ordering::Relaxed);
    Ok(UpdateDeadline::Yield(1))
}
