//! The update mask of a PATCH whose client gave none: the fields that its body has.
//!
//! As in grpc-gateway, masks are of leaves: a message in the body counts by its fields. Maps, repeated fields and
//! well-known types are leaves, and so is a message that is empty or `null`: both say something about it as a whole.

use std::collections::BTreeSet;
use std::fmt;

use prost_reflect::{DynamicMessage, FieldDescriptor, MessageDescriptor, Value};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::error::BindError;
use super::fields::{by_name, message_of};

/// The field that is filled.
pub(super) const FIELD: &str = "update_mask";

/// How long all paths of an automatic mask may be together. Paths repeat the names that lead to them, so that a small body
/// could make a very large mask.
pub const MASK_BYTES_MAX: usize = 64 * 1024;

/// The field of a request that holds a mask: `update_mask`, if it is one.
pub(super) fn field_of(request: &MessageDescriptor) -> Option<FieldDescriptor> {
    let field = request.get_field_by_name(FIELD).filter(|field| !field.is_list())?;
    message_of(&field).filter(|message| message.full_name() == "google.protobuf.FieldMask")?;
    Some(field)
}

/// Whether a request has a mask with at least one path.
pub(super) fn is_given(request: &DynamicMessage, field: &FieldDescriptor) -> bool {
    match request.get_field(field).as_ref() {
        Value::Message(mask) => mask.get_field_by_number(1).is_some_and(|paths| match paths.as_ref() {
            Value::List(paths) => !paths.is_empty(),
            _ => false,
        }),
        _ => false,
    }
}

/// Puts a mask into a request.
pub(super) fn set(
    request: &mut DynamicMessage,
    field: &FieldDescriptor,
    paths: BTreeSet<String>,
) -> Result<(), BindError> {
    let misfit = || BindError::value(FIELD, "is no field mask");
    let mut mask = DynamicMessage::new(message_of(field).ok_or_else(misfit)?);
    let paths = Value::List(paths.into_iter().map(Value::String).collect());
    mask.try_set_field_by_number(1, paths).map_err(|_| misfit())?;
    request.try_set_field(field, Value::Message(mask)).map_err(|_| misfit())
}

/// The fields of a message that some JSON has, in the names of the .proto file. What no field takes is left out.
///
/// # Errors
/// They are longer than [`MASK_BYTES_MAX`], or it is no JSON.
pub(super) fn paths(message: &MessageDescriptor, json: &[u8]) -> Result<BTreeSet<String>, BindError> {
    let mut found = Paths { at: String::new(), paths: BTreeSet::new(), bytes: 0 };
    let level = Level { message, found: &mut found };
    let read = level.deserialize(&mut serde_json::Deserializer::from_slice(json));
    read.map_err(|error| BindError::value(FIELD, error))?;
    Ok(found.paths)
}

struct Paths {
    /// The path of the message or field that is read.
    at: String,
    paths: BTreeSet<String>,
    bytes: usize,
}

impl Paths {
    /// Adds the path where reading is.
    fn add<E: Error>(&mut self) -> Result<(), E> {
        if self.at.is_empty() || self.paths.contains(&self.at) {
            return Ok(());
        }
        self.bytes += self.at.len();
        if self.bytes > MASK_BYTES_MAX {
            let reason = format!("the body has more fields than fit into a mask of {MASK_BYTES_MAX} bytes: give one");
            return Err(E::custom(reason));
        }
        self.paths.insert(self.at.clone());
        Ok(())
    }
}

/// Reads what should be a message.
struct Level<'a> {
    message: &'a MessageDescriptor,
    found: &'a mut Paths,
}

impl<'de> DeserializeSeed<'de> for Level<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Level { message, found } = self;
        let mut empty = true;
        while let Some(name) = map.next_key::<String>()? {
            empty = false;
            let Some(field) = by_name(message, &name) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let outer = found.at.len();
            if outer > 0 {
                found.at.push('.');
            }
            found.at.push_str(field.name());
            match inner(&field) {
                Some(message) => map.next_value_seed(Level { message: &message, found: &mut *found })?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                    found.add()?;
                }
            }
            found.at.truncate(outer);
        }
        if empty { found.add() } else { Ok(()) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        self.found.add()
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.found.add()
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.found.add()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.found.add()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.found.add()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.found.add()
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        self.found.add()
    }
}

/// The message of a field that counts by its fields.
fn inner(field: &FieldDescriptor) -> Option<MessageDescriptor> {
    let message = message_of(field).filter(|_| !field.is_list() && !field.is_map())?;
    (!message.full_name().starts_with("google.protobuf.")).then_some(message)
}

#[cfg(test)]
mod tests;
