//! What is wrong with a request.

use thiserror::Error;

use crate::transcode::json::JsonError;

/// What of a request is at fault, for its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// A value: 400, INVALID_ARGUMENT.
    Value,
    /// The type of the body, which is none that can be read: 415, INVALID_ARGUMENT.
    MediaType,
}

/// Why a request cannot be made a message.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}{reason}", in_front(field))]
pub struct BindError {
    /// Where: a field or a parameter, as the client or the template names it. Empty if it is the body as a whole.
    pub field: String,
    /// What was expected, and what was found.
    pub reason: String,
    /// What is at fault.
    pub blame: Blame,
}

fn in_front(field: &str) -> String {
    if field.is_empty() { String::new() } else { format!("`{field}`: ") }
}

impl BindError {
    pub(super) fn value(field: impl AsRef<str>, reason: impl ToString) -> Self {
        Self { field: shown(field.as_ref()), reason: reason.to_string(), blame: Blame::Value }
    }

    pub(super) fn media_type(reason: impl Into<String>) -> Self {
        Self { field: String::new(), reason: reason.into(), blame: Blame::MediaType }
    }
}

impl From<JsonError> for BindError {
    fn from(JsonError { field, reason }: JsonError) -> Self {
        Self { field, reason, blame: Blame::Value }
    }
}

/// How much of a client's text an error repeats.
const SHOWN_CHARS_MAX: usize = 64;

/// A client's text for an error: not too much of it, and nothing that is not to be seen.
pub(super) fn shown(text: &str) -> String {
    let visible = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    let mut shown: String = text.chars().take(SHOWN_CHARS_MAX).map(visible).collect();
    if text.chars().nth(SHOWN_CHARS_MAX).is_some() {
        shown.push('\u{2026}');
    }
    shown
}
