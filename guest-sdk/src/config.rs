//! Configuration: the values `[config]` in the manifest and `hostel.toml` give this service.
//!
//! ```no_run
//! # fn example() -> Result<(), hostel_sdk::config::Error> {
//! let currency = hostel_sdk::config::get("currency")?.unwrap_or_else(|| "EUR".into());
//! # Ok(()) }
//! ```

use std::fmt;

/// The value of `key`, `None` when it is not set or not granted. Values are fixed when a version is
/// deployed.
///
/// # Errors
/// When the host cannot read its configuration.
pub fn get(key: &str) -> Result<Option<String>, Error> {
    imp::get(key)
}

/// Every key and value this service may see.
///
/// # Errors
/// When the host cannot read its configuration.
pub fn all() -> Result<Vec<(String, String)>, Error> {
    imp::all()
}

/// Configuration could not be read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The host failed to read it; the text is for logs.
    Host(String),
    /// This build runs outside WebAssembly, where there is no host.
    Unsupported,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(why) => write!(f, "configuration cannot be read: {why}"),
            Self::Unsupported => f.write_str("configuration is not available outside a host"),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(target_family = "wasm")]
mod imp {
    use super::Error;
    use crate::bindings::wasi::config::store;

    pub(super) fn get(key: &str) -> Result<Option<String>, Error> {
        store::get(key).map_err(error)
    }

    pub(super) fn all() -> Result<Vec<(String, String)>, Error> {
        store::get_all().map_err(error)
    }

    fn error(error: store::Error) -> Error {
        match error {
            store::Error::Upstream(why) | store::Error::Io(why) => Error::Host(why),
        }
    }
}

#[cfg(not(target_family = "wasm"))]
mod imp {
    use super::Error;

    pub(super) fn get(_: &str) -> Result<Option<String>, Error> {
        Err(Error::Unsupported)
    }

    pub(super) fn all() -> Result<Vec<(String, String)>, Error> {
        Err(Error::Unsupported)
    }
}
