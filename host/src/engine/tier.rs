//! A tier of the compiler: threads of its own, on which so many compile at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::Error;
use super::background::Background;

/// A tier. Cheap to clone.
#[derive(Clone)]
pub(super) struct Tier {
    threads: Background,
    /// Taken in the order of asking.
    turns: Arc<Semaphore>,
    /// How long it makes do with what others leave over of the cores.
    patience: Duration,
}

impl Tier {
    /// A tier in which `at_once` components are compiled at once.
    ///
    /// # Errors
    ///
    /// When threads cannot be started.
    pub(super) fn new(at_once: usize, patience: Duration) -> Result<Self, Error> {
        let threads = Background::new();
        let threads = threads.map_err(|error| Error::Engine(format!("cannot start threads to compile on: {error}")))?;
        Ok(Self { threads, turns: Arc::new(Semaphore::new(at_once.max(1))), patience })
    }

    /// Does something when it is its turn.
    pub(super) async fn run<R: Send + 'static>(
        &self,
        work: impl Fn() -> Result<R, Error> + Send + Sync + 'static,
    ) -> Result<R, Error> {
        let stopping = |_| Error::Compile("the host is stopping".into());
        let _turn = self.turns.acquire().await.map_err(stopping)?;
        let done = self.threads.run(self.patience, work).await;
        done.unwrap_or_else(|| Err(Error::Compile("the compiler panicked; the log says where".into())))
    }
}
