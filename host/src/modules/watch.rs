//! Tells when the directory of modules may have changed.

use std::path::Path;
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Wakes up when something happened, and at the latest after the poll interval: events can be lost, and some file
/// systems have none.
pub(super) struct Watch {
    events: mpsc::Receiver<()>,
    poll: Duration,
    debounce: Duration,
    _watcher: Option<RecommendedWatcher>,
}

impl Watch {
    /// Watches `dir`. Where that is not possible, polling alone has to do, and the log says so.
    pub(super) fn new(dir: &Path, poll: Duration, debounce: Duration) -> Self {
        // One place is enough: an event says "look", not what happened.
        let (tx, events) = mpsc::channel(1);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Errors, an overflow among them, are a reason to look, too. Reading the directory is none.
            if event.is_ok_and(|event| matches!(event.kind, EventKind::Access(access) if !ends_write(access))) {
                return;
            }
            let _ = tx.try_send(());
        })
        .and_then(|mut watcher| watcher.watch(dir, RecursiveMode::NonRecursive).map(|()| watcher));
        let watcher = watcher
            .map_err(|error| {
                tracing::warn!(
                    dir = %dir.display(), %error, poll_ms = poll.as_millis(),
                    "cannot watch the directory of modules; it is only looked at every `poll_ms`"
                );
            })
            .ok();
        Self { events, poll, debounce, _watcher: watcher }
    }

    /// Waits until it is time to look again.
    pub(super) async fn changed(&mut self) {
        if !matches!(timeout(self.poll, self.events.recv()).await, Ok(Some(()))) {
            if self._watcher.is_none() {
                // The channel of a watcher that could not be made is closed, and would return at once for ever.
                tokio::time::sleep(self.poll).await;
            }
            return;
        }
        // Copies come in many writes: wait for a pause, but not for ever.
        for _ in 0..10 {
            if timeout(self.debounce, self.events.recv()).await.is_err() {
                return;
            }
        }
    }
}

fn ends_write(access: notify::event::AccessKind) -> bool {
    use notify::event::{AccessKind, AccessMode};
    matches!(access, AccessKind::Close(AccessMode::Write))
}
