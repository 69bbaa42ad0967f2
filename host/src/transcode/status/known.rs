//! The messages of `google.rpc` that say more about an error: known here, so that they can be read in JSON whatever a
//! module's descriptors have.
//!
//! Source: `google/rpc/error_details.proto`, for names and numbers.

use std::sync::LazyLock;

use prost::Message;
use prost_reflect::DescriptorPool;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{Any, DescriptorProto, FieldDescriptorProto, FileDescriptorProto, MessageOptions};

/// What comes before a type's name in an `Any`.
pub(in crate::transcode) const TYPE_URL_PREFIX: &str = "type.googleapis.com/";

/// What a field is.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Texts,
    TextMap,
    Int64,
    /// A number that may be absent, which is not zero.
    OptionalInt64,
    One(&'static str),
    Many(&'static str),
}

use Kind::{Int64, Many, One, OptionalInt64, Text, TextMap, Texts};

type Fields = &'static [(&'static str, i32, Kind)];

/// Messages by name, those within others with the other's name in front.
const MESSAGES: &[(&str, Fields)] = &[
    ("ErrorInfo", &[("reason", 1, Text), ("domain", 2, Text), ("metadata", 3, TextMap)]),
    ("RetryInfo", &[("retry_delay", 1, One("google.protobuf.Duration"))]),
    ("DebugInfo", &[("stack_entries", 1, Texts), ("detail", 2, Text)]),
    ("QuotaFailure", &[("violations", 1, Many("google.rpc.QuotaFailure.Violation"))]),
    (
        "QuotaFailure.Violation",
        &[
            ("subject", 1, Text),
            ("description", 2, Text),
            ("api_service", 3, Text),
            ("quota_metric", 4, Text),
            ("quota_id", 5, Text),
            ("quota_dimensions", 6, TextMap),
            ("quota_value", 7, Int64),
            ("future_quota_value", 8, OptionalInt64),
        ],
    ),
    ("PreconditionFailure", &[("violations", 1, Many("google.rpc.PreconditionFailure.Violation"))]),
    ("PreconditionFailure.Violation", &[("type", 1, Text), ("subject", 2, Text), ("description", 3, Text)]),
    ("BadRequest", &[("field_violations", 1, Many("google.rpc.BadRequest.FieldViolation"))]),
    (
        "BadRequest.FieldViolation",
        &[
            ("field", 1, Text),
            ("description", 2, Text),
            ("reason", 3, Text),
            ("localized_message", 4, One("google.rpc.LocalizedMessage")),
        ],
    ),
    ("RequestInfo", &[("request_id", 1, Text), ("serving_data", 2, Text)]),
    (
        "ResourceInfo",
        &[("resource_type", 1, Text), ("resource_name", 2, Text), ("owner", 3, Text), ("description", 4, Text)],
    ),
    ("Help", &[("links", 1, Many("google.rpc.Help.Link"))]),
    ("Help.Link", &[("description", 1, Text), ("url", 2, Text)]),
    ("LocalizedMessage", &[("locale", 1, Text), ("message", 2, Text)]),
];

/// The descriptors of all of them, and of protobuf's own messages.
pub(super) fn pool() -> &'static DescriptorPool {
    static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
        let mut pool = DescriptorPool::global();
        // A test shows that it can be added; without it details would be base64.
        let _ = pool.add_file_descriptor_proto(file());
        pool
    });
    &POOL
}

fn file() -> FileDescriptorProto {
    let mut file = FileDescriptorProto {
        name: Some("google/rpc/error_details.proto".to_owned()),
        package: Some("google.rpc".to_owned()),
        dependency: vec!["google/protobuf/duration.proto".to_owned()],
        syntax: Some("proto3".to_owned()),
        ..Default::default()
    };
    for (name, fields) in MESSAGES {
        match name.split_once('.') {
            None => file.message_type.push(message(name, name, fields)),
            Some((outer, inner)) => {
                let within = file.message_type.iter_mut().find(|message| message.name() == outer);
                if let Some(outer) = within {
                    outer.nested_type.push(message(name, inner, fields));
                }
            }
        }
    }
    file
}

fn message(path: &str, name: &str, fields: Fields) -> DescriptorProto {
    let mut message = DescriptorProto { name: Some(name.to_owned()), ..Default::default() };
    for (name, number, kind) in fields {
        let mut field = field(name, *number, *kind);
        match kind {
            TextMap => {
                let entry = format!("{}Entry", camel(name));
                field.type_name = Some(format!(".google.rpc.{path}.{entry}"));
                message.nested_type.push(DescriptorProto {
                    name: Some(entry),
                    field: vec![self::field("key", 1, Text), self::field("value", 2, Text)],
                    options: Some(MessageOptions { map_entry: Some(true), ..Default::default() }),
                    ..Default::default()
                });
            }
            OptionalInt64 => {
                field.proto3_optional = Some(true);
                field.oneof_index = i32::try_from(message.oneof_decl.len()).ok();
                let name = Some(format!("_{name}"));
                message.oneof_decl.push(prost_types::OneofDescriptorProto { name, options: None });
            }
            _ => {}
        }
        message.field.push(field);
    }
    message
}

fn field(name: &str, number: i32, kind: Kind) -> FieldDescriptorProto {
    let (label, r#type, type_name) = match kind {
        Text => (Label::Optional, Type::String, None),
        Texts => (Label::Repeated, Type::String, None),
        Int64 | OptionalInt64 => (Label::Optional, Type::Int64, None),
        TextMap => (Label::Repeated, Type::Message, None),
        One(name) => (Label::Optional, Type::Message, Some(format!(".{name}"))),
        Many(name) => (Label::Repeated, Type::Message, Some(format!(".{name}"))),
    };
    FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        label: Some(label.into()),
        r#type: Some(r#type.into()),
        type_name,
        ..Default::default()
    }
}

/// `quota_dimensions` as `QuotaDimensions`.
fn camel(name: &str) -> String {
    let capital = |word: &str| {
        let mut characters = word.chars();
        characters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(characters).collect::<String>()
    };
    name.split('_').map(capital).collect()
}

/// `google.rpc.BadRequest`, as far as it is written here.
#[derive(Clone, PartialEq, Message)]
struct BadRequest {
    #[prost(message, repeated, tag = "1")]
    field_violations: Vec<FieldViolation>,
}

#[derive(Clone, PartialEq, Message)]
struct FieldViolation {
    #[prost(string, tag = "1")]
    field: String,
    #[prost(string, tag = "2")]
    description: String,
}

/// A `google.rpc.BadRequest` as a detail: which fields of a request are wrong, and what is wrong with each.
pub fn bad_request<F, D>(violations: impl IntoIterator<Item = (F, D)>) -> Any
where
    F: Into<String>,
    D: Into<String>,
{
    let violation =
        |(field, description): (F, D)| FieldViolation { field: field.into(), description: description.into() };
    let message = BadRequest { field_violations: violations.into_iter().map(violation).collect() };
    Any { type_url: format!("{TYPE_URL_PREFIX}google.rpc.BadRequest"), value: message.encode_to_vec() }
}
