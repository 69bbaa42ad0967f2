//! Values that are one token each.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use prost_reflect::bytes::Bytes;
use prost_reflect::{EnumDescriptor, Kind, MapKey, Value};

use super::super::error::{JsonError, quoted};
use super::super::lexer::{Lexer, Next};
use super::super::well_known::is_null_value;
use super::super::{UnknownFields, decimal};

/// Senders differ in padding, and in what they leave in the bits of the last character that mean nothing.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A value of a kind that is neither message nor enum.
pub(super) fn value(lexer: &mut Lexer<'_>, kind: &Kind) -> Result<Value, JsonError> {
    match kind {
        Kind::Bool => lexer.boolean().map(Value::Bool),
        Kind::String => lexer.string("a string").map(|text| Value::String(text.into_owned())),
        Kind::Bytes => bytes(&lexer.string("a string of base64")?).map(Value::Bytes),
        Kind::Double => {
            let text = float_text(lexer)?;
            float::<f64>(&text, f64::is_infinite).map(Value::F64)
        }
        Kind::Float => {
            let text = float_text(lexer)?;
            float::<f32>(&text, f32::is_infinite).map(Value::F32)
        }
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => integer(lexer, INT32).map(Value::I32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => integer(lexer, INT64).map(Value::I64),
        Kind::Uint32 | Kind::Fixed32 => integer(lexer, UINT32).map(Value::U32),
        Kind::Uint64 | Kind::Fixed64 => integer(lexer, UINT64).map(Value::U64),
        Kind::Message(_) | Kind::Enum(_) => Err(JsonError::new("expected a scalar")),
    }
}

/// The number of an enum value, or `None` for one of an unknown name where that is ignored.
pub(super) fn enum_number(
    lexer: &mut Lexer<'_>,
    descriptor: &EnumDescriptor,
    unknown: UnknownFields,
) -> Result<Option<i32>, JsonError> {
    let expected = "a name or number of an enum value";
    match lexer.next()? {
        Next::Null if is_null_value(descriptor) => lexer.null().map(|()| Some(0)),
        Next::Number => integer_of(lexer.number()?, expected).map(Some),
        Next::String => {
            let name = lexer.string(expected)?;
            match descriptor.get_value_by_name(&name) {
                Some(value) => Ok(Some(value.number())),
                None if unknown == UnknownFields::Ignore => Ok(None),
                None => Err(JsonError::new(format!("{} is not a value of {}", quoted(&name), descriptor.full_name()))),
            }
        }
        next => Err(JsonError::expected(expected, next.name())),
    }
}

pub(super) fn map_key(kind: &Kind, text: &str) -> Result<MapKey, JsonError> {
    let wrong = |expected: &str| JsonError::expected(expected, &quoted(text));
    match kind {
        Kind::String => Ok(MapKey::String(text.to_owned())),
        Kind::Bool => match text {
            "true" => Ok(MapKey::Bool(true)),
            "false" => Ok(MapKey::Bool(false)),
            _ => Err(wrong("\"true\" or \"false\" as key")),
        },
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => integer_in(text, INT32).map(MapKey::I32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => integer_in(text, INT64).map(MapKey::I64),
        Kind::Uint32 | Kind::Fixed32 => integer_in(text, UINT32).map(MapKey::U32),
        Kind::Uint64 | Kind::Fixed64 => integer_in(text, UINT64).map(MapKey::U64),
        _ => Err(JsonError::new("the schema contradicts itself")),
    }
}

const INT32: &str = "an integer of 32 bits";
const INT64: &str = "an integer of 64 bits";
const UINT32: &str = "an integer of 32 bits without sign";
const UINT64: &str = "an integer of 64 bits without sign";

/// An integer, as a number or as a string with one in it.
fn integer<T: TryFrom<i128>>(lexer: &mut Lexer<'_>, expected: &str) -> Result<T, JsonError> {
    match lexer.next()? {
        Next::Number => integer_of(lexer.number()?, expected),
        Next::String => integer_in(&lexer.string(expected)?, expected),
        next => Err(JsonError::expected(expected, next.name())),
    }
}

fn integer_in<T: TryFrom<i128>>(text: &str, expected: &str) -> Result<T, JsonError> {
    if !decimal::is_number(text) {
        return Err(JsonError::expected(expected, &quoted(text)));
    }
    integer_of(text, expected)
}

fn integer_of<T: TryFrom<i128>>(number: &str, expected: &str) -> Result<T, JsonError> {
    let value = decimal::integer(number).map_err(|found| JsonError::expected(expected, found))?;
    T::try_from(value).map_err(|_| JsonError::expected(expected, "a number out of range"))
}

fn float_text<'a>(lexer: &mut Lexer<'a>) -> Result<std::borrow::Cow<'a, str>, JsonError> {
    let expected = "a number";
    match lexer.next()? {
        Next::Number => lexer.number().map(Into::into),
        Next::String => {
            let text = lexer.string(expected)?;
            if !decimal::is_number(&text) && !matches!(&*text, "NaN" | "Infinity" | "-Infinity") {
                return Err(JsonError::expected(expected, &quoted(&text)));
            }
            Ok(text)
        }
        next => Err(JsonError::expected(expected, next.name())),
    }
}

fn float<T: std::str::FromStr + Copy>(text: &str, is_infinite: impl Fn(T) -> bool) -> Result<T, JsonError> {
    let value: T = text.parse().map_err(|_| JsonError::expected("a number", &quoted(text)))?;
    if is_infinite(value) && !text.ends_with("Infinity") {
        return Err(JsonError::expected("a number", "one out of range"));
    }
    Ok(value)
}

fn bytes(text: &str) -> Result<Bytes, JsonError> {
    let decoded = match text.bytes().any(|byte| matches!(byte, b'-' | b'_')) {
        false => BASE64.decode(text),
        true => BASE64.decode(text.replace('-', "+").replace('_', "/")),
    };
    decoded.map(Bytes::from).map_err(|error| JsonError::new(format!("expected base64: {error}")))
}
