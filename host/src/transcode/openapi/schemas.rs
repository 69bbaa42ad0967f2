//! Schemas of messages, enums and fields.

use std::collections::{HashMap, HashSet, VecDeque};

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::notes::Notes;
use super::{fields, text, well_known};
use crate::transcode::json::{Enums, JsonOptions};

/// What references to schemas begin with.
pub(super) const SCHEMAS: &str = "#/components/schemas/";

/// A type with a schema of its own.
#[derive(Clone, Debug)]
pub(super) enum Type {
    Message(MessageDescriptor),
    Enum(EnumDescriptor),
}

/// Makes schemas, and keeps in mind which types they refer to.
pub(super) struct Schemas<'a> {
    pub(super) notes: &'a Notes,
    pub(super) json: JsonOptions,
    /// The names of types in the document, by their full names.
    names: HashMap<String, String>,
    taken: HashSet<String>,
    /// Types that were referred to, in that order, and are not made yet.
    waiting: VecDeque<(String, Type)>,
}

impl<'a> Schemas<'a> {
    pub(super) fn new(notes: &'a Notes, json: JsonOptions) -> Self {
        Self { notes, json, names: HashMap::new(), taken: HashSet::new(), waiting: VecDeque::new() }
    }

    /// The next type that was referred to, with its name.
    pub(super) fn next(&mut self) -> Option<(String, Type)> {
        self.waiting.pop_front()
    }

    /// The schema of a type, which others refer to.
    pub(super) fn definition(&mut self, definition: &Type) -> Value {
        match definition {
            Type::Message(message) => self.object(message, &[]),
            Type::Enum(descriptor) => self.enumeration(descriptor),
        }
    }

    /// A message where it is used.
    pub(super) fn message(&mut self, message: &MessageDescriptor) -> Value {
        match well_known::schema(message) {
            Some(schema) => schema,
            None => self.reference(message.full_name(), || Type::Message(message.clone())),
        }
    }

    /// A message without some of its fields, which are given elsewhere.
    pub(super) fn message_without(&mut self, message: &MessageDescriptor, without: &[FieldDescriptor]) -> Value {
        match without {
            [] => self.message(message),
            _ => well_known::schema(message).unwrap_or_else(|| self.object(message, without)),
        }
    }

    /// A field's value, also where there are many.
    pub(super) fn field(&mut self, field: &FieldDescriptor) -> Value {
        let kind = field.kind();
        if field.is_list() {
            return json!({ "type": "array", "items": self.single(&kind) });
        }
        match kind.as_message().filter(|_| field.is_map()) {
            Some(entry) => self.map(entry),
            None => self.single(&kind),
        }
    }

    /// One value of a kind.
    pub(super) fn single(&mut self, kind: &Kind) -> Value {
        match kind {
            Kind::Double => json!({ "type": "number", "format": "double" }),
            Kind::Float => json!({ "type": "number", "format": "float" }),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => json!({ "type": "integer", "format": "int32" }),
            Kind::Uint32 | Kind::Fixed32 => json!({ "type": "integer", "format": "uint32", "minimum": 0 }),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => json!({ "type": "string", "format": "int64" }),
            Kind::Uint64 | Kind::Fixed64 => json!({ "type": "string", "format": "uint64" }),
            Kind::Bool => json!({ "type": "boolean" }),
            Kind::String => json!({ "type": "string" }),
            Kind::Bytes => json!({ "type": "string", "contentEncoding": "base64", "format": "byte" }),
            Kind::Enum(descriptor) if well_known::is_null_value(descriptor) => json!({ "type": "null" }),
            Kind::Enum(descriptor) => self.reference(descriptor.full_name(), || Type::Enum(descriptor.clone())),
            Kind::Message(message) => self.message(message),
        }
    }

    fn map(&mut self, entry: &MessageDescriptor) -> Value {
        let value = self.single(&entry.map_entry_value_field().kind());
        let mut schema = json!({ "type": "object", "additionalProperties": value });
        let keys = match entry.map_entry_key_field().kind() {
            Kind::String => return schema,
            Kind::Bool => json!({ "enum": ["true", "false"] }),
            _ => json!({ "pattern": "^-?[0-9]+$" }),
        };
        if let Some(schema) = schema.as_object_mut() {
            schema.insert("propertyNames".to_owned(), keys);
        }
        schema
    }

    fn reference(&mut self, full_name: &str, definition: impl FnOnce() -> Type) -> Value {
        let name = match self.names.get(full_name) {
            Some(name) => name.clone(),
            None => {
                let mut name = text::plain(full_name);
                while !self.taken.insert(name.clone()) {
                    name.push('_');
                }
                self.names.insert(full_name.to_owned(), name.clone());
                self.waiting.push_back((name.clone(), definition()));
                name
            }
        };
        json!({ "$ref": format!("{SCHEMAS}{name}") })
    }

    fn object(&mut self, message: &MessageDescriptor, without: &[FieldDescriptor]) -> Value {
        let style = self.json.field_names;
        let file = message.parent_file();
        let mut properties = Map::new();
        let mut required = Vec::new();
        for field in message.fields().filter(|field| !without.contains(field)) {
            let behavior = self.notes.behavior(&file, field.path());
            let name = fields::name_of(&field, style);
            if field.is_required() || behavior.is_required {
                required.push(Value::from(name));
            }
            let mut property = self.field(&field);
            if let Some(property) = property.as_object_mut() {
                let own = property.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
                let comment = self.notes.comment(&file, field.path());
                describe(property, [comment, own, fields::oneof_note(&field)]);
                flag(property, "deprecated", is_deprecated(&field));
                flag(property, "readOnly", behavior.is_output_only);
                flag(property, "writeOnly", behavior.is_input_only);
            }
            properties.insert(name.to_owned(), property);
        }
        let mut schema = Map::new();
        schema.insert("type".to_owned(), "object".into());
        describe(&mut schema, [self.notes.comment(&file, message.path())]);
        let options = message.descriptor_proto().options.as_ref();
        flag(&mut schema, "deprecated", options.is_some_and(|options| options.deprecated()));
        if !properties.is_empty() {
            schema.insert("properties".to_owned(), properties.into());
        }
        if !required.is_empty() {
            schema.insert("required".to_owned(), required.into());
        }
        let oneofs = oneofs(message, without, self.json);
        if !oneofs.is_empty() {
            schema.insert("x-oneof".to_owned(), oneofs.into());
        }
        schema.into()
    }

    fn enumeration(&self, descriptor: &EnumDescriptor) -> Value {
        let file = descriptor.parent_file();
        let declared = &descriptor.enum_descriptor_proto().value;
        let by_number = self.json.enums == Enums::Numbers;
        // As declared: the descriptor has them sorted, and would look for each.
        let comments = (0..).zip(declared).filter_map(|(index, value)| {
            let place: Vec<i32> = descriptor.path().iter().copied().chain([2, index]).collect();
            let comment = self.notes.comment(&file, &place).replace('\n', " ");
            match (by_number, comment.as_str()) {
                (false, "") => None,
                (false, _) => Some(format!("- `{}`: {comment}", value.name())),
                (true, "") => Some(format!("- {}: `{}`", value.number(), value.name())),
                (true, _) => Some(format!("- {}: `{}`: {comment}", value.number(), value.name())),
            }
        });
        let comments = comments.collect::<Vec<_>>().join("\n");
        let mut schema = Map::new();
        if by_number {
            schema.insert("type".to_owned(), "integer".into());
            schema.insert("format".to_owned(), "int32".into());
        } else {
            let names: Vec<&str> = declared.iter().map(|value| value.name()).collect();
            schema.insert("type".to_owned(), "string".into());
            schema.insert("enum".to_owned(), names.into());
        }
        describe(&mut schema, [self.notes.comment(&file, descriptor.path()), comments]);
        let options = descriptor.enum_descriptor_proto().options.as_ref();
        flag(&mut schema, "deprecated", options.is_some_and(|options| options.deprecated()));
        schema.into()
    }
}

/// The names of the members of each `oneof`.
fn oneofs(message: &MessageDescriptor, without: &[FieldDescriptor], json: JsonOptions) -> Map<String, Value> {
    let real = message.oneofs().filter(|oneof| !oneof.is_synthetic());
    let named = real.map(|oneof| {
        let members = oneof.fields().filter(|field| !without.contains(field));
        let names = members.map(|field| Value::from(fields::name_of(&field, json.field_names)));
        (oneof.name().to_owned(), Value::Array(names.collect()))
    });
    named.collect()
}

/// Sets the description, if there is something to say.
pub(super) fn describe<T: AsRef<str>>(of: &mut Map<String, Value>, texts: impl IntoIterator<Item = T>) {
    if let Some(description) = text::paragraphs(texts) {
        of.insert("description".to_owned(), description.into());
    }
}

/// Says that something is so, if it is.
pub(super) fn flag(of: &mut Map<String, Value>, name: &str, is: bool) {
    if is {
        of.insert(name.to_owned(), true.into());
    }
}

pub(super) fn is_deprecated(field: &FieldDescriptor) -> bool {
    field.field_descriptor_proto().options.as_ref().is_some_and(|options| options.deprecated())
}
