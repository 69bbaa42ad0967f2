//! Fields by their names and paths.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use crate::transcode::json::FieldNames;

/// What a field is called in JSON.
pub(super) fn name_of(field: &FieldDescriptor, names: FieldNames) -> &str {
    match names {
        FieldNames::Json => field.json_name(),
        FieldNames::Proto => field.name(),
    }
}

/// A field of a message, by either of its names. The .proto file's goes first, as in rules.
pub(super) fn by_name(message: &MessageDescriptor, name: &str) -> Option<FieldDescriptor> {
    message.get_field_by_name(name).or_else(|| message.get_field_by_json_name(name))
}

/// The field that a path leads to, `book.author.name`, with those on the way.
pub(super) fn by_path(message: &MessageDescriptor, path: &str) -> Option<Vec<FieldDescriptor>> {
    let mut message = Some(message.clone());
    let mut fields = Vec::new();
    for name in path.split('.') {
        let field = by_name(&message?, name)?;
        message = match field.kind() {
            Kind::Message(inner) if !field.is_list() && !field.is_map() => Some(inner),
            _ => None,
        };
        fields.push(field);
    }
    Some(fields)
}

/// A path in the names of the .proto file, so that equal paths are equal text.
pub(super) fn canonical(path: &[FieldDescriptor]) -> String {
    let names: Vec<&str> = path.iter().map(FieldDescriptor::name).collect();
    names.join(".")
}

/// What a field's `oneof` means for it, if it is in one. The members are not listed here: that would be all of them for
/// each of them.
pub(super) fn oneof_note(field: &FieldDescriptor) -> String {
    match field.containing_oneof().filter(|oneof| !oneof.is_synthetic()) {
        Some(oneof) => format!("Only one of `{}` can be set.", oneof.name()),
        None => String::new(),
    }
}
