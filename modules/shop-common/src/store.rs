//! Records under keys, changed by compare-and-swap.
//!
//! Every rule of the shop that must hold under concurrency is a rule about one record, because one key is what the
//! store can change atomically: an e-mail address belongs to whoever created its record, stock is taken by the change
//! that also notes who took it. What spans several records is made of steps that can be repeated.
//!
//! Records are kept as JSON, which survives added fields and can be read by an operator.

mod kv;
#[cfg(any(test, feature = "testing"))]
pub mod memory;

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use kv::Kv;

/// Why the store could not be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The host refused or failed.
    #[error("the store failed: {0}")]
    Failed(String),
    /// So many others changed the key that no attempt went through.
    #[error("too many changes of `{0}` at once")]
    Contended(String),
    /// What is stored is not what this version understands.
    #[error("the record `{key}` cannot be read: {cause}")]
    Unreadable {
        /// Its key.
        key: String,
        /// What the parser says.
        cause: String,
    },
}

impl From<StoreError> for tonic::Status {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "storage failed");
        Self::unavailable("the storage does not answer")
    }
}

/// What a change wants done to a key, given its present value.
#[derive(Debug)]
pub enum Step {
    /// Store this value, if the present one still is the one the change saw; else ask the change again.
    Put(Vec<u8>),
    /// Leave the key alone.
    Keep,
}

/// A bucket of keys. Calls return at once: the host answers them without suspending the guest.
pub trait Store: Send + Sync {
    /// The value of `key`.
    ///
    /// # Errors
    /// See [`StoreError`]; so for all of them.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Those of `keys` that exist, with their values, in no particular order.
    ///
    /// # Errors
    /// When any of them cannot be read.
    fn get_many(&self, keys: &[String]) -> Result<Vec<(String, Vec<u8>)>, StoreError>;

    /// All keys, in no particular order.
    ///
    /// # Errors
    /// When the store fails.
    fn keys(&self) -> Result<Vec<String>, StoreError>;

    /// Changes `key` by compare-and-swap. `change` may be called more than once; its last answer is what happened.
    ///
    /// # Errors
    /// [`StoreError::Contended`] when the key changed under every attempt.
    fn update(&self, key: &str, change: &mut dyn FnMut(Option<Vec<u8>>) -> Step) -> Result<(), StoreError>;

    /// Removes `key`, if it exists.
    ///
    /// # Errors
    /// When the store fails.
    fn delete(&self, key: &str) -> Result<(), StoreError>;
}

/// A bucket whose values are records of one type.
pub struct Table<T> {
    store: Arc<dyn Store>,
    record: PhantomData<fn() -> T>,
}

impl<T> Clone for Table<T> {
    fn clone(&self) -> Self {
        Self::new(self.store.clone())
    }
}

impl<T> Table<T> {
    /// The records of `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, record: PhantomData }
    }
}

impl<T: Serialize + DeserializeOwned> Table<T> {
    /// The record of `key`.
    ///
    /// # Errors
    /// When the store fails or the record cannot be read.
    pub fn get(&self, key: &str) -> Result<Option<T>, StoreError> {
        let value = self.store.get(key)?;
        value.map(|value| decode(key, &value)).transpose()
    }

    /// The records of those of `keys` that exist, by key.
    ///
    /// # Errors
    /// When the store fails or a record cannot be read.
    pub fn get_many(&self, keys: &[String]) -> Result<BTreeMap<String, T>, StoreError> {
        let pairs = self.store.get_many(keys)?.into_iter();
        pairs
            .map(|(key, value)| {
                let record = decode(&key, &value)?;
                Ok((key, record))
            })
            .collect()
    }

    /// All keys, sorted.
    ///
    /// # Errors
    /// When the store fails.
    pub fn keys(&self) -> Result<Vec<String>, StoreError> {
        let mut keys = self.store.keys()?;
        keys.sort_unstable();
        Ok(keys)
    }

    /// Stores `record` unless `key` exists. Of several at once, one gets `true`.
    ///
    /// # Errors
    /// When the store fails.
    pub fn create(&self, key: &str, record: &T) -> Result<bool, StoreError> {
        let value = encode(key, record)?;
        let mut created = false;
        self.store.update(key, &mut |present| {
            created = present.is_none();
            if created { Step::Put(value.clone()) } else { Step::Keep }
        })?;
        Ok(created)
    }

    /// Changes the record of `key`. `change` sees the present record and answers the new one, or none to leave it, and
    /// a result for the caller; it may be called several times, and only its last answer counts.
    ///
    /// # Errors
    /// What `change` refuses with, and what the store fails with.
    pub fn update<R, E: From<StoreError>>(
        &self,
        key: &str,
        mut change: impl FnMut(Option<T>) -> Result<(Option<T>, R), E>,
    ) -> Result<R, E> {
        let mut outcome = None;
        let stored = self.store.update(key, &mut |present| {
            let mut attempt = || {
                let record = present.as_deref().map(|value| decode(key, value));
                let (record, result) = change(record.transpose()?)?;
                let value = record.map(|record| encode(key, &record)).transpose()?;
                Ok((value, result))
            };
            match attempt() {
                Ok((value, result)) => {
                    outcome = Some(Ok(result));
                    value.map_or(Step::Keep, Step::Put)
                }
                Err(error) => {
                    outcome = Some(Err(error));
                    Step::Keep
                }
            }
        });
        stored?;
        outcome.unwrap_or_else(|| Err(StoreError::Contended(key.to_owned()).into()))
    }

    /// Removes the record of `key`, if there is one.
    ///
    /// # Errors
    /// When the store fails.
    pub fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.store.delete(key)
    }
}

fn decode<T: DeserializeOwned>(key: &str, value: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(value).map_err(|cause| unreadable(key, &cause))
}

fn encode<T: Serialize>(key: &str, record: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(record).map_err(|cause| unreadable(key, &cause))
}

fn unreadable(key: &str, cause: &serde_json::Error) -> StoreError {
    StoreError::Unreadable { key: key.to_owned(), cause: cause.to_string() }
}
