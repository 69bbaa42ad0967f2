//! What manifests say about JSON: the section `[json]`, and the key `json` of a route.

use serde::{Deserialize, Serialize};

use super::json::{Defaults, Enums, FieldNames, JsonOptions, UnknownFields};

/// How a service's gRPC methods are spoken in JSON. What is absent is as for the service, and there as by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether members of a request that no field takes are an error: `reject`, the default, or `ignore`.
    pub unknown_fields: Option<UnknownFields>,
    /// What fields are called in responses: `json`, the default, which is lowerCamelCase, or `proto`. Requests may use both.
    pub field_names: Option<FieldNames>,
    /// How enums are written: `names`, the default, or `numbers`. Both are read.
    pub enums: Option<Enums>,
    /// Whether fields with their default value are written: `omit`, the default, or `emit`.
    pub defaults: Option<Defaults>,
    /// What errors look like: `problem`, the default, or `status`.
    pub errors: Option<Errors>,
}

/// Who decompresses messages of gRPC requests, and compresses those of answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// The host: the module gets and gives messages that are not compressed.
    #[default]
    Edge,
    /// The module itself, which gets them as they come.
    Module,
}

/// What errors look like to clients of REST.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Errors {
    /// A problem document, RFC 9457, with the gRPC code and details as members.
    #[default]
    Problem,
    /// `google.rpc.Status` in JSON, as grpc-gateway answers.
    Status,
}

impl Settings {
    /// These, and where they say nothing, what `base` says.
    #[must_use]
    pub fn over(self, base: Self) -> Self {
        Self {
            unknown_fields: self.unknown_fields.or(base.unknown_fields),
            field_names: self.field_names.or(base.field_names),
            enums: self.enums.or(base.enums),
            defaults: self.defaults.or(base.defaults),
            errors: self.errors.or(base.errors),
        }
    }

    /// How messages are read and written.
    #[must_use]
    pub fn options(self) -> JsonOptions {
        JsonOptions {
            unknown_fields: self.unknown_fields.unwrap_or_default(),
            field_names: self.field_names.unwrap_or_default(),
            enums: self.enums.unwrap_or_default(),
            defaults: self.defaults.unwrap_or_default(),
        }
    }

    /// What errors look like.
    #[must_use]
    pub fn errors(self) -> Errors {
        self.errors.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_as_for_the_service() {
        let service = Settings { enums: Some(Enums::Numbers), errors: Some(Errors::Status), ..Settings::default() };
        let route = Settings { enums: Some(Enums::Names), defaults: Some(Defaults::Emit), ..Settings::default() };
        let both = route.over(service);
        assert_eq!((both.options().enums, both.options().defaults), (Enums::Names, Defaults::Emit));
        assert_eq!((both.errors(), both.options().unknown_fields), (Errors::Status, UnknownFields::Reject));
    }
}
