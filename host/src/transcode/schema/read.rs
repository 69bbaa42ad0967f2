//! The files of a set, bounded before they are decoded.
//!
//! A definition of two bytes takes hundreds in memory. So the definitions are counted on the wire first.

use prost::Message;
use prost::bytes::Buf;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use super::SchemaError;
use super::proto::File;

/// The largest set, in bytes.
pub const SET_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The files of a set.
pub const FILES_MAX: usize = 2000;

/// Definitions and names of all files together: messages, fields, enum values, methods, imports and so on.
pub const PARTS_MAX: usize = 100_000;

/// How deep messages may be defined in messages. It is the limit of protobuf's own compiler.
pub const NESTING_MAX: usize = 32;

/// What a part of a descriptor may hold, by field number.
#[derive(Clone, Copy)]
enum Level {
    File,
    Message,
    Enum,
    Service,
}

impl Level {
    /// What is in a field of this number; `None` is something without further parts.
    const fn child(self, number: u32) -> Option<Self> {
        match (self, number) {
            (Self::File, 4) | (Self::Message, 3) => Some(Self::Message),
            (Self::File, 5) | (Self::Message, 4) => Some(Self::Enum),
            (Self::File, 6) => Some(Self::Service),
            _ => None,
        }
    }
}

/// The encoded files of a set.
pub(super) fn files(set: &[u8]) -> Result<Vec<&[u8]>, SchemaError> {
    if set.len() > SET_BYTES_MAX {
        return Err(too_much("bytes", SET_BYTES_MAX));
    }
    let mut files = Vec::new();
    let mut parts_left = PARTS_MAX;
    let mut rest = set;
    while let Some((number, field)) = next(&mut rest)? {
        let (1, Some(file)) = (number, field) else { continue };
        if files.len() == FILES_MAX {
            return Err(too_much("files", FILES_MAX));
        }
        count(file, Level::File, 0, &mut parts_left)?;
        files.push(file);
    }
    Ok(files)
}

pub(super) fn decode(file: &[u8]) -> Result<File, SchemaError> {
    File::decode(file).map_err(malformed)
}

/// A field's number, and its content when it is one of delimited length.
type WireField<'a> = (u32, Option<&'a [u8]>);

/// The next field.
pub(super) fn next<'a>(rest: &mut &'a [u8]) -> Result<Option<WireField<'a>>, SchemaError> {
    if !rest.has_remaining() {
        return Ok(None);
    }
    let (number, wire_type) = decode_key(rest).map_err(malformed)?;
    if wire_type != WireType::LengthDelimited {
        skip_field(wire_type, number, rest, DecodeContext::default()).map_err(malformed)?;
        return Ok(Some((number, None)));
    }
    let length = decode_varint(rest).map_err(malformed)?;
    let content = usize::try_from(length).ok().and_then(|length| rest.split_off(..length));
    let content = content.ok_or_else(|| SchemaError::Malformed { reason: "it is cut off".to_owned() })?;
    Ok(Some((number, Some(content))))
}

fn count(bytes: &[u8], level: Level, depth: usize, left: &mut usize) -> Result<(), SchemaError> {
    if depth > NESTING_MAX {
        return Err(too_much("levels of messages in messages", NESTING_MAX));
    }
    let mut rest = bytes;
    while let Some((number, content)) = next(&mut rest)? {
        let Some(content) = content else { continue };
        *left = left.checked_sub(1).ok_or_else(|| too_much("definitions", PARTS_MAX))?;
        if let Some(child) = level.child(number) {
            count(content, child, depth + 1, left)?;
        }
    }
    Ok(())
}

fn too_much(what: &'static str, max: usize) -> SchemaError {
    SchemaError::TooMuch { place: "the descriptors".to_owned(), what, max }
}

pub(super) fn malformed(error: prost::DecodeError) -> SchemaError {
    SchemaError::Malformed { reason: error.to_string() }
}
