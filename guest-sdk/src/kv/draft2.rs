//! Storage over `wasi:keyvalue` 0.2.0-draft2, for the lean door.

use super::{Error, KeyPage};
use crate::bindings::wasi::keyvalue0_2_0_draft2::{atomics, batch, store};

pub(super) fn open(name: &str) -> Result<Bucket, Error> {
    Ok(Bucket(store::open(name)?))
}

pub(super) struct Bucket(store::Bucket);

impl Bucket {
    pub(super) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.0.get(key)?)
    }

    pub(super) fn set(&self, key: &str, value: &[u8]) -> Result<(), Error> {
        Ok(self.0.set(key, value)?)
    }

    pub(super) fn delete(&self, key: &str) -> Result<(), Error> {
        Ok(self.0.delete(key)?)
    }

    pub(super) fn exists(&self, key: &str) -> Result<bool, Error> {
        Ok(self.0.exists(key)?)
    }

    pub(super) fn list_keys(&self, cursor: Option<&str>) -> Result<KeyPage, Error> {
        let store::KeyResponse { keys, cursor } = self.0.list_keys(cursor)?;
        Ok(KeyPage { keys, cursor })
    }

    pub(super) fn increment(&self, key: &str, delta: i64) -> Result<i64, Error> {
        Ok(atomics::increment(&self.0, key, delta)?)
    }

    pub(super) fn get_many(&self, keys: &[String]) -> Result<Vec<(String, Vec<u8>)>, Error> {
        Ok(batch::get_many(&self.0, keys)?.into_iter().flatten().collect())
    }

    pub(super) fn set_many(&self, pairs: &[(String, Vec<u8>)]) -> Result<(), Error> {
        Ok(batch::set_many(&self.0, pairs)?)
    }

    pub(super) fn delete_many(&self, keys: &[String]) -> Result<(), Error> {
        Ok(batch::delete_many(&self.0, keys)?)
    }

    pub(super) fn cas(&self, key: &str) -> Result<Cas, Error> {
        Ok(Cas(atomics::Cas::new(&self.0, key)?))
    }
}

pub(super) struct Cas(atomics::Cas);

pub(super) enum CasError {
    Store(Error),
    Lost(Cas),
}

impl Cas {
    pub(super) fn current(&self) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.0.current()?)
    }

    pub(super) fn swap(self, value: &[u8]) -> Result<(), CasError> {
        atomics::swap(self.0, value).map_err(|error| match error {
            atomics::CasError::StoreError(error) => CasError::Store(error.into()),
            atomics::CasError::CasFailed(newer) => CasError::Lost(Self(newer)),
        })
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::NoSuchStore => Self::NoSuchStore,
            store::Error::AccessDenied => Self::AccessDenied,
            store::Error::Other(why) => Self::Other(why),
        }
    }
}
