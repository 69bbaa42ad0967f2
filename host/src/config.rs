//! Configuration: what the host was told, by whom, and what is wrong with it.
//!
//! A value comes from the first of these that sets it: a command line flag, an environment variable, the
//! configuration file, the default. [`Layers`] puts them together afresh each time, so that a value taken out of the
//! file falls back to its default, and [`Loaded`] remembers for each key which one it was.
//!
//! Each module owns its section: a plain struct with serde's `Deserialize` and `Serialize`, `deny_unknown_fields`,
//! stated defaults, units in the names of its keys, and a `validate()` that returns [`Invalid`]. Only `app` knows the
//! struct that sums them up. Here is the machinery, generic over that struct.

pub mod address;
mod layers;
mod secret;
pub(crate) mod toml_error;

use std::fmt;
use std::io::Read;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use layers::{Entry, Layers, Loaded};
pub use secret::Secret;

/// Bytes that a configuration file may have.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What is wrong with the configuration: one line for people, which begins with the place.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A value or key is wrong; the text says where and why.
    #[error("{0}")]
    Invalid(String),
    /// The file cannot be read.
    #[error("{path}: cannot be read")]
    Read {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Who set a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody: it is the default.
    Default,
    /// The file, on a line counted from 1; 0 when the line is not known.
    File {
        /// The file's path as it was given.
        path: String,
        /// The line.
        line: usize,
    },
    /// The environment variable of this name.
    Env(String),
    /// The command line flag of this name, dashes included.
    Flag(String),
}

impl Origin {
    /// `default`, `file`, `env` or `flag`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File { .. } => "file",
            Self::Env(_) => "env",
            Self::Flag(_) => "flag",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line: 0 } => f.write_str(path),
            Self::File { path, line } => write!(f, "{path}:{line}"),
            Self::Env(name) | Self::Flag(name) => f.write_str(name),
        }
    }
}

/// A value that has the right type but does not make sense. `key` is relative to the section it was found in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}`: {reason}")]
pub struct Invalid {
    /// The key, without its section.
    pub key: &'static str,
    /// What is wrong, without the value if that may be secret: `must be from 1 to 100`.
    pub reason: String,
}

impl Invalid {
    /// An error about `key`.
    pub fn new(key: &'static str, reason: impl Into<String>) -> Self {
        Self { key, reason: reason.into() }
    }
}

/// Fails unless `value` is in `range`.
///
/// # Errors
///
/// [`Invalid`] names the key, the range and the value.
pub fn in_range(key: &'static str, value: u64, range: RangeInclusive<u64>) -> Result<(), Invalid> {
    if range.contains(&value) {
        return Ok(());
    }
    let (least, most) = range.into_inner();
    Err(Invalid::new(key, format!("must be from {least} to {most}, and is {value}")))
}

/// Reads a whole TOML text into `T`.
///
/// # Errors
///
/// [`Error::Invalid`] with the line, the key, its section and what was probably meant. `origin` names the text.
pub fn load<T: DeserializeOwned>(text: &str, origin: &str) -> Result<T, Error> {
    toml::from_str(text).map_err(|error| Error::Invalid(toml_error::render(&error, text, origin)))
}

/// The text of a configuration file; `None` when there is no such file.
///
/// # Errors
///
/// When it cannot be read, is no UTF-8, or has more than 1 MiB.
pub fn read(path: &Path) -> Result<Option<String>, Error> {
    let failed = |source| Error::Read { path: path.display().to_string(), source };
    let file = match std::fs::File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(failed)?,
    };
    let mut text = String::new();
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(failed(std::io::Error::other("it has more than 1 MiB")));
    }
    Ok(Some(text))
}

/// The section `[data]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataSettings {
    /// The folder for everything the host keeps, relative to the working directory; created when it is missing.
    pub dir: PathBuf,
}

impl Default for DataSettings {
    fn default() -> Self {
        Self { dir: PathBuf::from("data") }
    }
}

impl DataSettings {
    /// # Errors
    ///
    /// When the folder has no name.
    pub fn validate(&self) -> Result<(), Invalid> {
        if self.dir.as_os_str().is_empty() {
            return Err(Invalid::new("dir", "must name a folder"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
