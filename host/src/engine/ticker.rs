//! The clock of guest code: a thread that moves the engine's epoch on.
//!
//! Compiled guest code compares a counter with its store's deadline at every loop and function entry, which costs
//! next to nothing; this thread moves the counter. It is a thread of its own so that no guest can keep it from running.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Moves the epoch every tick until it is dropped.
pub(super) struct Ticker {
    stop: Arc<AtomicBool>,
}

impl Ticker {
    /// # Errors
    ///
    /// When the thread cannot be started.
    pub(super) fn start(engine: &wasmtime::Engine, tick: Duration) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        // Weak: the ticker must not be what keeps an engine alive.
        let engine = engine.weak();
        thread::Builder::new().name("hostel-ticker".into()).spawn({
            let stop = stop.clone();
            move || {
                while !stop.load(Ordering::Relaxed) {
                    thread::sleep(tick);
                    let Some(engine) = engine.upgrade() else { break };
                    engine.increment_epoch();
                }
            }
        })?;
        Ok(Self { stop })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
