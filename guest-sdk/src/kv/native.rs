//! Storage in native builds: there is none, which every operation says.

use super::{Error, KeyPage};

pub(super) fn open(_: &str) -> Result<Bucket, Error> {
    Err(Error::Unsupported)
}

/// [`open`] never gives one out.
pub(super) enum Bucket {}

impl Bucket {
    pub(super) fn get(&self, _: &str) -> Result<Option<Vec<u8>>, Error> {
        match *self {}
    }

    pub(super) fn set(&self, _: &str, _: &[u8]) -> Result<(), Error> {
        match *self {}
    }

    pub(super) fn delete(&self, _: &str) -> Result<(), Error> {
        match *self {}
    }

    pub(super) fn exists(&self, _: &str) -> Result<bool, Error> {
        match *self {}
    }

    pub(super) fn list_keys(&self, _: Option<&str>) -> Result<KeyPage, Error> {
        match *self {}
    }

    pub(super) fn increment(&self, _: &str, _: i64) -> Result<i64, Error> {
        match *self {}
    }

    pub(super) fn get_many(&self, _: &[String]) -> Result<Vec<(String, Vec<u8>)>, Error> {
        match *self {}
    }

    pub(super) fn set_many(&self, _: &[(String, Vec<u8>)]) -> Result<(), Error> {
        match *self {}
    }

    pub(super) fn delete_many(&self, _: &[String]) -> Result<(), Error> {
        match *self {}
    }

    pub(super) fn cas(&self, _: &str) -> Result<Cas, Error> {
        match *self {}
    }
}

pub(super) enum Cas {}

#[allow(dead_code, reason = "the same shape as where storage exists")]
pub(super) enum CasError {
    Store(Error),
    Lost(Cas),
}

impl Cas {
    pub(super) fn current(&self) -> Result<Option<Vec<u8>>, Error> {
        match *self {}
    }

    pub(super) fn swap(self, _: &[u8]) -> Result<(), CasError> {
        match self {}
    }
}
