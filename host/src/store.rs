//! Durable key-value storage behind one trait.
//!
//! A *namespace* is one service's view of the store; a *bucket* is a named set of keys within it. A key holds an
//! [`Entry`]: a value and the [`Version`] that wrote it. Versions come from one sequence for the whole store that only
//! ever grows, so a key that is deleted and made again never shows a version it had before, and comparing versions is
//! proof against the ABA problem where comparing values is not.
//!
//! Writes come as batches of [`Op`]s on one namespace. A batch is applied as a whole or not at all, and is on disk when
//! it is acknowledged. Compare-and-swap is [`Op::expect`] followed by [`Op::set`] in one batch.
//!
//! Two implementations pass one conformance suite: [`RedbStore`] keeps everything in `DIR/kv.redb`, [`MemoryStore`] is
//! the fake for tests. Both leave what a batch means to the same pure function (`plan`); they differ in where the
//! entries live and how they become durable.

use std::pin::Pin;

mod config;
#[cfg(test)]
mod conformance;
mod error;
mod limits;
mod memory;
mod model;
mod plan;
mod redb;
#[cfg(test)]
mod tests;

pub use self::config::Config;
pub use self::error::{Cause, Error};
pub use self::memory::MemoryStore;
pub use self::model::{
    Action, Effect, Entry, Expected, Namespace, Op, Outcome, Page, Quota, Snapshot, State, Usage, Version,
};
pub use self::redb::RedbStore;

/// Longest namespace, in bytes.
pub const NAMESPACE_BYTES_MAX: usize = 128;
/// Longest bucket name, in bytes. The empty name is a name.
pub const BUCKET_BYTES_MAX: usize = 256;
/// Longest key, in bytes. The empty key is a key.
pub const KEY_BYTES_MAX: usize = 1024;
/// Largest value whatever the quota says, in bytes: 16 MiB.
pub const VALUE_BYTES_MAX: usize = 16 << 20;
/// Most operations in one batch.
pub const BATCH_LEN_MAX: usize = 1000;
/// Largest batch, keys and values together, in bytes: 32 MiB.
pub const BATCH_BYTES_MAX: usize = 32 << 20;
/// Most keys that one [`Store::get_many`] reads or one page of [`Store::list_keys`] holds.
pub const READ_LEN_MAX: usize = 1000;
/// Most bytes of values that one [`Store::get_many`] returns: 64 MiB.
pub const READ_BYTES_MAX: usize = 64 << 20;

/// What [`Store`] returns where it waits; written out so that the trait is object-safe.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Durable key-value storage.
///
/// Reads are synchronous on purpose. They see the last acknowledged state without waiting for a writer, and what they
/// cost is a walk of a B-tree whose pages are in the store's cache or the system's: microseconds, less than the hop to
/// a blocking thread and back would add to every one of them. Their work is bounded by [`READ_LEN_MAX`] and
/// [`READ_BYTES_MAX`]. A caller that must not be held up by a cold disk wraps a large read in `spawn_blocking`.
///
/// Every method returns [`Error::KeyTooLong`] or [`Error::BucketTooLong`] for names above the limits,
/// [`Error::Closed`] after [`Store::close`], and [`Error::Unavailable`], [`Error::Io`] or [`Error::Corrupt`] when the
/// storage below fails.
pub trait Store: Send + Sync + 'static {
    /// The entry of a key, or `None` when there is none.
    fn get(&self, namespace: &Namespace, bucket: &str, key: &str) -> Result<Option<Entry>, Error>;

    /// The entries of several keys as of one moment, in the order asked, `None` for each that is absent.
    ///
    /// # Errors
    /// [`Error::ReadTooLong`] above [`READ_LEN_MAX`] keys, [`Error::ReadTooLarge`] when the values together exceed
    /// [`READ_BYTES_MAX`].
    fn get_many(&self, namespace: &Namespace, bucket: &str, keys: &[String]) -> Result<Vec<Option<Entry>>, Error>;

    /// Whether a key has an entry. Never reads a large value.
    fn exists(&self, namespace: &Namespace, bucket: &str, key: &str) -> Result<bool, Error>;

    /// Keys of a bucket in byte order, beginning behind `after`, at most `limit` of them (which is brought into
    /// 1..=[`READ_LEN_MAX`]). [`Page::next`] is the `after` of the next page, `None` on the last.
    ///
    /// Paging holds no snapshot: keys that stay for the whole of a listing appear in it exactly once, keys that come
    /// or go meanwhile may or may not. `after` need not exist any more.
    fn list_keys(&self, namespace: &Namespace, bucket: &str, after: Option<&str>, limit: usize) -> Result<Page, Error>;

    /// Applies a batch in order, as a whole or not at all; `Ok` means that it is on disk.
    ///
    /// Waits while the queue is full. Dropping the future gives up waiting, and a batch that has not been started by
    /// then is not applied; one that has been started is, so after a drop the outcome is unknown.
    ///
    /// # Errors
    /// [`Error::Conflict`], [`Error::QuotaKeys`], [`Error::QuotaBytes`], [`Error::NotANumber`],
    /// [`Error::Overflow`], the limits on sizes, and [`Error::Full`]: in all these cases nothing was applied.
    /// Only after [`Error::Unsettled`] may the batch have been applied.
    fn apply(&self, namespace: &Namespace, batch: Vec<Op>, quota: Quota) -> BoxFuture<'_, Result<Outcome, Error>>;

    /// What a namespace holds. A namespace never written to holds nothing.
    fn usage(&self, namespace: &Namespace) -> Result<Usage, Error>;

    /// The store's state and counters, for the operator.
    fn snapshot(&self) -> Snapshot;

    /// Refuses new work, finishes what is queued, and gives the storage back. May be called again.
    fn close(&self) -> BoxFuture<'_, ()>;
}
