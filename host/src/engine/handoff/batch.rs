//! Instances that are run together.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use async_task::Runnable;

/// Instances that were handed calls by one thread, one call after the other, and are run one after the other. What they
/// have in common, code above all, then stays in the processor's cache from one to the next.
#[derive(Clone)]
pub(super) struct Batch(Arc<Mutex<State>>);

struct State {
    instances: VecDeque<Runnable>,
    closed: bool,
}

impl Batch {
    /// A batch that ends when all tasks that are ready now have run.
    pub(super) fn start(first: Runnable) -> Self {
        let state = State { instances: VecDeque::from([first]), closed: false };
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
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return Err(runnable);
        }
        state.instances.push_back(runnable);
        Ok(())
    }

    async fn run(self) {
        // Behind all tasks that are ready now.
        tokio::task::yield_now().await;
        let instances = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.closed = true;
            std::mem::take(&mut state.instances)
        };
        super::batch_ends(instances);
    }
}
