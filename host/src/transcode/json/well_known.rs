//! The messages that have a JSON form of their own.

use prost_reflect::{EnumDescriptor, Kind, MessageDescriptor};

/// A message of `google.protobuf` that is not written as an object of its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WellKnown {
    Any,
    Duration,
    FieldMask,
    ListValue,
    Struct,
    Timestamp,
    Value,
    /// `Int32Value` and the like: written as what is inside.
    Wrapper,
}

impl WellKnown {
    pub(super) fn of(message: &MessageDescriptor) -> Option<Self> {
        Some(match message.full_name().strip_prefix("google.protobuf.")? {
            "Any" => Self::Any,
            "Duration" => Self::Duration,
            "FieldMask" => Self::FieldMask,
            "ListValue" => Self::ListValue,
            "Struct" => Self::Struct,
            "Timestamp" => Self::Timestamp,
            "Value" => Self::Value,
            "BoolValue" | "BytesValue" | "DoubleValue" | "FloatValue" | "Int32Value" | "Int64Value" | "StringValue"
            | "UInt32Value" | "UInt64Value" => Self::Wrapper,
            _ => return None,
        })
    }
}

/// The members of `google.protobuf.Value`'s oneof, by their numbers.
pub(super) mod value {
    pub(in crate::transcode::json) const NULL: u32 = 1;
    pub(in crate::transcode::json) const NUMBER: u32 = 2;
    pub(in crate::transcode::json) const STRING: u32 = 3;
    pub(in crate::transcode::json) const BOOL: u32 = 4;
    pub(in crate::transcode::json) const STRUCT: u32 = 5;
    pub(in crate::transcode::json) const LIST: u32 = 6;
}

/// The member of an `Any` that names its type.
pub(super) const TYPE: &str = "@type";

/// The member of an `Any` with what has a JSON form of its own.
pub(super) const VALUE: &str = "value";

/// Has no JSON form of its own, but some senders think so.
pub(super) const EMPTY: &str = "google.protobuf.Empty";

pub(super) fn is_null_value(descriptor: &EnumDescriptor) -> bool {
    descriptor.full_name() == "google.protobuf.NullValue"
}

/// Whether `null` is a value of this kind, and not the absence of one.
pub(super) fn has_null(kind: &Kind) -> bool {
    match kind {
        Kind::Message(message) => WellKnown::of(message) == Some(WellKnown::Value),
        Kind::Enum(descriptor) => is_null_value(descriptor),
        _ => false,
    }
}

/// The message's name in a type URL: what follows the last slash.
pub(super) fn type_name(url: &str) -> Option<&str> {
    url.rsplit_once('/').map(|(_, name)| name).filter(|name| !name.is_empty())
}
