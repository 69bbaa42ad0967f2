//! The service catalogue: which node serves what.
//!
//! Each node owns a *record*: its entries, one per service and version, under its own [`NodeId`](super::NodeId). Every
//! change of the record gets the next number of the record's own sequence, so an entry says when it was changed last,
//! and "what has changed since 17" has an answer ([`delta::Delta`]). Changes spread by gossip in fragments that each
//! fit a packet; what gossip loses, pairwise exchange brings ([`exchange`](super::exchange)).
//!
//! The rules, each with a test:
//!
//! - Only the owner changes its record. Of two things said about an entry, the later number wins.
//! - Nothing is deleted by not being mentioned, except by a complete record, and an empty one must say that it means
//!   it. Publishing nothing is an error; withdrawing is a call of its own.
//! - What appears is applied before what disappears: additions get the lower numbers, and a removal is applied only
//!   when all that comes before it has been.
//! - Withdrawn entries are remembered (tombstones) until they expire. Whoever slept longer gets the complete record.
//! - Entries of a node show while the node is a member. A suspect still is one; a node that left or was declared down
//!   is not, and its entries go at once. They are kept aside for a while, in case it comes back under the same id
//!   after a partition. A restarted process has another id: its ghost's record goes when its address is taken over.
//! - A node's entries and bytes, and the entries of all, have limits. What exceeds them is refused and counted. Others
//!   hold up to twice as much of a node, because when it replaces everything the new comes before the old goes.
//! - Who has the key can make up things about a record. They end as soon as its owner hears of a number that it never
//!   gave: it then gives a higher one to all that it serves.
//!
//! Readers load one immutable [`Snapshot`] with one atomic load. It shares with its predecessor whatever did not
//! change.

pub mod delta;
mod record;
pub mod table;
#[cfg(test)]
mod tests;
mod view;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::{ArcSwap, Guard};

pub use self::table::{PublishError, Table};
pub use self::view::{Endpoints, Snapshot};
use super::node::Presence;
use crate::call::ServiceName;

/// Whether an entry takes new calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServiceState {
    /// It takes calls.
    Ready,
    /// It finishes what it has; new calls go elsewhere if there is an elsewhere.
    Draining,
}

/// What a node says about one version of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    pub service: ServiceName,
    /// The version's name: 1 to 64 printable ASCII characters, no space.
    pub version: Arc<str>,
    /// The first bytes of the module's digest.
    pub digest: [u8; 8],
    /// The version's share among the versions of the service, as its operator set it.
    pub weight: u16,
    pub state: ServiceState,
}

/// One version of one service on one other node.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub presence: Arc<Presence>,
    pub offer: Service,
}

/// Where readers get snapshots. A clone costs one reference count.
#[derive(Clone, Debug)]
pub struct Reader {
    published: Arc<ArcSwap<Snapshot>>,
    reachability: Arc<AtomicU64>,
}

impl Reader {
    /// The catalogue as it is now: one atomic load, no lock. Not to be held for long; see [`Reader::snapshot`].
    #[must_use]
    pub fn load(&self) -> Guard<Arc<Snapshot>> {
        self.published.load()
    }

    /// The same, to keep.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.published.load_full()
    }

    /// A number that grows whenever [`Presence::is_reachable`] of any node changes: what is derived from these flags
    /// has to be derived anew when it is another than it was *before* they were read.
    #[must_use]
    pub fn reachability(&self) -> u64 {
        self.reachability.load(Ordering::Acquire)
    }
}
