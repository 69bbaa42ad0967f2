//! What a service can do with its namespace, whatever draft it speaks.

use std::sync::Arc;

use bytes::Bytes;

use crate::store::{Effect, Entry, Error, Expected, Namespace, Op, Page, Quota, READ_LEN_MAX, Store};

/// A key and its value, as the bindings have them.
pub(super) type Pair = (String, Vec<u8>);

/// The namespace of one service, and how much of it there may be.
pub(super) struct Space {
    store: Arc<dyn Store>,
    namespace: Namespace,
    quota: Quota,
}

/// An open bucket, as guests have handles to it.
#[allow(unreachable_pub, reason = "the bindings name it in a `pub use`")]
pub struct Bucket {
    pub(super) name: Arc<str>,
}

/// A key as it was at one moment.
#[allow(unreachable_pub, reason = "the bindings name it in a `pub use`")]
#[derive(Debug)]
pub struct Cas {
    bucket: Arc<str>,
    key: String,
    observed: Option<Entry>,
}

impl Cas {
    /// The value observed.
    pub(super) fn value(&self) -> Option<&Bytes> {
        self.observed.as_ref().map(|entry| &entry.value)
    }

    /// What it keeps in memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.key.len() + self.value().map_or(0, Bytes::len)
    }
}

/// What became of an attempt to swap.
#[derive(Debug)]
pub(super) enum Swap {
    Done,
    /// Somebody else was first; the key as it is now.
    Lost(Cas),
}

impl Space {
    pub(super) fn new(store: Arc<dyn Store>, namespace: Namespace, quota: Quota) -> Self {
        Self { store, namespace, quota }
    }

    pub(super) fn get(&self, bucket: &str, key: &str) -> Result<Option<Bytes>, Error> {
        Ok(self.store.get(&self.namespace, bucket, key)?.map(|entry| entry.value))
    }

    pub(super) fn exists(&self, bucket: &str, key: &str) -> Result<bool, Error> {
        self.store.exists(&self.namespace, bucket, key)
    }

    /// The largest page of keys there is, behind `after`.
    pub(super) fn list_keys(&self, bucket: &str, after: Option<&str>) -> Result<Page, Error> {
        self.store.list_keys(&self.namespace, bucket, after, READ_LEN_MAX)
    }

    /// The keys that exist with their values, in the order asked, `None` for each other.
    pub(super) fn get_many(&self, bucket: &str, keys: Vec<String>) -> Result<Vec<Option<Pair>>, Error> {
        let entries = self.store.get_many(&self.namespace, bucket, &keys)?;
        Ok(keys.into_iter().zip(entries).map(|(key, entry)| Some((key, entry?.value.into()))).collect())
    }

    pub(super) async fn set(&self, bucket: &Arc<str>, key: String, value: Vec<u8>) -> Result<(), Error> {
        self.apply(vec![Op::set(bucket, key, value)]).await.map(drop)
    }

    pub(super) async fn delete(&self, bucket: &Arc<str>, key: String) -> Result<(), Error> {
        self.apply(vec![Op::delete(bucket, key)]).await.map(drop)
    }

    /// Sets all pairs or none, which is more than guests are promised.
    pub(super) async fn set_many(&self, bucket: &Arc<str>, pairs: Vec<Pair>) -> Result<(), Error> {
        if pairs.is_empty() {
            return Ok(());
        }
        self.apply(pairs.into_iter().map(|(key, value)| Op::set(bucket, key, value)).collect()).await.map(drop)
    }

    /// Deletes all keys or none.
    pub(super) async fn delete_many(&self, bucket: &Arc<str>, keys: Vec<String>) -> Result<(), Error> {
        if keys.is_empty() {
            return Ok(());
        }
        self.apply(keys.into_iter().map(|key| Op::delete(bucket, key)).collect()).await.map(drop)
    }

    /// Adds to a number and returns the sum.
    pub(super) async fn increment(&self, bucket: &Arc<str>, key: String, delta: i64) -> Result<Option<i64>, Error> {
        let effects = self.apply(vec![Op::increment(bucket, key, delta)]).await?;
        Ok(effects.into_iter().find_map(|effect| match effect {
            Effect::Incremented { value, .. } => Some(value),
            _ => None,
        }))
    }

    /// Notes the present state of a key.
    pub(super) fn observe(&self, bucket: &Arc<str>, key: String) -> Result<Cas, Error> {
        let observed = self.store.get(&self.namespace, bucket, &key)?;
        Ok(Cas { bucket: bucket.clone(), key, observed })
    }

    /// Sets a key if it has not been written since it was observed.
    pub(super) async fn swap(&self, cas: Cas, value: Vec<u8>) -> Result<Swap, Error> {
        let Cas { bucket, key, observed } = cas;
        let expected = Expected::observed(observed.as_ref());
        // The old value is not needed any more, and the wait may be long.
        drop(observed);
        let batch = vec![Op::expect(&bucket, key.clone(), expected), Op::set(&bucket, key.clone(), value)];
        match self.apply(batch).await {
            Ok(_) => Ok(Swap::Done),
            Err(Error::Conflict { current, .. }) => Ok(Swap::Lost(Cas { bucket, key, observed: current })),
            Err(error) => Err(error),
        }
    }

    async fn apply(&self, batch: Vec<Op>) -> Result<Vec<Effect>, Error> {
        Ok(self.store.apply(&self.namespace, batch, self.quota).await?.effects)
    }
}
