//! Fields by their paths: `book.author.name`, in the names of the .proto file or those of JSON.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use thiserror::Error;

use super::error::shown;

/// How deep a path of fields may go. Messages of requests nest as deep as the paths in a query say, and are built and
/// dropped recursively.
pub const FIELD_DEPTH_MAX: usize = 32;

/// Why a path leads to no field.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum Astray {
    #[error("`{message}` has no field `{name}`")]
    Unknown { message: String, name: String },
    #[error("`{0}` is no message and has no fields")]
    NotAMessage(String),
    #[error("`{0}` is repeated or a map, and the fields of its elements can only be given in a body")]
    Many(String),
    #[error("the path is more than {FIELD_DEPTH_MAX} fields deep")]
    TooDeep,
}

/// A field of a message, by either of its names. The .proto file's goes first.
pub(super) fn by_name(message: &MessageDescriptor, name: &str) -> Option<FieldDescriptor> {
    message.get_field_by_name(name).or_else(|| message.get_field_by_json_name(name))
}

/// The message that a field holds, be it one, many, or none.
pub(super) fn message_of(field: &FieldDescriptor) -> Option<MessageDescriptor> {
    match field.kind() {
        Kind::Message(message) => Some(message),
        _ => None,
    }
}

/// A path, followed from a message to a field inside of it. There is at least one field.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FieldPath {
    before: Vec<FieldDescriptor>,
    last: FieldDescriptor,
}

impl FieldPath {
    /// Follows a path. All but the last have to be messages, of which there is one.
    pub(super) fn resolve(message: &MessageDescriptor, path: &str) -> Result<Self, Astray> {
        let mut names = path.split('.');
        let named = |message: &MessageDescriptor, name: &str| {
            let unknown = || Astray::Unknown { message: message.full_name().to_owned(), name: shown(name) };
            by_name(message, name).ok_or_else(unknown)
        };
        let mut last = named(message, names.next().unwrap_or_default())?;
        let mut before = Vec::new();
        for name in names {
            if before.len() + 1 == FIELD_DEPTH_MAX {
                return Err(Astray::TooDeep);
            }
            if last.is_list() || last.is_map() {
                return Err(Astray::Many(last.name().to_owned()));
            }
            let inner = message_of(&last).ok_or_else(|| Astray::NotAMessage(last.name().to_owned()))?;
            let next = named(&inner, name)?;
            before.push(std::mem::replace(&mut last, next));
        }
        Ok(Self { before, last })
    }

    /// The field it leads to.
    pub(super) fn last(&self) -> &FieldDescriptor {
        &self.last
    }

    /// In the names of the .proto file, so that equal paths are equal text.
    pub(super) fn canonical(&self) -> String {
        let names: Vec<&str> = self.before.iter().chain([&self.last]).map(FieldDescriptor::name).collect();
        names.join(".")
    }

    /// The message that the last field is one of, made with all those around it, if they are not there. What is set
    /// there would push a field of the same `oneof` out, if it is set: that one is the error.
    pub(super) fn reach<'m>(&self, message: &'m mut DynamicMessage) -> Result<&'m mut DynamicMessage, Crowded> {
        let mut at = message;
        for field in &self.before {
            crowded(at, field)?;
            at = match at.get_field_mut(field) {
                Value::Message(inner) => inner,
                _ => return Err(Crowded(field.name().to_owned())),
            };
        }
        crowded(at, &self.last)?;
        Ok(at)
    }
}

/// Another field of the same `oneof` is given: this one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is given too, and only one of them can be")]
pub(super) struct Crowded(String);

fn crowded(message: &DynamicMessage, field: &FieldDescriptor) -> Result<(), Crowded> {
    let Some(oneof) = field.containing_oneof() else { return Ok(()) };
    let other = oneof.fields().find(|other| other != field && message.has_field(other));
    other.map_or(Ok(()), |other| Err(Crowded(other.name().to_owned())))
}
