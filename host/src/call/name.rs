//! The name of a service.
//!
//! A name is a DNS label that starts with a letter, so that it can stand in `Host: orders.localhost`, in
//! `http://orders.internal/` and in a file name without quoting anywhere.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The longest name, in bytes: the length of a DNS label.
const NAME_BYTES_MAX: usize = 63;

/// Names that mean something else where a service's name may stand: `edge` is the caller of outside calls,
/// `internal` the domain of services, `hostel` the host itself.
const NAMES_RESERVED: [&str; 3] = ["edge", "hostel", "internal"];

/// The name of a service: `[a-z][a-z0-9-]{0,62}`, not ending in a dash, not reserved.
///
/// A clone costs one reference count. A map keyed by it can be asked with a `&str`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceName(Arc<str>);

/// Why a text is not the name of a service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("a service name must not be empty")]
    Empty,
    #[error("a service name has at most {NAME_BYTES_MAX} characters, this one has {length}")]
    TooLong { length: usize },
    #[error("`{name}` is not a service name: it must start with a lower-case letter")]
    Start { name: String },
    #[error("`{name}` is not a service name: {character:?} is not allowed, only a-z, 0-9 and `-` are")]
    Character { name: String, character: char },
    #[error("`{name}` is not a service name: it must not end with `-`")]
    End { name: String },
    #[error("`{name}` is reserved and cannot name a service")]
    Reserved { name: String },
}

impl ServiceName {
    /// # Errors
    /// When `name` is not of the form above.
    pub fn new(name: &str) -> Result<Self, NameError> {
        check(name)?;
        Ok(Self(name.into()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check(name: &str) -> Result<(), NameError> {
    // The length is checked first: the other errors carry the text.
    if name.len() > NAME_BYTES_MAX {
        return Err(NameError::TooLong { length: name.chars().count() });
    }
    let Some(first) = name.chars().next() else {
        return Err(NameError::Empty);
    };
    // Names come from file names and manifests: no control character may reach a terminal.
    let shown = || name.escape_debug().to_string();
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if let Some(character) = name.chars().find(|c| !allowed(*c)) {
        return Err(NameError::Character { name: shown(), character });
    }
    if !first.is_ascii_lowercase() {
        return Err(NameError::Start { name: shown() });
    }
    if name.ends_with('-') {
        return Err(NameError::End { name: shown() });
    }
    if NAMES_RESERVED.contains(&name) {
        return Err(NameError::Reserved { name: shown() });
    }
    Ok(())
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for ServiceName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        Self::new(name)
    }
}

impl Borrow<str> for ServiceName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for ServiceName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for ServiceName {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for ServiceName {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn accepts_names() {
        let longest = "a".repeat(NAME_BYTES_MAX);
        for name in ["a", "orders", "orders-v2", "a--b", "x9", "edge-proxy", longest.as_str()] {
            let parsed: ServiceName = name.parse().unwrap();
            assert_eq!(parsed, *name);
            assert_eq!(parsed.to_string(), name);
        }
    }

    #[test]
    fn rejects_what_is_no_name() {
        let of = |name: &str| ServiceName::new(name).unwrap_err();
        assert_eq!(of(""), NameError::Empty);
        assert_eq!(of(&"a".repeat(64)), NameError::TooLong { length: 64 });
        assert!(matches!(of("9a"), NameError::Start { .. }));
        assert!(matches!(of("-a"), NameError::Start { .. }));
        assert!(matches!(of("a-"), NameError::End { .. }));
        for (name, character) in [("Orders", 'O'), ("a_b", '_'), ("a.b", '.'), ("a/b", '/'), ("é", 'é'), ("a\n", '\n')]
        {
            assert!(matches!(of(name), NameError::Character { character: c, .. } if c == character));
        }
        for name in NAMES_RESERVED {
            assert!(matches!(of(name), NameError::Reserved { .. }));
        }
    }

    #[test]
    fn errors_name_the_text_and_escape_it() {
        assert_eq!(
            ServiceName::new("my_shop").unwrap_err().to_string(),
            "`my_shop` is not a service name: '_' is not allowed, only a-z, 0-9 and `-` are"
        );
        let text = ServiceName::new("a\u{1b}[2J").unwrap_err().to_string();
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }

    #[test]
    fn a_map_can_be_asked_with_a_str() {
        let map = HashMap::from([(ServiceName::new("orders").unwrap(), 1)]);
        assert_eq!(map.get("orders"), Some(&1));
    }

    #[test]
    fn padding_works_for_aligned_output() {
        assert_eq!(format!("{:<8}|", ServiceName::new("orders").unwrap()), "orders  |");
    }
}
