//! What is wrong with a JSON text, or with a message that is to become one, and where.

use std::fmt;

/// How many characters of a client's text an error repeats.
const EXCERPT_CHARS_MAX: usize = 40;

/// Why a JSON text is not a message, or a message has no JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// The field, from the message down: `lines[2].price`, `labels["a"]`. Empty where it is the message itself.
    pub field: String,
    /// A sentence: what was expected and what was found.
    pub reason: String,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.as_str() {
            "" => f.write_str(&self.reason),
            field => write!(f, "`{field}`: {}", self.reason),
        }
    }
}

impl std::error::Error for JsonError {}

impl JsonError {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self { field: String::new(), reason: reason.into() }
    }

    pub(super) fn expected(what: &str, found: &str) -> Self {
        Self::new(format!("expected {what}, found {found}"))
    }

    // The path is put together on the way out, so that it costs nothing as long as all is well.

    pub(super) fn in_field(self, name: &str) -> Self {
        self.inside(&excerpt(name, usize::MAX))
    }

    /// For names that nobody but the client knows.
    pub(super) fn in_unknown(self, name: &str) -> Self {
        self.inside(&excerpt(name, EXCERPT_CHARS_MAX))
    }

    pub(super) fn in_element(self, index: usize) -> Self {
        self.inside(&format!("[{index}]"))
    }

    pub(super) fn in_entry(self, key: &str) -> Self {
        self.inside(&format!("[\"{}\"]", excerpt(key, EXCERPT_CHARS_MAX)))
    }

    fn inside(self, outer: &str) -> Self {
        let dot = match self.field.as_bytes().first() {
            None | Some(b'[') => "",
            Some(_) => ".",
        };
        Self { field: format!("{outer}{dot}{}", self.field), reason: self.reason }
    }
}

/// A text from outside, in quotes, short enough for a message and without control characters.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", excerpt(text, EXCERPT_CHARS_MAX))
}

fn excerpt(text: &str, chars_max: usize) -> String {
    let mut excerpt: String = text.chars().take(chars_max).flat_map(char::escape_debug).collect();
    if text.chars().nth(chars_max).is_some() {
        excerpt.push('…');
    }
    excerpt
}
