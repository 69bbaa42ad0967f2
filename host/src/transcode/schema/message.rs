//! Messages from bytes, without taking more memory than they may.
//!
//! A field of two bytes can take hundreds in memory: `08 01` in a list of messages is a message with a tree of one field.
//! So large messages are walked through once before they are decoded, and what they would take is added up.

use prost::bytes::Buf;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor};

/// What a message may take in memory, by a pessimistic estimate.
pub const MESSAGE_MEMORY_BYTES_MAX: usize = 128 * 1024 * 1024;

/// The most that a byte can take. A message so small that this does no harm is not looked at first.
const BYTES_PER_BYTE_MAX: usize = 400;

const MESSAGE_BYTES: usize = 800;
const FIELD_BYTES: usize = 80;

/// Looking at a member of a oneof takes time rather than memory, but all of it is done for each field that comes.
const MEMBER_BYTES: usize = 16;

/// As deep as the library decodes.
const DEPTH_MAX: usize = 100;

/// Why bytes are no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// They are not one of that type.
    #[error("not a {message}: {reason}")]
    Malformed {
        /// The type's name.
        message: String,
        /// What is wrong with them.
        reason: String,
    },
    /// They would take more memory than a message may.
    #[error("too many parts: the {message} would take more than {MESSAGE_MEMORY_BYTES_MAX} bytes")]
    TooMuch {
        /// The type's name.
        message: String,
    },
}

/// Decodes a message.
///
/// # Errors
/// Says what is wrong with the bytes, or that they would take too much memory.
pub fn decode_message(descriptor: &MessageDescriptor, bytes: &[u8]) -> Result<DynamicMessage, MessageError> {
    let name = || descriptor.full_name().to_owned();
    let malformed = |error: prost::DecodeError| MessageError::Malformed { message: name(), reason: error.to_string() };
    if bytes.len() > MESSAGE_MEMORY_BYTES_MAX / BYTES_PER_BYTE_MAX {
        let mut walk = Walk { rest: bytes, left: MESSAGE_MEMORY_BYTES_MAX };
        match walk.message(descriptor, 0, None) {
            Ok(()) => {}
            Err(Stop::TooMuch) => return Err(MessageError::TooMuch { message: name() }),
            Err(Stop::Malformed(error)) => return Err(malformed(error)),
            // The decoder says better what is wrong.
            Err(Stop::Unreadable) => {}
        }
    }
    DynamicMessage::decode(descriptor.clone(), bytes).map_err(malformed)
}

enum Stop {
    TooMuch,
    Malformed(prost::DecodeError),
    Unreadable,
}

impl From<prost::DecodeError> for Stop {
    fn from(error: prost::DecodeError) -> Self {
        Self::Malformed(error)
    }
}

struct Walk<'a> {
    rest: &'a [u8],
    left: usize,
}

impl Walk<'_> {
    /// To the end of the bytes, or of the group with that number.
    fn message(&mut self, descriptor: &MessageDescriptor, depth: usize, group: Option<u32>) -> Result<(), Stop> {
        if depth > DEPTH_MAX {
            return Err(Stop::Unreadable);
        }
        self.charge(MESSAGE_BYTES)?;
        while self.rest.has_remaining() {
            let (number, wire_type) = decode_key(&mut self.rest)?;
            if wire_type == WireType::EndGroup {
                return if group == Some(number) { Ok(()) } else { Err(Stop::Unreadable) };
            }
            let field = descriptor.get_field(number);
            let members =
                field.as_ref().and_then(FieldDescriptor::containing_oneof).map_or(0, |oneof| oneof.fields().len());
            self.charge(FIELD_BYTES + members * MEMBER_BYTES)?;
            let kind = match field {
                Some(field) => Some(field.kind()),
                None => descriptor.get_extension(number).map(|extension| extension.kind()),
            };
            match (wire_type, kind) {
                (WireType::LengthDelimited, kind) => {
                    let length = decode_varint(&mut self.rest)?;
                    let content = usize::try_from(length).ok().and_then(|length| self.rest.split_off(..length));
                    let content = content.ok_or(Stop::Unreadable)?;
                    self.content(content, kind, depth)?;
                }
                (WireType::StartGroup, Some(Kind::Message(inner))) => self.message(&inner, depth + 1, Some(number))?,
                (WireType::StartGroup, _) => {
                    // Of a group that nobody knows each field is kept.
                    let before = self.rest.len();
                    skip_field(wire_type, number, &mut self.rest, DecodeContext::default())?;
                    self.charge((before - self.rest.len()).saturating_mul(FIELD_BYTES))?;
                }
                _ => skip_field(wire_type, number, &mut self.rest, DecodeContext::default())?,
            }
        }
        if group.is_some() { Err(Stop::Unreadable) } else { Ok(()) }
    }

    fn content(&mut self, content: &[u8], kind: Option<Kind>, depth: usize) -> Result<(), Stop> {
        match kind {
            Some(Kind::Message(inner)) => {
                let mut walk = Walk { rest: content, left: self.left };
                walk.message(&inner, depth + 1, None)?;
                self.left = walk.left;
                Ok(())
            }
            Some(Kind::String | Kind::Bytes) | None => self.charge(content.len()),
            // A packed list; its elements have this many bytes at least.
            Some(Kind::Double | Kind::Fixed64 | Kind::Sfixed64) => self.charge(content.len() / 8 * FIELD_BYTES),
            Some(Kind::Float | Kind::Fixed32 | Kind::Sfixed32) => self.charge(content.len() / 4 * FIELD_BYTES),
            // Each varint ends with a byte of seven bits.
            Some(_) => self.charge(content.iter().filter(|byte| **byte < 0x80).count() * FIELD_BYTES),
        }
    }

    fn charge(&mut self, bytes: usize) -> Result<(), Stop> {
        self.left = self.left.checked_sub(bytes).ok_or(Stop::TooMuch)?;
        Ok(())
    }
}
