//! What a module may do. Services call each other freely unless told otherwise; the world outside is closed.

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::fmt;

use super::route::HostPattern;
use crate::call::{Caller, ServiceName};

/// Section `[grants]`. Each field names its default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grants {
    /// Services the module may call. Default: all.
    pub calls: Allow<ServiceName>,
    /// Who may call the service. Default: all.
    pub callers: Callers,
    /// Origins outside that the module may call. Default: none.
    pub egress: Vec<Origin>,
    /// Configuration keys the module may read. Default: all of its own.
    pub config: Allow<ConfigKey>,
    /// Whether the module may use its key-value store. Default: yes.
    pub kv: bool,
}

impl Default for Grants {
    fn default() -> Self {
        Self { calls: Allow::All, callers: Callers::All, egress: Vec::new(), config: Allow::All, kv: true }
    }
}

impl Grants {
    /// Whether calls of this caller are let in. The host's own, which are its probes, always are.
    #[must_use]
    pub fn admits(&self, caller: &Caller) -> bool {
        match (&self.callers, caller) {
            (Callers::All, _) | (_, Caller::Host) => true,
            (Callers::Only { edge, .. }, Caller::Edge) => *edge,
            (Callers::Only { services, .. }, Caller::Service(name)) => services.contains(name),
        }
    }
}

/// Who may call a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Callers {
    /// Everybody, written `["*"]`.
    All,
    /// What a list names; an empty list lets nobody in.
    Only {
        /// Whether calls from outside are let in: the word `edge`.
        edge: bool,
        /// The services whose calls are let in.
        services: BTreeSet<ServiceName>,
    },
}

/// Everything, written `["*"]`, or what a list names; an empty list allows nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allow<T> {
    All,
    Only(BTreeSet<T>),
}

impl<T: Ord> Allow<T> {
    #[must_use]
    pub fn allows<Q>(&self, item: &Q) -> bool
    where
        T: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        match self {
            Self::All => true,
            Self::Only(items) => items.contains(item),
        }
    }
}

/// The name of a configuration value: a letter, then up to 127 of `A-Z a-z 0-9 _ . -`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfigKey(String);

impl ConfigKey {
    /// # Errors
    /// A sentence that says what is wrong, when `text` is not of the form above.
    pub fn new(text: &str) -> Result<Self, String> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        let starts = text.starts_with(|c: char| c.is_ascii_alphabetic());
        if !starts || text.len() > 128 || !text.chars().all(allowed) {
            return Err(
                "must be a configuration key: a letter, then up to 127 of A-Z, a-z, 0-9, `_`, `.` and `-`".into()
            );
        }
        Ok(Self(text.to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for ConfigKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConfigKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port of an origin that names none.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// An origin outside, or all subdomains of a host: `https://api.example.com`, `http://*.example.com:8080`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub scheme: Scheme,
    pub host: HostPattern,
    /// The scheme's default when the text names none.
    pub port: u16,
}

impl Origin {
    /// # Errors
    /// A sentence that says what is wrong, when `text` is not `scheme://host[:port]`.
    pub fn new(text: &str) -> Result<Self, String> {
        let (scheme, authority) = match text.split_once("://") {
            Some(("http", rest)) => (Scheme::Http, rest),
            Some(("https", rest)) => (Scheme::Https, rest),
            _ => return Err("must be an origin such as `https://api.example.com`".into()),
        };
        if authority.contains(['/', '?', '#']) {
            return Err("must be an origin without a path: scheme, host and optionally a port".into());
        }
        if authority.contains('@') {
            return Err("must not contain a user name or password".into());
        }
        let (host, port) = match authority.rsplit_once(':') {
            // The colons of a bare IPv6 address are inside its brackets.
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let port = match port {
            None => scheme.default_port(),
            Some(digits) => port_number(digits).ok_or("must have a port of 1 to 65535 after the colon")?,
        };
        let host = HostPattern::new_or_ipv6(host)?;
        if host.suffix() == "internal" || host.suffix().ends_with(".internal") {
            return Err("names a service, not an origin outside: services are granted with `calls`".into());
        }
        Ok(Self { scheme, host, port })
    }

    /// Whether this grant covers a request to `host` (in any case, without a port) at `port`.
    #[must_use]
    pub fn allows(&self, scheme: Scheme, host: &str, port: u16) -> bool {
        self.scheme == scheme && self.port == port && self.host.matches(host)
    }
}

/// `u16::from_str` takes a plus sign; a port has none.
fn port_number(digits: &str) -> Option<u16> {
    let plain = digits.chars().all(|c| c.is_ascii_digit());
    digits.parse().ok().filter(|port| plain && *port != 0)
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.host)?;
        if self.port != self.scheme.default_port() {
            write!(f, ":{}", self.port)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
