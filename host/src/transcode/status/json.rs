//! A status and its details in JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use prost_types::Any;
use serde_json::{Map, Value, json};

use super::GrpcStatus;
use super::known;
use crate::transcode::json::{JsonOptions, to_json};

/// Messages whose JSON is not that of their fields: within an `Any` it is the member `value`.
///
/// Source: the protobuf documentation, "ProtoJSON Format".
const SPECIAL: [&str; 16] = [
    "Any",
    "BoolValue",
    "BytesValue",
    "DoubleValue",
    "Duration",
    "FieldMask",
    "FloatValue",
    "Int32Value",
    "Int64Value",
    "ListValue",
    "StringValue",
    "Struct",
    "Timestamp",
    "UInt32Value",
    "UInt64Value",
    "Value",
];

impl GrpcStatus {
    /// The status as `google.rpc.Status` in JSON: `{"code": 5, "message": "...", "details": [{"@type": "...", ...}]}`.
    ///
    /// Details whose type neither `types` knows nor `google.rpc` has are their bytes: `{"@type": "...", "value": "..."}`
    /// with base64.
    pub fn to_json(&self, types: Option<&DescriptorPool>) -> Vec<u8> {
        let status = json!({
            "code": self.number,
            "message": self.message,
            "details": self.details_json(types),
        });
        // A value always serialises.
        serde_json::to_vec(&status).unwrap_or_default()
    }

    /// What a problem document (RFC 9457) says besides its own members: `code`, the name of the code, and `details` as in
    /// [`GrpcStatus::to_json`] when there are any.
    pub fn problem_members(&self, types: Option<&DescriptorPool>) -> Map<String, Value> {
        let mut members = Map::new();
        members.insert("code".to_owned(), self.code().name().into());
        if !self.details.is_empty() {
            members.insert("details".to_owned(), self.details_json(types).into());
        }
        members
    }

    fn details_json(&self, types: Option<&DescriptorPool>) -> Vec<Value> {
        self.details.iter().map(|detail| any_json(detail, types)).collect()
    }
}

fn any_json(any: &Any, types: Option<&DescriptorPool>) -> Value {
    let at_type = ("@type".to_owned(), Value::from(&*any.type_url));
    match rendered(any, types) {
        Some((descriptor, Value::Object(mut members))) if !is_special(&descriptor) => {
            members.extend([at_type]);
            Value::Object(members)
        }
        Some((_, value)) => Value::Object(Map::from_iter([at_type, ("value".to_owned(), value)])),
        None => Value::Object(Map::from_iter([at_type, ("value".to_owned(), STANDARD.encode(&any.value).into())])),
    }
}

fn is_special(descriptor: &MessageDescriptor) -> bool {
    descriptor.full_name().strip_prefix("google.protobuf.").is_some_and(|name| SPECIAL.contains(&name))
}

/// The name of the type of a message in an `Any`.
pub(in crate::transcode) fn type_name(any: &Any) -> &str {
    any.type_url.rsplit_once('/').map_or(&*any.type_url, |(_, name)| name)
}

/// The message within an `Any` as JSON of its own, when its type is known and it is one of that type.
pub(in crate::transcode) fn rendered(any: &Any, types: Option<&DescriptorPool>) -> Option<(MessageDescriptor, Value)> {
    let name = type_name(any);
    let in_types = types.and_then(|pool| pool.get_message_by_name(name));
    let descriptor = in_types.or_else(|| known::pool().get_message_by_name(name))?;
    let message = DynamicMessage::decode(descriptor.clone(), &*any.value).ok()?;
    let mut text = Vec::new();
    to_json(&message, JsonOptions::default(), &mut text).ok()?;
    Some((descriptor, serde_json::from_slice(&text).ok()?))
}
