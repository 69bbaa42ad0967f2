//! Who is on the CPU, for how long, and who has to step aside.
//!
//! Three things happen when the epoch moves while a guest is running. The time it ran is charged to the call it runs
//! for, and a call over its budget ends its instance. A guest that ran for a whole slice yields, so that short calls
//! on the same thread get their turn. And before it goes on it needs a *long-run permit*: there is one fewer of those
//! than serving threads and one per service, so that a service that burns CPU in many instances at once leaves a
//! thread to everybody else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking::Gate;
use wasmtime::{StoreContextMut, UpdateDeadline};

use super::State;

/// How long a guest runs before it yields.
const SLICE: Duration = Duration::from_millis(1);

/// The time an instance spends on the CPU, as its worker sees it from outside the store.
#[derive(Clone)]
pub(super) struct Stopwatch {
    base: Instant,
    since_nanos: Arc<AtomicU64>,
    /// The guest was made to yield, and is not waiting for anything.
    yielded: Arc<AtomicBool>,
}

impl Stopwatch {
    pub(super) fn new() -> Self {
        Self { base: Instant::now(), since_nanos: Arc::default(), yielded: Arc::default() }
    }

    /// The instance gets on the CPU now.
    pub(super) fn start(&self) {
        let nanos = u64::try_from(self.base.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.since_nanos.store(nanos, Ordering::Relaxed);
        self.yielded.store(false, Ordering::Relaxed);
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
    gate: Gate,
    budget: Duration,
    /// Time since the guest last yielded.
    slice: Duration,
    /// Time that belongs to no call in flight: start-up, and what goes on after a response.
    background: Duration,
    exhausted: bool,
}

impl Meter {
    pub(super) fn new(stopwatch: Stopwatch, gate: Gate, budget: Duration) -> Self {
        Self { stopwatch, gate, budget, slice: Duration::ZERO, background: Duration::ZERO, exhausted: false }
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
    meter.slice += spent;
    if meter.slice < SLICE {
        return Ok(UpdateDeadline::Continue(1));
    }
    meter.slice = Duration::ZERO;
    let gate = meter.gate.clone();
    let stopwatch = meter.stopwatch.clone();
    stopwatch.yielded.store(true, Ordering::Relaxed);
    Ok(UpdateDeadline::YieldCustom(
        1,
        Box::pin(async move {
            gate.step_aside().await;
            stopwatch.start();
        }),
    ))
}

mod parking {
    //! Permits for long runs.

    use std::sync::{Arc, Mutex, PoisonError};

    use tokio::sync::{OwnedSemaphorePermit, Semaphore};

    /// Where an instance waits for its turn to run on. Clones share the permits held.
    #[derive(Clone)]
    pub(crate) struct Gate {
        service: Arc<Semaphore>,
        host: Arc<Semaphore>,
        held: Arc<Mutex<Option<[OwnedSemaphorePermit; 2]>>>,
    }

    impl Gate {
        pub(crate) fn new(service: Arc<Semaphore>, host: Arc<Semaphore>) -> Self {
            Self { service, host, held: Arc::default() }
        }

        /// Gives way to whoever else waits, then takes the permits. Semaphores are fair, so instances take turns.
        pub(crate) async fn step_aside(&self) {
            self.release();
            tokio::task::yield_now().await;
            // Neither semaphore is ever closed; were it, running on is the better of two evils.
            let Ok(service) = self.service.clone().acquire_owned().await else { return };
            let Ok(host) = self.host.clone().acquire_owned().await else { return };
            *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some([service, host]);
        }

        /// The instance is off the CPU.
        pub(crate) fn release(&self) {
            self.held.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
    }
}

pub(super) use parking::Gate as LongRunGate;
