//! What editions let each file, message and field choose.
//!
//! A choice holds for all that is inside, until something inside chooses otherwise. Whether enums are open or closed
//! makes no difference here: a number that nobody named is kept either way.
//!
//! Source: protobuf.dev, "Feature Settings for Editions".

use prost::Message;

use super::SchemaError;
use super::read::malformed;

const EDITION_2023: i32 = 1000;
const EDITION_2024: i32 = 1001;

/// The features that matter here, all of them chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Features {
    pub(super) presence: Presence,
    pub(super) is_packed: bool,
    pub(super) is_delimited: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Explicit,
    Implicit,
    Required,
}

/// As in the options of a file, message, oneof or field; zero is no choice.
#[derive(Clone, Copy, PartialEq, Message)]
struct FeatureSet {
    #[prost(int32, tag = "1")]
    field_presence: i32,
    #[prost(int32, tag = "3")]
    repeated_field_encoding: i32,
    #[prost(int32, tag = "5")]
    message_encoding: i32,
}

// The field is at another number in the options of each kind of definition.

#[derive(Clone, Copy, PartialEq, Message)]
struct FileOptions {
    #[prost(message, optional, tag = "50")]
    features: Option<FeatureSet>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct MessageOptions {
    #[prost(message, optional, tag = "12")]
    features: Option<FeatureSet>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct OneofOptions {
    #[prost(message, optional, tag = "1")]
    features: Option<FeatureSet>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct FieldOptions {
    #[prost(message, optional, tag = "21")]
    features: Option<FeatureSet>,
}

impl Features {
    /// What holds in a file of that edition that chooses nothing.
    pub(super) fn of_edition(edition: i32) -> Result<Self, String> {
        match edition {
            EDITION_2023 | EDITION_2024 => {
                Ok(Self { presence: Presence::Explicit, is_packed: true, is_delimited: false })
            }
            _ => Err(format!("edition {edition} is not supported: use 2023, 2024, proto2 or proto3")),
        }
    }

    pub(super) fn in_file(self, options: Option<&[u8]>) -> Result<Self, SchemaError> {
        let chosen = FileOptions::decode(options.unwrap_or_default()).map_err(malformed)?;
        Ok(self.with(chosen.features))
    }

    pub(super) fn in_message(self, options: Option<&[u8]>) -> Result<Self, SchemaError> {
        let chosen = MessageOptions::decode(options.unwrap_or_default()).map_err(malformed)?;
        Ok(self.with(chosen.features))
    }

    pub(super) fn in_oneof(self, options: Option<&[u8]>) -> Result<Self, SchemaError> {
        let chosen = OneofOptions::decode(options.unwrap_or_default()).map_err(malformed)?;
        Ok(self.with(chosen.features))
    }

    pub(super) fn in_field(self, options: Option<&[u8]>) -> Result<Self, SchemaError> {
        let chosen = FieldOptions::decode(options.unwrap_or_default()).map_err(malformed)?;
        Ok(self.with(chosen.features))
    }

    fn with(mut self, chosen: Option<FeatureSet>) -> Self {
        let chosen = chosen.unwrap_or_default();
        match chosen.field_presence {
            1 => self.presence = Presence::Explicit,
            2 => self.presence = Presence::Implicit,
            3 => self.presence = Presence::Required,
            _ => {}
        }
        match chosen.repeated_field_encoding {
            1 => self.is_packed = true,
            2 => self.is_packed = false,
            _ => {}
        }
        match chosen.message_encoding {
            1 => self.is_delimited = false,
            2 => self.is_delimited = true,
            _ => {}
        }
        self
    }
}
