//! The nouns of the store.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::{Error, NAMESPACE_BYTES_MAX, VALUE_BYTES_MAX};

/// One service's view of the store. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Namespace(Arc<str>);

impl Namespace {
    /// A namespace by name, which has 1 to [`NAMESPACE_BYTES_MAX`] bytes and no control characters.
    ///
    /// # Errors
    /// [`Error::NamespaceInvalid`] otherwise.
    pub fn new(name: &str) -> Result<Self, Error> {
        if name.is_empty() || name.len() > NAMESPACE_BYTES_MAX || name.chars().any(char::is_control) {
            return Err(Error::NamespaceInvalid);
        }
        Ok(Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which write made an entry. Grows over the whole store and is never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version(pub(super) u64);

impl Version {
    /// The position in the store's sequence of writes.
    pub fn get(self) -> u64 {
        self.0
    }
}

/// What a key holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub value: Bytes,
    pub version: Version,
}

/// What a batch takes a key to hold before it writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// No entry.
    Absent,
    /// The entry of this version, and so this value.
    Version(Version),
}

impl Expected {
    /// What was seen by a read of the key.
    pub fn observed(entry: Option<&Entry>) -> Self {
        entry.map_or(Self::Absent, |entry| Self::Version(entry.version))
    }
}

/// One operation on one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Op {
    pub bucket: Arc<str>,
    pub key: String,
    pub action: Action,
}

/// What an [`Op`] does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Stores a value.
    Set(Bytes),
    /// Removes the entry; none is no error.
    Delete,
    /// Adds to the number that the value is the decimal text of. No entry counts as 0.
    Increment(i64),
    /// Writes nothing, and fails the batch with [`Error::Conflict`] when the key is not as expected.
    Expect(Expected),
}

impl Op {
    /// Stores `value`.
    pub fn set(bucket: &Arc<str>, key: impl Into<String>, value: impl Into<Bytes>) -> Self {
        Self::new(bucket, key, Action::Set(value.into()))
    }

    /// Removes the entry.
    pub fn delete(bucket: &Arc<str>, key: impl Into<String>) -> Self {
        Self::new(bucket, key, Action::Delete)
    }

    /// Adds `delta`.
    pub fn increment(bucket: &Arc<str>, key: impl Into<String>, delta: i64) -> Self {
        Self::new(bucket, key, Action::Increment(delta))
    }

    /// Goes on only when the key is as `expected`.
    pub fn expect(bucket: &Arc<str>, key: impl Into<String>, expected: Expected) -> Self {
        Self::new(bucket, key, Action::Expect(expected))
    }

    fn new(bucket: &Arc<str>, key: impl Into<String>, action: Action) -> Self {
        Self { bucket: Arc::clone(bucket), key: key.into(), action }
    }
}

/// What a batch did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// One for each operation, in order.
    pub effects: Vec<Effect>,
}

/// What one operation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The value is stored under this version.
    Set(Version),
    /// The entry is gone; whether there was one.
    Deleted { existed: bool },
    /// The new number, stored under this version.
    Incremented { value: i64, version: Version },
    /// The key was as expected.
    AsExpected,
}

/// What a namespace may hold. Checked by the writer against what the batch would leave behind, so writers in parallel
/// cannot exceed it together. A namespace that is over it already, since the quota was lowered, may still shrink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Most keys. Default 1,000,000.
    pub keys_max: u64,
    /// Most bytes of keys and values. Default 1 GiB.
    pub bytes_max: u64,
    /// Largest value, in bytes, [`VALUE_BYTES_MAX`] at most. Default 1 MiB.
    pub value_bytes_max: usize,
}

impl Default for Quota {
    fn default() -> Self {
        Self { keys_max: 1_000_000, bytes_max: 1 << 30, value_bytes_max: 1 << 20 }
    }
}

impl Quota {
    /// No limits but those of the store: for the platform's own namespaces.
    pub const UNLIMITED: Self = Self { keys_max: u64::MAX, bytes_max: u64::MAX, value_bytes_max: VALUE_BYTES_MAX };
}

/// What a namespace holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    pub keys: u64,
    /// Bytes of keys and values; names of buckets and overhead are not counted.
    pub bytes: u64,
}

impl Usage {
    pub(super) fn plus(self, other: Self) -> Self {
        Self { keys: self.keys + other.keys, bytes: self.bytes + other.bytes }
    }
}

/// A part of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    pub keys: Vec<String>,
    /// Where the next page begins (its `after`); `None` when this is the last.
    pub next: Option<String>,
}

/// Whether the store is at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Open,
    /// The storage failed and is being opened again.
    Recovering,
    Closed,
}

/// The store at one moment, for the operator. Totals count since it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub state: State,
    /// Namespaces that hold anything.
    pub namespaces: u64,
    /// Of all namespaces; zero while the store is not open.
    pub usage: Usage,
    /// Size of the file; zero for a store without one.
    pub file_bytes: u64,
    /// Batches accepted and not yet acknowledged.
    pub queue_len: usize,
    pub queue_len_max: usize,
    /// Batches applied.
    pub applied_total: u64,
    /// Batches refused for a reason of their own: quota, conflict, not a number.
    pub refused_total: u64,
    /// Batches whose caller had gone before they were started.
    pub abandoned_total: u64,
    /// Batches that failed because the storage did.
    pub failed_total: u64,
    /// Commits, each of which made one group of batches durable.
    pub commits_total: u64,
    /// Time spent on commits, in microseconds: over `commits_total`, the mean.
    pub commit_us_total: u64,
    /// The longest commit, in microseconds.
    pub commit_us_max: u64,
    /// Times the storage was opened again after a failure.
    pub reopened_total: u64,
    /// Namespaces whose recorded usage was found wrong after an unclean end. Anything but zero is a fault.
    pub corrected_total: u64,
}
