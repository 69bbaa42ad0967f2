//! Values of fields as text, in paths and queries.
//!
//! They are what they would be in JSON, without the quotes:
//! - numbers are decimal, or `NaN`, `Infinity` and `-Infinity`;
//! - `bool` is `true`, `false`, `1` or `0`, the words in any case;
//! - an `enum` is the name of a value, or a number;
//! - `bytes` are base64 of either alphabet, with or without padding;
//! - a `FieldMask` is a list of paths with commas between, in either style of names;
//! - wrappers are what they wrap;
//! - `Struct`, `Value` and `ListValue` are JSON.
//!
//! Other messages cannot be written like that: one gives their fields.

use std::str::FromStr;

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use prost_reflect::{DynamicMessage, EnumDescriptor, Kind, MapKey, MessageDescriptor, Syntax, Value};

use super::error::shown;
use crate::transcode::json::{self, JsonOptions};

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const WITH_SLASHES: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
const WITH_UNDERSCORES: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT);

/// Messages that have a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WellKnown {
    /// A string in JSON.
    Text,
    /// A field mask.
    Mask,
    /// Wraps a scalar, its field 1.
    Wrapper,
    /// Any JSON, or some.
    Json,
}

impl WellKnown {
    pub(super) fn of(message: &MessageDescriptor) -> Option<Self> {
        match message.full_name().strip_prefix("google.protobuf.")? {
            "Timestamp" | "Duration" => Some(Self::Text),
            "FieldMask" => Some(Self::Mask),
            "Struct" | "Value" | "ListValue" => Some(Self::Json),
            "DoubleValue" | "FloatValue" | "Int64Value" | "UInt64Value" | "Int32Value" | "UInt32Value"
            | "BoolValue" | "StringValue" | "BytesValue" => Some(Self::Wrapper),
            _ => None,
        }
    }
}

/// Whether values of a kind have a text.
pub(super) fn has_text(kind: &Kind) -> bool {
    match kind {
        Kind::Message(message) => WellKnown::of(message).is_some(),
        _ => true,
    }
}

/// Whether values of a kind may have slashes in their text.
pub(super) fn may_have_slashes(kind: &Kind) -> bool {
    match kind {
        Kind::String | Kind::Bytes => true,
        Kind::Message(message) => match WellKnown::of(message) {
            Some(WellKnown::Wrapper) => message.get_field(1).is_some_and(|field| may_have_slashes(&field.kind())),
            Some(WellKnown::Json) => true,
            Some(WellKnown::Text | WellKnown::Mask) | None => false,
        },
        _ => false,
    }
}

/// What a kind is called in errors.
pub(super) fn name(kind: &Kind) -> String {
    format!("{kind:?}")
}

/// The value that a text is.
///
/// # Errors
/// It is none of this kind: what was expected, and what was found.
pub(super) fn value(kind: &Kind, text: &str) -> Result<Value, String> {
    match kind {
        Kind::Double => float(text, "a number", f64::is_finite).map(Value::F64),
        Kind::Float => float(text, "a number of single precision", f32::is_finite).map(Value::F32),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => integer(text, "an integer of 32 bits").map(Value::I32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => integer(text, "an integer of 64 bits").map(Value::I64),
        Kind::Uint32 | Kind::Fixed32 => integer(text, "an unsigned integer of 32 bits").map(Value::U32),
        Kind::Uint64 | Kind::Fixed64 => integer(text, "an unsigned integer of 64 bits").map(Value::U64),
        Kind::Bool => boolean(text).map(Value::Bool),
        Kind::String => Ok(Value::String(text.to_owned())),
        Kind::Bytes => bytes(text).map(Value::Bytes),
        Kind::Enum(kind) => number_of(kind, text).map(Value::EnumNumber),
        Kind::Message(message) => well_known(message, text).map(Value::Message),
    }
}

/// The key of a map that a text is.
pub(super) fn map_key(kind: &Kind, text: &str) -> Result<MapKey, String> {
    match value(kind, text)? {
        Value::Bool(key) => Ok(MapKey::Bool(key)),
        Value::I32(key) => Ok(MapKey::I32(key)),
        Value::I64(key) => Ok(MapKey::I64(key)),
        Value::U32(key) => Ok(MapKey::U32(key)),
        Value::U64(key) => Ok(MapKey::U64(key)),
        Value::String(key) => Ok(MapKey::String(key)),
        _ => Err(format!("{} cannot be the key of a map", name(kind))),
    }
}

fn unexpected(expected: &str, text: &str) -> String {
    format!("expected {expected}, found {:?}", shown(text))
}

fn integer<N: FromStr>(text: &str, expected: &str) -> Result<N, String> {
    text.parse().map_err(|_| unexpected(expected, text))
}

/// The words are those of JSON; Rust would take others too, and makes infinity of what is too large.
fn float<N: FromStr + From<f32> + Copy>(text: &str, expected: &str, is_finite: fn(N) -> bool) -> Result<N, String> {
    match text {
        "NaN" => Ok(f32::NAN.into()),
        "Infinity" => Ok(f32::INFINITY.into()),
        "-Infinity" => Ok(f32::NEG_INFINITY.into()),
        _ => text.parse().ok().filter(|number| is_finite(*number)).ok_or_else(|| unexpected(expected, text)),
    }
}

fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" => Ok(true),
        "0" => Ok(false),
        _ if text.eq_ignore_ascii_case("true") => Ok(true),
        _ if text.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(unexpected("`true` or `false`", text)),
    }
}

fn bytes(text: &str) -> Result<Bytes, String> {
    let engine = if text.contains(['-', '_']) { WITH_UNDERSCORES } else { WITH_SLASHES };
    let decoded = engine.decode(text).map_err(|_| unexpected("base64", text))?;
    Ok(decoded.into())
}

fn number_of(kind: &EnumDescriptor, text: &str) -> Result<i32, String> {
    if let Some(value) = kind.get_value_by_name(text) {
        return Ok(value.number());
    }
    // Enums of proto2 are closed: numbers without a name do not exist.
    let exists = |number: &i32| kind.parent_file().syntax() != Syntax::Proto2 || kind.get_value(*number).is_some();
    let number = text.parse().ok().filter(exists);
    number.ok_or_else(|| unexpected(&format!("a value of `{}`, by name or number", kind.full_name()), text))
}

fn well_known(message: &MessageDescriptor, text: &str) -> Result<DynamicMessage, String> {
    let of_json = |json: &[u8]| {
        json::from_json(message, json, JsonOptions::default()).map_err(|error| match message.name() {
            "Timestamp" => unexpected("a time as in RFC 3339", text),
            "Duration" => unexpected("seconds, as `1.5s`", text),
            _ => format!("expected JSON: {error}"),
        })
    };
    match WellKnown::of(message) {
        Some(WellKnown::Text) => {
            let quoted = serde_json::to_vec(text).map_err(|error| error.to_string())?;
            of_json(&quoted)
        }
        Some(WellKnown::Json) => of_json(text.as_bytes()),
        Some(WellKnown::Mask) => {
            let paths = text.split(',').map(str::trim).filter(|path| !path.is_empty());
            with_field(message, Value::List(paths.map(|path| Value::String(snake_case(path))).collect()))
        }
        Some(WellKnown::Wrapper) => {
            let kind = message.get_field(1).map(|field| field.kind());
            let wrapped = kind.ok_or_else(|| no_text(message)).and_then(|kind| value(&kind, text))?;
            with_field(message, wrapped)
        }
        None => Err(no_text(message)),
    }
}

fn no_text(message: &MessageDescriptor) -> String {
    format!("`{}` is a message: its fields have to be given one by one, or in a body", message.full_name())
}

fn with_field(message: &MessageDescriptor, value: Value) -> Result<DynamicMessage, String> {
    let mut made = DynamicMessage::new(message.clone());
    made.try_set_field_by_number(1, value).map_err(|_| no_text(message))?;
    Ok(made)
}

/// The names of a path in the style of .proto files. Those that are already stay as they are.
fn snake_case(path: &str) -> String {
    let mut name = String::with_capacity(path.len() + 4);
    for c in path.chars() {
        if c.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}
