//! What a node has done, counted.

use std::sync::atomic::{AtomicU64, Ordering};

use super::seal::SealError;

/// Counts since the start of the process. Reading takes no lock; each number is exact, all together are of about one
/// moment.
#[derive(Debug, Default)]
pub struct Counters {
    pub packets_sent: AtomicU64,
    pub bytes_sent: AtomicU64,
    pub packets_received: AtomicU64,
    pub bytes_received: AtomicU64,
    /// Packets that did not open: another key, another cluster, damaged, garbage.
    pub packets_foreign: AtomicU64,
    /// Authentic packets that came again.
    pub packets_replayed: AtomicU64,
    /// Authentic packets whose time is not ours: clocks differ too much, or somebody plays old ones.
    pub packets_clock: AtomicU64,
    /// Authentic packets that make no sense, in whole or in part.
    pub malformed: AtomicU64,
    /// Packets of nodes for whom there is no room.
    pub members_refused: AtomicU64,
    /// How often this node objected to being suspected.
    pub refutations: AtomicU64,
    /// How often it made itself known anew after having been held for down.
    pub rejoins: AtomicU64,
    /// How often it ran so late that it gave everybody more time.
    pub late: AtomicU64,
    /// Exchanges begun, and those that failed.
    pub exchanges: AtomicU64,
    pub exchanges_failed: AtomicU64,
    /// Bytes of exchange messages, both ways, of exchanges that this node began.
    pub exchange_bytes: AtomicU64,
}

impl Counters {
    pub(super) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn rejected(&self, error: SealError) {
        let counter = match error {
            SealError::Replayed => &self.packets_replayed,
            SealError::Clock => &self.packets_clock,
            SealError::Full => &self.members_refused,
            // A seed list may name this node itself.
            SealError::Own => return,
            _ => &self.packets_foreign,
        };
        Self::add(counter, 1);
    }
}
