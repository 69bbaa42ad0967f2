//! What can only be checked once types are known: that maps are maps.

use prost_reflect::{Cardinality, DescriptorPool, Kind, MessageDescriptor};

use super::SchemaError;

/// The numbers of an entry's key and value.
const KEY: u32 = 1;
const VALUE: u32 = 2;

pub(super) fn check(pool: &DescriptorPool) -> Result<(), SchemaError> {
    for message in pool.all_messages() {
        if message.is_map_entry() {
            check_entry(&message)?;
        }
        for field in message.fields() {
            let Kind::Message(entry) = field.kind() else { continue };
            let is_map = field.cardinality() == Cardinality::Repeated
                && !field.is_group()
                && entry.parent_message().as_ref() == Some(&message);
            if entry.is_map_entry() && !is_map {
                return Err(invalid(field.full_name(), "its type is the entry of a map elsewhere"));
            }
        }
    }
    for extension in pool.all_extensions() {
        if matches!(extension.kind(), Kind::Message(entry) if entry.is_map_entry()) {
            return Err(invalid(extension.full_name(), "an extension cannot be a map"));
        }
    }
    for method in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
        if method.input().is_map_entry() || method.output().is_map_entry() {
            return Err(invalid(method.full_name(), "the entry of a map cannot be a request or response"));
        }
    }
    Ok(())
}

fn check_entry(entry: &MessageDescriptor) -> Result<(), SchemaError> {
    let fields = || entry.fields();
    let is_pair = fields().len() == 2 && fields().all(|field| [KEY, VALUE].contains(&field.number()));
    let is_plain = fields().all(|field| {
        field.cardinality() == Cardinality::Optional && field.containing_oneof().is_none() && !field.is_group()
    });
    let has_key = fields().any(|field| {
        let is_key =
            !matches!(field.kind(), Kind::Double | Kind::Float | Kind::Bytes | Kind::Message(_) | Kind::Enum(_));
        field.number() == KEY && is_key
    });
    if is_pair && is_plain && has_key && entry.extension_ranges().len() == 0 {
        Ok(())
    } else {
        Err(invalid(entry.full_name(), "marked as the entry of a map, but not like one"))
    }
}

fn invalid(name: &str, reason: &str) -> SchemaError {
    SchemaError::Invalid { place: format!("`{name}`"), reason: reason.to_owned() }
}
