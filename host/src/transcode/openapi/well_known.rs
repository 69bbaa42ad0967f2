//! Messages that have a JSON form of their own, which is described where they are used.

use prost_reflect::{EnumDescriptor, MessageDescriptor};
use serde_json::{Value, json};

/// How such a message looks in a path or a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As a text.
    Text,
    /// As JSON.
    Json,
    /// Not at all.
    None,
}

/// The schema of a message that has a form of its own.
pub(super) fn schema(message: &MessageDescriptor) -> Option<Value> {
    let schema = match message.full_name().strip_prefix("google.protobuf.")? {
        "Any" => any(),
        "Duration" => json!({
            "type": "string",
            "pattern": "^-?[0-9]+(\\.[0-9]{1,9})?s$",
            "description": "Seconds, as `1.5s`."
        }),
        "Empty" | "Struct" => json!({ "type": "object" }),
        "FieldMask" => json!({
            "type": "string",
            "format": "field-mask",
            "description": "Paths of fields, with commas between."
        }),
        "ListValue" => json!({ "type": "array", "items": {} }),
        "Timestamp" => json!({ "type": "string", "format": "date-time" }),
        "Value" => json!({}),
        "BoolValue" => json!({ "type": ["boolean", "null"] }),
        "BytesValue" => json!({ "type": ["string", "null"], "contentEncoding": "base64", "format": "byte" }),
        "DoubleValue" => json!({ "type": ["number", "null"], "format": "double" }),
        "FloatValue" => json!({ "type": ["number", "null"], "format": "float" }),
        "Int32Value" => json!({ "type": ["integer", "null"], "format": "int32" }),
        "Int64Value" => json!({ "type": ["string", "null"], "format": "int64" }),
        "StringValue" => json!({ "type": ["string", "null"] }),
        "UInt32Value" => json!({ "type": ["integer", "null"], "format": "uint32", "minimum": 0 }),
        "UInt64Value" => json!({ "type": ["string", "null"], "format": "uint64" }),
        _ => return None,
    };
    Some(schema)
}

/// The schema of `google.protobuf.Any`. An empty one has no `@type`.
pub(super) fn any() -> Value {
    json!({
        "type": "object",
        "description": "A message of any type: `@type` says which, and its fields are beside that. What is not written \
                        as an object is in `value`.",
        "properties": { "@type": {
            "type": "string",
            "description": "Ends in the name of the type: `type.googleapis.com/package.Message`."
        } },
        "additionalProperties": true
    })
}

/// How a message is given in a path or a query.
pub(super) fn form(message: &MessageDescriptor) -> Form {
    match message.full_name().strip_prefix("google.protobuf.") {
        Some("Struct" | "Value" | "ListValue") => Form::Json,
        Some("Any" | "Empty") | None => Form::None,
        Some(_) if schema(message).is_some() => Form::Text,
        Some(_) => Form::None,
    }
}

pub(super) fn is_null_value(descriptor: &EnumDescriptor) -> bool {
    descriptor.full_name() == "google.protobuf.NullValue"
}

/// Whether messages of a type are the body itself, and not JSON.
pub(super) fn is_http_body(message: &MessageDescriptor) -> bool {
    message.full_name() == "google.api.HttpBody"
}
