//! The names of clusters and nodes: DNS labels, so that they can stand in certificates, URIs and file names.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The longest label, in bytes. Source: RFC 1035, section 2.3.4.
const BYTES_MAX: usize = 63;

/// Why a text is not the name of a cluster or node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: names are 1 to 63 of a-z, 0-9 and `-`, and neither begin nor end with `-`", self.shown())]
pub struct NameError {
    what: &'static str,
    text: String,
}

impl NameError {
    fn shown(&self) -> String {
        match (&*self.text, self.what) {
            ("", what) => format!("the name of the {what} is empty"),
            (text, what) => format!("`{text}` cannot name a {what}"),
        }
    }
}

fn checked(what: &'static str, text: &str) -> Result<Arc<str>, NameError> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fine = (1..=BYTES_MAX).contains(&text.len())
        && text.bytes().all(allowed)
        && !text.starts_with('-')
        && !text.ends_with('-');
    if fine {
        return Ok(text.into());
    }
    // Names come from certificates too: neither their length nor their characters may spoil a log or a terminal.
    let shown = text.chars().take(BYTES_MAX + 1).flat_map(char::escape_debug).collect();
    Err(NameError { what, text: shown })
}

macro_rules! label {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// # Errors
            /// When `text` is not a DNS label in lower case.
            pub fn new(text: &str) -> Result<Self, NameError> {
                checked($what, text).map(Self)
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }
    };
}

label!(
    /// The name of a cluster: what its nodes have in common, and other clusters on the same network have not.
    ClusterName,
    "cluster"
);
label!(
    /// The name an operator gave a node; the same over restarts.
    NodeName,
    "node"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_names_and_nothing_else_is() {
        let longest = "a".repeat(BYTES_MAX);
        for text in ["a", "node-1", "1", "a--b", longest.as_str()] {
            assert_eq!(NodeName::new(text).unwrap().as_str(), text);
        }
        for text in ["", "-a", "a-", "A", "a.b", "a_b", "é", "a/b", "a\n", &"a".repeat(64)] {
            assert!(ClusterName::new(text).is_err(), "{text:?}");
        }
        let error = NodeName::new("a\u{1b}[2J").unwrap_err().to_string();
        assert!(!error.contains('\u{1b}') && error.contains("cannot name a node"), "{error}");
        let empty = NodeName::new("").unwrap_err().to_string();
        assert!(empty.starts_with("the name of the node is empty: names are 1 to 63 of a-z"), "{empty}");
        assert!(NodeName::new(&"x".repeat(10_000)).unwrap_err().to_string().len() < 300);
    }
}
