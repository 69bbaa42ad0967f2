//! Key-value storage: named buckets of keys and bytes, kept by the host, private to the service.
//!
//! ```no_run
//! use hostel_sdk::kv;
//!
//! fn take_one(product: &str) -> Result<u32, kv::Error> {
//!     let stock = kv::open("stock")?;
//!     let left = stock.update(product, |now| {
//!         let now: u32 = now.and_then(|bytes| String::from_utf8(bytes).ok()?.parse().ok()).unwrap_or(0);
//!         Ok::<_, kv::Error>(now.saturating_sub(1).to_string().into_bytes())
//!     })?;
//!     Ok(String::from_utf8_lossy(&left).parse().unwrap_or(0))
//! }
//! ```
//!
//! The calls are not `async`: the host answers each of them at once, from storage of its own.
//!
//! With the feature `portable` this is `wasi:keyvalue` 0.2.0-draft, which has no compare-and-swap and no negative
//! increments: those return [`Error::Unsupported`].

use std::fmt;

#[cfg(all(target_family = "wasm", feature = "portable"))]
#[path = "kv/draft.rs"]
mod imp;
#[cfg(all(target_family = "wasm", not(feature = "portable")))]
#[path = "kv/draft2.rs"]
mod imp;
#[cfg(not(target_family = "wasm"))]
#[path = "kv/native.rs"]
mod imp;

/// How often [`Bucket::update`] tries before it gives up.
const UPDATE_ATTEMPTS_MAX: u32 = 1000;

/// Opens the bucket `name`.
///
/// # Errors
/// [`Error::NoSuchStore`] or [`Error::AccessDenied`] when the host does not offer it to this service.
pub fn open(name: &str) -> Result<Bucket, Error> {
    imp::open(name).map(Bucket)
}

/// Why an operation on a bucket failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The host offers no bucket of this name.
    NoSuchStore,
    /// The service may not use this bucket.
    AccessDenied,
    /// Others kept changing the key while [`Bucket::update`] tried to.
    Contended,
    /// The host, or this build, does not offer the operation.
    Unsupported,
    /// Anything else (a limit, a broken disk); the text is for logs.
    Other(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchStore => f.write_str("no such bucket"),
            Self::AccessDenied => f.write_str("access to the bucket is denied"),
            Self::Contended => f.write_str("the key changed at every attempt to update it"),
            Self::Unsupported => f.write_str("the key-value operation is not supported here"),
            Self::Other(why) => write!(f, "key-value storage failed: {why}"),
        }
    }
}

impl std::error::Error for Error {}

/// One page of keys.
#[derive(Clone, Debug, Default)]
pub struct KeyPage {
    /// The keys, in no particular order.
    pub keys: Vec<String>,
    /// Where the next page starts; `None` after the last.
    pub cursor: Option<String>,
}

/// A bucket, opened with [`open`]. Opening is cheap; there is no need to keep one.
///
/// Every method fails with [`Error::Other`] when the host's storage does, or a quota of the service is used up.
pub struct Bucket(imp::Bucket);

impl Bucket {
    /// The value of `key`, `None` when there is no such key.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.0.get(key)
    }

    /// Creates or overwrites `key`.
    pub fn set(&self, key: &str, value: impl AsRef<[u8]>) -> Result<(), Error> {
        self.0.set(key, value.as_ref())
    }

    /// Removes `key`. Nothing happens when it does not exist.
    pub fn delete(&self, key: &str) -> Result<(), Error> {
        self.0.delete(key)
    }

    /// Whether `key` exists.
    pub fn exists(&self, key: &str) -> Result<bool, Error> {
        self.0.exists(key)
    }

    /// Every key of the bucket, in no particular order. Meant for small buckets; see [`Bucket::list_keys_page`].
    pub fn list_keys(&self) -> Result<Vec<String>, Error> {
        let mut page = self.list_keys_page(None)?;
        let mut keys = page.keys;
        while let Some(cursor) = page.cursor {
            page = self.list_keys_page(Some(&cursor))?;
            keys.append(&mut page.keys);
        }
        Ok(keys)
    }

    /// A page of keys, starting where `cursor`, taken from the page before, says.
    pub fn list_keys_page(&self, cursor: Option<&str>) -> Result<KeyPage, Error> {
        self.0.list_keys(cursor)
    }

    /// Adds `delta` to the counter `key`, atomically, and returns its new value. A counter starts at 0.
    pub fn increment(&self, key: &str, delta: i64) -> Result<i64, Error> {
        self.0.increment(key, delta)
    }

    /// The pairs of those of `keys` that exist. One trip to the host.
    pub fn get_many<K: AsRef<str>>(&self, keys: impl IntoIterator<Item = K>) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let keys: Vec<String> = keys.into_iter().map(|key| key.as_ref().to_owned()).collect();
        self.0.get_many(&keys)
    }

    /// Creates or overwrites every key. One trip to the host; after an error some may be written and others not.
    pub fn set_many<K: Into<String>, V: Into<Vec<u8>>>(
        &self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<(), Error> {
        let pairs: Vec<_> = pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        self.0.set_many(&pairs)
    }

    /// Removes every key. One trip to the host; after an error some may be gone and others not.
    pub fn delete_many<K: AsRef<str>>(&self, keys: impl IntoIterator<Item = K>) -> Result<(), Error> {
        let keys: Vec<String> = keys.into_iter().map(|key| key.as_ref().to_owned()).collect();
        self.0.delete_many(&keys)
    }

    /// Notes the present state of `key`, to replace it with [`Cas::swap`] only if nobody else did meanwhile.
    ///
    /// # Errors
    /// [`Error::Unsupported`] with the feature `portable`.
    pub fn current(&self, key: &str) -> Result<Cas, Error> {
        Cas::new(self.0.cas(key)?)
    }

    /// Replaces `key` by what `change` makes of its value, atomically: when somebody else wrote meanwhile, `change` runs
    /// again on the newer value. Returns the value written. An error from `change` leaves the key alone.
    ///
    /// # Errors
    /// What `change` returned; [`Error::Contended`] when a thousand attempts in a row lost; [`Error::Unsupported`] with
    /// the feature `portable`.
    pub fn update<E: From<Error>>(
        &self,
        key: &str,
        mut change: impl FnMut(Option<Vec<u8>>) -> Result<Vec<u8>, E>,
    ) -> Result<Vec<u8>, E> {
        let mut cas = self.current(key)?;
        for _ in 0..UPDATE_ATTEMPTS_MAX {
            let value = change(cas.value.take())?;
            match cas.swap(&value) {
                Ok(()) => return Ok(value),
                Err(SwapError::Lost(newer)) => cas = newer,
                Err(SwapError::Store(error)) => return Err(error.into()),
            }
        }
        Err(Error::Contended.into())
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bucket")
    }
}

/// A key as it was at one moment. Comes from [`Bucket::current`].
pub struct Cas {
    handle: imp::Cas,
    value: Option<Vec<u8>>,
}

impl Cas {
    fn new(handle: imp::Cas) -> Result<Self, Error> {
        let value = handle.current()?;
        Ok(Self { handle, value })
    }

    /// The value noted, `None` when there was no such key.
    pub fn value(&self) -> Option<&[u8]> {
        self.value.as_deref()
    }

    /// Writes `value` if the key is still as noted.
    ///
    /// # Errors
    /// [`SwapError::Lost`] when it is not: nothing was written, and the error carries the newest state for another
    /// attempt.
    pub fn swap(self, value: impl AsRef<[u8]>) -> Result<(), SwapError> {
        match self.handle.swap(value.as_ref()) {
            Ok(()) => Ok(()),
            Err(imp::CasError::Store(error)) => Err(SwapError::Store(error)),
            Err(imp::CasError::Lost(newer)) => Err(match Self::new(newer) {
                Ok(cas) => SwapError::Lost(cas),
                Err(error) => SwapError::Store(error),
            }),
        }
    }
}

impl fmt::Debug for Cas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cas").field("value", &self.value).finish()
    }
}

/// Why [`Cas::swap`] did not write.
#[derive(Debug)]
pub enum SwapError {
    /// Somebody else changed the key first. Holds its newest state.
    Lost(Cas),
    /// The store failed.
    Store(Error),
}

impl fmt::Display for SwapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(_) => f.write_str("the key has changed meanwhile"),
            Self::Store(_) => f.write_str("the store failed"),
        }
    }
}

impl std::error::Error for SwapError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Lost(_) => None,
            Self::Store(error) => Some(error),
        }
    }
}
