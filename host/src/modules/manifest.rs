//! What a module says about itself: its name, its routes, what it may do and how much of it.
//!
//! A manifest is TOML, in `modules/orders.toml` beside `orders.wasm` or embedded in the component. Every key has
//! a default, so a module without any manifest works. What is not understood is an error that names file, line
//! and key: a limit with a typo in its name would otherwise be no limit at all. For the same reason only what the
//! host enforces is accepted.
//!
//! Reading takes two steps: `raw` is the shape of the text, `resolve` checks the values and turns them into
//! the types below, in which only valid values can be expressed.

mod grants;
mod limits;
mod place;
mod raw;
mod resolve;
mod route;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use toml::de::DeTable;

use crate::call::ServiceName;
use crate::config::toml_error;
use crate::policy::settings::Settings as Policy;
use crate::transcode::settings::{Compression, Settings as Json};
use place::{Invalid, Place};

pub use grants::{Allow, Callers, ConfigKey, Grants, Origin, Scheme};
pub use limits::{Instances, Limits};
pub(super) use raw::Route as RawRoute;
pub use route::{HostPattern, Methods, PathTemplate, Route, Segment};

/// The largest manifest that is read, in bytes.
pub const MANIFEST_BYTES_MAX: usize = 256 * 1024;

/// What a module says about itself, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// The service this module implements.
    pub name: ServiceName,
    /// Absent: the first 12 hex digits of the module's digest.
    pub version: Option<Version>,
    /// A path worth trying with a GET; the host shows it when it is up.
    pub example: Option<String>,
    /// Where calls come in from outside. Empty: the prefix `/NAME/`, stripped, and `Host: NAME.localhost`.
    pub routes: Vec<Route>,
    /// What the module may do.
    pub grants: Grants,
    /// Values the module finds in its configuration unless the operator overrides them.
    pub config: BTreeMap<ConfigKey, String>,
    pub limits: Limits,
    pub instances: Instances,
    /// How a new version proves that it works before it takes over. Absent: that it starts is enough.
    pub health: Option<Health>,
    /// What is done to calls on their way to the service, here and on other hosts.
    pub policy: Policy,
    pub grpc: Grpc,
    /// How its gRPC methods are spoken in JSON.
    pub json: Json,
}

/// What there is to say of its gRPC services.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grpc {
    /// Full names of those it serves. Absent: all that its descriptors describe.
    pub services: Option<BTreeSet<String>>,
    /// Who decompresses messages.
    pub compression: Compression,
}

impl Manifest {
    /// The manifest of a module that has none.
    #[must_use]
    pub fn new(name: ServiceName) -> Self {
        Self {
            name,
            version: None,
            example: None,
            routes: Vec::new(),
            grants: Grants::default(),
            config: BTreeMap::new(),
            limits: Limits::default(),
            instances: Instances::default(),
            health: None,
            policy: Policy::default(),
            grpc: Grpc::default(),
            json: Json::default(),
        }
    }

    /// Reads a manifest. `origin` says in errors where the text is from: `orders.toml`, or
    /// `manifest embedded in orders.wasm`. `default_name`, usually the file's stem, names the service when the
    /// manifest does not; it need not be valid when it is not needed. In it an underscore stands for a dash, since
    /// cargo calls the product of `my-shop` `my_shop.wasm`.
    ///
    /// # Errors
    /// For the first thing that is wrong: syntax, an unknown key, a value of the wrong type or out of range, no
    /// valid name.
    pub fn parse(text: &str, origin: &str, default_name: Option<&str>) -> Result<Self, Error> {
        if text.len() > MANIFEST_BYTES_MAX {
            return Err(Error::TooLarge { origin: origin.to_owned(), bytes: text.len() });
        }
        Self::read(text, origin, default_name).map_err(|refused| match refused {
            Refused::ByShape(error) => out_of_range(&error, text, origin, default_name)
                .unwrap_or_else(|| Error::Malformed { message: toml_error::render(&error, text, origin) }),
            Refused::For(error) => error,
        })
    }

    fn read(text: &str, origin: &str, default_name: Option<&str>) -> Result<Self, Refused> {
        // Twice: the first knows where things stand, the second what they mean.
        let table = DeTable::parse(text).map_err(Refused::ByShape)?;
        let raw: raw::Manifest = toml::from_str(text).map_err(Refused::ByShape)?;
        let invalid = |invalid: Invalid| {
            Refused::For(Error::Invalid {
                origin: origin.to_owned(),
                line: invalid.place.line(text, table.get_ref()),
                key: invalid.place.to_string(),
                reason: invalid.reason,
            })
        };
        let name = match (&raw.name, default_name) {
            (Some(name), _) => ServiceName::new(name)
                .map_err(|error| invalid(Place::top("name").invalid(format!("cannot be used: {error}"))))?,
            (None, default) => default
                .ok_or_else(|| "none is given".to_owned())
                .and_then(|name| {
                    let name = name.replace('_', "-");
                    ServiceName::new(&name).map_err(|error| error.to_string())
                })
                .map_err(|reason| Refused::For(Error::NoName { origin: origin.to_owned(), reason }))?,
        };
        resolve::manifest(raw, name).map_err(invalid)
    }
}

/// Why a text is no manifest: what the reader of TOML says, or what is said of a value.
enum Refused {
    ByShape(toml::de::Error),
    For(Error),
}

/// What is wrong with a number that its type cannot hold, with the range of its key: what would be wrong with one that the type
/// can hold, and is as far out.
fn out_of_range(error: &toml::de::Error, text: &str, origin: &str, default_name: Option<&str>) -> Option<Error> {
    let (span, found, other) = toml_error::beyond_type(error, text)?;
    let line = toml_error::line_at(text, span.start);
    let mut replaced = text.to_owned();
    replaced.replace_range(span, other);
    match Manifest::read(&replaced, origin, default_name) {
        Err(Refused::For(Error::Invalid { origin, line: Some(at), key, reason })) if at == line => {
            let range = reason.strip_suffix(&format!(", and is {other}"))?;
            Some(Error::Invalid { origin, line: Some(at), key, reason: format!("{range}, and is {found}") })
        }
        _ => None,
    }
}

/// Checks routes and policies that come from elsewhere than a manifest, as those of manifests are.
///
/// # Errors
/// The place of the first thing that is wrong, as in `route[0].path`, and the rest of the sentence.
pub(super) fn check(routes: Vec<RawRoute>, policy: Policy) -> Result<(Vec<Route>, Policy), (String, String)> {
    let checked = resolve::routes(&routes).and_then(|routes| Ok((routes, resolve::policy(policy)?)));
    checked.map_err(|Invalid { place, reason }| (place.to_string(), reason))
}

/// The version of a service: 1 to 64 characters of `A-Z a-z 0-9 . _ + -`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(String);

impl Version {
    /// # Errors
    /// A sentence that says what is wrong, when `text` is not of the form above.
    pub fn new(text: &str) -> Result<Self, String> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || ".+-_".contains(c);
        if text.is_empty() || text.len() > 64 || !text.chars().all(allowed) {
            return Err("must be 1 to 64 characters of A-Z, a-z, 0-9, `.`, `_`, `+` and `-`".into());
        }
        Ok(Self(text.to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The probe of a new version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Path and query of a GET that must answer with a status below 400.
    pub path: String,
}

/// Why a manifest cannot be used. Displays as one line, `orders.toml:12: what is wrong`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("{origin}: the manifest is too large: {bytes} bytes, at most {MANIFEST_BYTES_MAX} are read")]
    TooLarge { origin: String, bytes: usize },
    /// Not TOML, an unknown or missing key, or a value of the wrong type. The message names origin and line.
    #[error("{message}")]
    Malformed { message: String },
    /// A value that is out of range or not of the form its key asks for. Lines count from 1; keys are written as in
    /// `limits.cpu_ms` and `route[0].path`.
    #[error("{origin}{}: `{key}` {reason}", line.map(|line| format!(":{line}")).unwrap_or_default())]
    Invalid { origin: String, line: Option<usize>, key: String, reason: String },
    #[error("{origin}: no valid service name: {reason}; give one with `name = \"...\"`")]
    NoName { origin: String, reason: String },
}

#[cfg(test)]
mod tests;
