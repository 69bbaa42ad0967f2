//! Messages in JSON and back.
//!
//! The mapping is that of the protobuf specification, read strictly: no member twice, no two members of a oneof, no number
//! that does not fit, nothing after the end. It is written here rather than taken from a library, because a refusal has to
//! name the field that is wrong, because decimal numbers have to be read exactly, and because what a client sends must not
//! cost more memory than [`MEMORY_BYTES_MAX`], however small its pieces are.
//!
//! Decisions, where the specification leaves room:
//! - A member that is `null` is absent, but for `google.protobuf.Value` and `NullValue`. In a list or a map `null` is an error.
//! - Integers may be written `1.0` and `1e3`, as numbers or in strings. Enum numbers that nobody named are kept.
//! - A missing `required` field of proto2 is an error when reading, as the receiver would refuse the message anyway.
//! - Both names of a field are understood; where one field's name is another's JSON name, the style of the options wins.
//! - Bytes are read in either base64 alphabet, with or without padding.
//! - `google.protobuf.Empty` in an `Any` is written without `value`, and read with or without it.
//! - Where ignoring is on, an enum value of an unknown name counts as unknown too: the field, element or entry is left out.
//!
//! Source: protobuf.dev, "ProtoJSON Format"; RFC 8259 (JSON), RFC 3339 (timestamps), RFC 4648 (base64).

mod decimal;
mod error;
mod lexer;
mod read;
mod time;
mod well_known;
mod write;

use prost_reflect::{DynamicMessage, FieldDescriptor, MessageDescriptor, ReflectMessage};
use serde::{Deserialize, Serialize};

pub use self::error::JsonError;
use self::lexer::Lexer;
use self::read::Reader;
use self::write::Writer;

/// How many objects and lists may be open at once, both ways.
pub const DEPTH_MAX: usize = 100;

/// What a message may take in memory while it is read, by a pessimistic estimate: `[{},{},...]` is small as a text only.
pub const MEMORY_BYTES_MAX: usize = 128 * 1024 * 1024;

/// How long the JSON of a message may become: a long name of an enum value is one byte in a message.
pub const OUTPUT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What the specification leaves to choose. The defaults are those of the specification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct JsonOptions {
    /// What happens to members of no field.
    pub unknown_fields: UnknownFields,
    /// How fields are named in what is written.
    pub field_names: FieldNames,
    /// How enum values are written.
    pub enums: Enums,
    /// Whether fields without presence are written when they have their default value.
    pub defaults: Defaults,
}

/// What happens to members of no field, and to enum values of no known name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownFields {
    /// They are an error.
    #[default]
    Reject,
    /// They are left out.
    Ignore,
}

/// How fields are named in what is written. Both styles are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FieldNames {
    /// `pageSize`, or what the option `json_name` says.
    #[default]
    Json,
    /// `page_size`, as in the `.proto` file.
    Proto,
}

/// How enum values are written. Both forms are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Enums {
    /// `"ORDER_OPEN"`.
    #[default]
    Names,
    /// `1`.
    Numbers,
}

/// Whether fields without presence are written when they have their default value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Defaults {
    /// They are left out.
    #[default]
    Omit,
    /// They are written: zeros, empty strings, lists and maps. Fields with presence are written when they are set only.
    Emit,
}

impl FieldNames {
    fn of(self, field: &FieldDescriptor) -> &str {
        match self {
            Self::Json => field.json_name(),
            Self::Proto => field.name(),
        }
    }
}

/// Appends the JSON of a message. After an error `out` is as it was.
///
/// # Errors
/// Says which field has no JSON: a timestamp out of range, an `Any` of a type the schema does not know, a message nested
/// deeper than [`DEPTH_MAX`], more than [`OUTPUT_BYTES_MAX`].
pub fn to_json(message: &DynamicMessage, options: JsonOptions, out: &mut Vec<u8>) -> Result<(), JsonError> {
    let start = out.len();
    Writer::new(options, out).message(message).inspect_err(|_| out.truncate(start))
}

/// The message that a JSON text describes.
///
/// # Errors
/// Names the field that is wrong, and says how.
pub fn from_json(
    descriptor: &MessageDescriptor,
    json: &[u8],
    options: JsonOptions,
) -> Result<DynamicMessage, JsonError> {
    let mut reader = Reader::new(Lexer::new(json)?, options);
    let message = reader.message(descriptor)?;
    reader.lexer.end()?;
    Ok(message)
}

/// Appends the JSON of one field of a message, whatever its kind: `null` when it has presence and is not set.
/// After an error `out` is as it was.
///
/// # Errors
/// As [`to_json`].
pub fn field_to_json(
    message: &DynamicMessage,
    field: &FieldDescriptor,
    options: JsonOptions,
    out: &mut Vec<u8>,
) -> Result<(), JsonError> {
    if *field.parent_message() != message.descriptor() {
        return Err(foreign(message, field));
    }
    let start = out.len();
    let mut writer = Writer::new(options, out);
    let written = match field.supports_presence() && !message.has_field(field) {
        true => writer.null(),
        false => writer.value(&message.get_field(field), &field.kind()),
    };
    written.map_err(|error| error.in_field(options.field_names.of(field))).inspect_err(|_| out.truncate(start))
}

/// Sets one field of a message, whatever its kind, to what a JSON text says; `null` clears it.
///
/// # Errors
/// As [`from_json`]; the message is as it was then.
pub fn set_field_from_json(
    message: &mut DynamicMessage,
    field: &FieldDescriptor,
    json: &[u8],
    options: JsonOptions,
) -> Result<(), JsonError> {
    if *field.parent_message() != message.descriptor() {
        return Err(foreign(message, field));
    }
    let mut reader = Reader::new(Lexer::new(json)?, options);
    let value =
        reader.field_value(&field.clone().into()).map_err(|error| error.in_field(options.field_names.of(field)))?;
    reader.lexer.end()?;
    match value {
        Some(value) => read::set(message, field, value),
        None => {
            message.clear_field(field);
            Ok(())
        }
    }
}

fn foreign(message: &DynamicMessage, field: &FieldDescriptor) -> JsonError {
    JsonError::new(format!("`{}` is not a field of {}", field.full_name(), message.descriptor().full_name()))
}

#[cfg(test)]
mod tests;
