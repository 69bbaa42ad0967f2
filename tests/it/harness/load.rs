//! Load: workers that send one request after the other, and what came of it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

/// How many failures are kept word by word.
const FAILURES_KEPT: usize = 20;

/// Work under way.
pub struct Load {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    done: AtomicU64,
    failed: AtomicU64,
    failures: Mutex<Vec<String>>,
    latencies: Mutex<Vec<Duration>>,
}

pub struct Outcome {
    pub done: u64,
    pub failed: u64,
    pub failures: Vec<String>,
    /// Sorted.
    pub latencies: Vec<Duration>,
}

impl Load {
    /// Starts workers. Each waits for `pause` between two pieces of work; `work` gets the number of its worker and
    /// says what went wrong.
    pub fn start<W, F>(workers: usize, pause: Duration, work: W) -> Self
    where
        W: Fn(usize) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<(), String>> + Send,
    {
        let shared = Arc::new(Shared::default());
        let worker = |number| {
            let (shared, work) = (Arc::clone(&shared), work.clone());
            tokio::spawn(async move {
                while !shared.stop.load(Ordering::Relaxed) {
                    let start = Instant::now();
                    let outcome = work(number).await;
                    shared.note(start.elapsed(), outcome);
                    if !pause.is_zero() {
                        tokio::time::sleep(pause).await;
                    }
                }
            })
        };
        let workers = (0..workers).map(worker).collect();
        Self { shared, workers }
    }

    /// Pieces of work done so far, whatever came of them.
    pub fn done(&self) -> u64 {
        self.shared.done.load(Ordering::Relaxed)
    }

    /// Ends the load; what is under way is finished first.
    pub async fn stop(self) -> Outcome {
        self.shared.stop.store(true, Ordering::Relaxed);
        for worker in self.workers {
            worker.await.expect("a worker does not panic");
        }
        let mut latencies = std::mem::take(&mut *self.shared.latencies.lock().unwrap());
        latencies.sort_unstable();
        Outcome {
            done: self.shared.done.load(Ordering::Relaxed),
            failed: self.shared.failed.load(Ordering::Relaxed),
            failures: std::mem::take(&mut *self.shared.failures.lock().unwrap()),
            latencies,
        }
    }
}

impl Shared {
    fn note(&self, latency: Duration, outcome: Result<(), String>) {
        self.done.fetch_add(1, Ordering::Relaxed);
        self.latencies.lock().unwrap().push(latency);
        if let Err(failure) = outcome {
            self.failed.fetch_add(1, Ordering::Relaxed);
            let mut failures = self.failures.lock().unwrap();
            if failures.len() < FAILURES_KEPT {
                failures.push(failure);
            }
        }
    }
}

impl Outcome {
    /// The latency that `percent` of the requests did not exceed.
    pub fn percentile(&self, percent: f64) -> Duration {
        assert!(!self.latencies.is_empty(), "nothing was measured");
        let last = self.latencies.len() - 1;
        self.latencies[(last as f64 * percent / 100.0).round() as usize]
    }

    #[track_caller]
    pub fn expect_no_failure(&self) {
        let Self { done, failed, failures, .. } = self;
        assert_eq!(*failed, 0, "of {done} requests: {failures:#?}");
    }
}
