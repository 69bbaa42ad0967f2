//! How much of a document there may be.

use serde_json::Value;

/// What an object or a list takes, in bytes, beside what is in it: the tree of an object comes in nodes for eleven members.
const CONTAINER: usize = 640;
/// What any value takes.
const VALUE: usize = 32;

/// What a path takes beside its operation and its text.
pub(super) const PATH: usize = 2 * CONTAINER;

/// The memory that a value takes, in bytes, roughly.
pub(super) fn of(value: &Value) -> usize {
    match value {
        Value::String(text) => VALUE + text.len(),
        Value::Array(items) => items.iter().fold(CONTAINER, |sum, item| sum.saturating_add(of(item))),
        Value::Object(members) => {
            members.iter().fold(CONTAINER, |sum, (name, value)| sum.saturating_add(VALUE + name.len() + of(value)))
        }
        _ => VALUE,
    }
}

/// What is left.
#[derive(Debug)]
pub(super) struct Budget(usize);

impl Budget {
    pub(super) const fn new(bytes: usize) -> Self {
        Self(bytes)
    }

    /// Takes that much, if it is there. What does not fit ends it: what comes after would not be found by chance.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        match self.0.checked_sub(bytes) {
            Some(left) => {
                self.0 = left;
                true
            }
            None => {
                self.0 = 0;
                false
            }
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0 == 0
    }

    /// Splits off an equal share for each of so many, and returns one.
    pub(super) fn share(&mut self, among: usize) -> Self {
        let share = self.0 / among.max(1);
        self.0 -= share;
        Self(share)
    }

    /// Puts back what was not used of a share.
    pub(super) fn put_back(&mut self, share: &Self) {
        self.0 = self.0.saturating_add(share.0);
    }
}
