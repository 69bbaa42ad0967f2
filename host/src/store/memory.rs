//! The store in memory: the fake for tests of whatever sits above. It keeps nothing, acknowledges at once, and can be
//! told to fail.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::limits::{PageBuilder, ReadSum, check_batch, check_names, check_read};
use super::plan::{Plan, Stored, View, plan};
use super::{BoxFuture, Entry, Error, Namespace, Op, Outcome, Page, Quota, Snapshot, State, Store, Usage};

/// A [`Store`] that is gone with the process.
#[derive(Debug, Default)]
pub struct MemoryStore {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    spaces: BTreeMap<Namespace, Space>,
    sequence: u64,
    closed: bool,
    fault: Option<Error>,
    applied_total: u64,
    refused_total: u64,
    failed_total: u64,
}

#[derive(Debug, Default)]
struct Space {
    buckets: BTreeMap<String, BTreeMap<String, Entry>>,
    usage: Usage,
}

impl Space {
    fn entry(&self, bucket: &str, key: &str) -> Option<&Entry> {
        self.buckets.get(bucket)?.get(key)
    }

    fn apply(&mut self, plan: Plan<'_>) {
        for change in plan.changes {
            match change.after {
                Some(entry) => {
                    self.buckets.entry(change.bucket.to_owned()).or_default().insert(change.key.to_owned(), entry);
                }
                None => {
                    if let Some(bucket) = self.buckets.get_mut(change.bucket) {
                        bucket.remove(change.key);
                    }
                }
            }
        }
        self.usage = plan.usage;
    }
}

impl View for Space {
    type Fault = Error;

    fn find(&self, bucket: &str, key: &str) -> Result<Option<Stored>, Error> {
        Ok(self.entry(bucket, key).map(|entry| Stored {
            version: entry.version.get(),
            len_bytes: entry.value.len() as u64,
            inline: Some(entry.value.clone()),
        }))
    }

    fn value(&self, stored: &Stored) -> Result<Bytes, Error> {
        Ok(stored.inline.clone().unwrap_or_default())
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on every read and write fails with `fault`; `None` ends that. What was stored stays.
    pub fn set_fault(&self, fault: Option<Error>) {
        self.lock().fault = fault;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere cannot leave a plan half applied in a way that matters to a fake.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets `read` look at a namespace, if the store works and the namespace was ever written to.
    fn read<T: Default>(&self, namespace: &Namespace, read: impl FnOnce(&Space) -> T) -> Result<T, Error> {
        let inner = self.lock();
        inner.check()?;
        Ok(inner.spaces.get(namespace).map(read).unwrap_or_default())
    }

    fn write(&self, namespace: &Namespace, batch: &[Op], quota: &Quota) -> Result<Outcome, Error> {
        check_batch(batch, quota)?;
        let inner = &mut *self.lock();
        if let Err(error) = inner.check() {
            inner.failed_total += 1;
            return Err(error);
        }
        let space = inner.spaces.entry(namespace.clone()).or_default();
        match plan(&*space, batch, space.usage, quota, inner.sequence) {
            Ok(plan) => {
                let outcome = plan.outcome.clone();
                inner.sequence = plan.sequence;
                space.apply(plan);
                inner.applied_total += 1;
                Ok(outcome)
            }
            Err(error) => {
                inner.refused_total += 1;
                Err(error)
            }
        }
    }
}

impl Inner {
    fn check(&self) -> Result<(), Error> {
        if self.closed {
            return Err(Error::Closed);
        }
        self.fault.clone().map_or(Ok(()), Err)
    }
}

impl Store for MemoryStore {
    fn get(&self, namespace: &Namespace, bucket: &str, key: &str) -> Result<Option<Entry>, Error> {
        check_names(bucket, key)?;
        self.read(namespace, |space| space.entry(bucket, key).cloned())
    }

    fn get_many(&self, namespace: &Namespace, bucket: &str, keys: &[String]) -> Result<Vec<Option<Entry>>, Error> {
        check_read(bucket, keys)?;
        let inner = self.lock();
        inner.check()?;
        let space = inner.spaces.get(namespace);
        let mut sum = ReadSum::default();
        keys.iter()
            .map(|key| {
                let entry = space.and_then(|space| space.entry(bucket, key));
                sum.add(entry.map_or(0, |entry| entry.value.len()))?;
                Ok(entry.cloned())
            })
            .collect()
    }

    fn exists(&self, namespace: &Namespace, bucket: &str, key: &str) -> Result<bool, Error> {
        check_names(bucket, key)?;
        self.read(namespace, |space| space.entry(bucket, key).is_some())
    }

    fn list_keys(&self, namespace: &Namespace, bucket: &str, after: Option<&str>, limit: usize) -> Result<Page, Error> {
        check_names(bucket, after.unwrap_or_default())?;
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.read(namespace, |space| {
            let mut page = PageBuilder::new(limit);
            let keys = space.buckets.get(bucket).into_iter();
            for (key, _) in keys.flat_map(|keys| keys.range::<str, _>((from, Bound::Unbounded))) {
                if !page.push(key) {
                    break;
                }
            }
            page.finish()
        })
    }

    fn apply(&self, namespace: &Namespace, batch: Vec<Op>, quota: Quota) -> BoxFuture<'_, Result<Outcome, Error>> {
        let namespace = namespace.clone();
        Box::pin(async move { self.write(&namespace, &batch, &quota) })
    }

    fn usage(&self, namespace: &Namespace) -> Result<Usage, Error> {
        self.read(namespace, |space| space.usage)
    }

    fn snapshot(&self) -> Snapshot {
        let inner = self.lock();
        let held = || inner.spaces.values().filter(|space| space.usage.keys > 0);
        Snapshot {
            state: match (inner.closed, &inner.fault) {
                (true, _) => State::Closed,
                (false, Some(_)) => State::Recovering,
                (false, None) => State::Open,
            },
            namespaces: held().count() as u64,
            usage: held().fold(Usage::default(), |sum, space| sum.plus(space.usage)),
            file_bytes: 0,
            queue_len: 0,
            queue_len_max: 0,
            applied_total: inner.applied_total,
            refused_total: inner.refused_total,
            abandoned_total: 0,
            failed_total: inner.failed_total,
            commits_total: inner.applied_total,
            commit_us_total: 0,
            commit_us_max: 0,
            reopened_total: 0,
            corrected_total: 0,
        }
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.lock().closed = true;
        Box::pin(std::future::ready(()))
    }
}
