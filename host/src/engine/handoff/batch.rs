//! Instances that are run together.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_task::Runnable;

/// Instances that were handed calls by one thread, one call after the other, and are run one after the other. What they
/// have in common, code above all, then stays in the processor's cache from one to the next.
#[derive(Clone)]
pub(super) struct Batch(Arc<Mutex<State>>);

struct State {
    instances: VecDeque<Runnable>,
    calls: usize,
    closed: bool,
}

impl Batch {
    /// A batch that ends when all tasks that are ready now have run.
    pub(super) fn start(first: Runnable) -> Self {
        let state = State { instances: VecDeque::from([first]), calls: 1, closed: false };
        let batch = Self(Arc::new(Mutex::new(state)));
        tokio::spawn(batch.clone().run());
        batch
    }

    /// Adds an instance.
    ///
    /// # Errors
    ///
    /// The instance, when the batch is on its way.
    pub(super) fn add(&self, runnable: Runnable) -> Result<(), Runnable> {
        let mut state = self.state();
        if state.closed {
            return Err(runnable);
        }
        state.instances.push_back(runnable);
        state.calls += 1;
        Ok(())
    }

    /// One of its instances was handed another call.
    pub(super) fn join(&self) {
        self.state().calls += 1;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(self) {
        // Behind all tasks that are ready now.
        tokio::task::yield_now().await;
        let (instances, calls) = {
            let mut state = self.state();
            state.closed = true;
            (std::mem::take(&mut state.instances), state.calls)
        };
        super::batch_ends(instances, calls);
    }
}
