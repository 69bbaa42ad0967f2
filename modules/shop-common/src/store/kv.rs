//! The store of the host: one bucket of `wasi:keyvalue`, private to the service.

use hostel_sdk::kv::{self, Bucket, Error};

use super::{Step, Store, StoreError};

/// A bucket by its name. Opening is cheap, so it happens at every use and a router can be built without a store.
#[derive(Clone, Copy, Debug)]
pub struct Kv {
    bucket: &'static str,
}

impl Kv {
    /// The bucket called `bucket`.
    pub fn new(bucket: &'static str) -> Self {
        Self { bucket }
    }

    fn open(&self) -> Result<Bucket, StoreError> {
        kv::open(self.bucket).map_err(|error| failed(&error))
    }
}

/// How a change ends without a value to write.
enum End {
    Kept,
    Failed(Error),
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Store for Kv {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.open()?.get(key).map_err(|error| failed(&error))
    }

    fn get_many(&self, keys: &[String]) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.open()?.get_many(keys).map_err(|error| failed(&error))
    }

    fn keys(&self) -> Result<Vec<String>, StoreError> {
        self.open()?.list_keys().map_err(|error| failed(&error))
    }

    fn update(&self, key: &str, change: &mut dyn FnMut(Option<Vec<u8>>) -> Step) -> Result<(), StoreError> {
        let updated = self.open()?.update(key, |present| match change(present) {
            Step::Put(value) => Ok(value),
            Step::Keep => Err(End::Kept),
        });
        match updated {
            Ok(_) | Err(End::Kept) => Ok(()),
            Err(End::Failed(Error::Contended)) => Err(StoreError::Contended(key.to_owned())),
            Err(End::Failed(error)) => Err(failed(&error)),
        }
    }

    fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.open()?.delete(key).map_err(|error| failed(&error))
    }
}

fn failed(error: &Error) -> StoreError {
    StoreError::Failed(error.to_string())
}
