//! What the store's handle and its writer share: the open database, and the counters.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use ::redb::Database;

use crate::store::{Cause, Error, State};

/// The database, or why there is none.
pub(super) enum Slot {
    Open(Database),
    /// Being opened again, for this reason.
    Recovering(Cause),
    Closed,
}

pub(super) struct Shared {
    pub(super) path: PathBuf,
    /// Held for reading by every read and through every commit, for writing only to put the database in and out: so
    /// nobody waits for a commit here, and when the database is taken out nobody is using it any more.
    slot: RwLock<Slot>,
    /// A reader has met a failure and told the writer.
    pub(super) alarmed: AtomicBool,
    pub(super) counters: Counters,
}

impl Shared {
    pub(super) fn new(path: PathBuf, db: Database) -> Self {
        Self { path, slot: RwLock::new(Slot::Open(db)), alarmed: AtomicBool::new(false), counters: Counters::default() }
    }

    pub(super) fn slot(&self) -> RwLockReadGuard<'_, Slot> {
        // Nothing panics while it holds the lock for writing.
        self.slot.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts `slot` in and returns what was there, for the caller to drop without the lock.
    pub(super) fn replace(&self, slot: Slot) -> Slot {
        let mut place = self.slot.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *place, slot)
    }

    /// The database in `slot`, which is this one's.
    pub(super) fn database<'a>(&self, slot: &'a Slot) -> Result<&'a Database, Error> {
        match slot {
            Slot::Open(db) => Ok(db),
            Slot::Recovering(source) => Err(Error::Unavailable { path: self.path.clone(), source: source.clone() }),
            Slot::Closed => Err(Error::Closed),
        }
    }
}

impl Slot {
    pub(super) fn state(&self) -> State {
        match self {
            Self::Open(_) => State::Open,
            Self::Recovering(_) => State::Recovering,
            Self::Closed => State::Closed,
        }
    }
}

/// See [`crate::store::Snapshot`].
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) applied: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) abandoned: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) commits: AtomicU64,
    pub(super) commit_us: AtomicU64,
    pub(super) commit_us_max: AtomicU64,
    pub(super) reopened: AtomicU64,
    pub(super) corrected: AtomicU64,
}

impl Counters {
    pub(super) fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Ordering::Relaxed);
    }

    pub(super) fn committed(&self, took: Duration) {
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.commit_us.fetch_add(took_us, Ordering::Relaxed);
        self.commit_us_max.fetch_max(took_us, Ordering::Relaxed);
    }
}
