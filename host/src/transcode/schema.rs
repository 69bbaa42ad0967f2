//! What the descriptors of a module say, ready for use.
//!
//! Descriptors come with a module, from whoever wrote it. So they are not given to the library that reads them as they
//! are: they are read here, bounded, checked and rewritten first. That keeps from it what makes it panic or run away
//! (an unknown syntax, imports in a circle, maps without a key, several extensions of one number), and lets it read
//! editions, which it does not know.
//!
//! What is left out, as nothing at run time asks for it: extensions of `google.protobuf`'s own messages (custom options
//! stay where they are, as unknown fields of the options), reserved numbers and names, weak and public imports (what
//! these make visible is imported instead), comments beyond [`COMMENTS_MAX`]. An import that is missing is an error only
//! when a type of it is used. Files of `google/protobuf/` that the host has are its own, whatever the set says.
//!
//! Source: protobuf's `descriptor.proto`; protobuf.dev, "Feature Settings for Editions"; google.api's `http.proto`.

mod build;
mod canonical;
mod check;
mod features;
#[cfg(test)]
pub(crate) mod fixture;
mod message;
mod proto;
mod read;
mod rules;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use prost_reflect::{DescriptorPool, MessageDescriptor, MethodDescriptor, ServiceDescriptor};

pub use self::message::{MESSAGE_MEMORY_BYTES_MAX, MessageError, decode_message};
pub use self::read::{FILES_MAX, NESTING_MAX, PARTS_MAX, SET_BYTES_MAX};
pub use self::rules::{BINDINGS_MAX, PATTERN_BYTES_MAX, rules};

/// The longest name of anything with its package and what it is in, and of a file, in bytes.
pub const NAME_BYTES_MAX: usize = 512;

/// All such names together.
pub const NAMES_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Imports of all files together, with those that public imports bring along.
pub const IMPORTS_MAX: usize = 100_000;

/// Fields of a oneof. Each time one is set, the others are looked at.
pub const ONEOF_FIELDS_MAX: usize = 512;

/// Extensions of one message, and ranges for them. Each time an unknown field comes, all are looked at.
pub const EXTENSIONS_MAX: usize = 128;

/// The longest default value, in bytes. It is copied each time a field is looked at.
pub const DEFAULT_BYTES_MAX: usize = 1024;

/// The options of one definition, in bytes.
pub const OPTIONS_BYTES_MAX: usize = 64 * 1024;

/// Comments that are kept; those after are dropped.
pub const COMMENTS_MAX: usize = 20_000;

/// What is wrong with a set of descriptors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// The bytes are no set.
    #[error("not a FileDescriptorSet: {reason}")]
    Malformed {
        /// What is wrong with them.
        reason: String,
    },
    /// More of something than there may be.
    #[error("{place}: more than {max} {what}")]
    TooMuch {
        /// The file, message or the like.
        place: String,
        /// What there is too much of.
        what: &'static str,
        /// How much of it there may be.
        max: usize,
    },
    /// A definition that makes no sense.
    #[error("{place}: {reason}")]
    Invalid {
        /// The file, and the message or the like in it.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A `google.api.http` rule that makes no sense.
    #[error("the HTTP rule of {method}: {reason}")]
    Rule {
        /// `/package.Service/Method`.
        method: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// The descriptors of a module: messages, services, and how their methods are reached over HTTP.
pub struct Schema {
    pool: DescriptorPool,
    /// Sorted by path.
    methods: Vec<Arc<Method>>,
    by_path: HashMap<Arc<str>, Arc<Method>>,
}

/// A method of a service.
#[derive(Clone)]
pub struct Method {
    /// `/package.Service/Method`.
    pub path: Arc<str>,
    pub descriptor: MethodDescriptor,
    pub input: MessageDescriptor,
    pub output: MessageDescriptor,
    pub client_streaming: bool,
    pub server_streaming: bool,
    /// `idempotency_level = NO_SIDE_EFFECTS`.
    pub no_side_effects: bool,
    /// Those of `google.api.http`.
    pub rules: Vec<HttpRule>,
}

/// One binding of `google.api.http`; those in `additional_bindings` follow the one they are in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRule {
    /// Also one of a `custom` pattern.
    pub method: http::Method,
    /// As written: `/v1/{name=shelves/*}`.
    pub template: String,
    pub body: RuleBody,
    /// The field of the response that becomes the body; `None` is the whole message.
    pub response_body: Option<String>,
}

/// What of a request's message comes from the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleBody {
    /// Nothing.
    None,
    /// All that is not in the path.
    Whole,
    /// This field.
    Field(String),
}

impl Schema {
    /// Reads an encoded `FileDescriptorSet`.
    ///
    /// # Errors
    /// Says which file and which definition in it is wrong, or too large.
    pub fn decode(set: &[u8]) -> Result<Self, SchemaError> {
        build::schema(set)
    }

    /// All types, and those of `google.protobuf`.
    #[must_use]
    pub const fn pool(&self) -> &DescriptorPool {
        &self.pool
    }

    /// All services, in the order of the set.
    pub fn services(&self) -> impl Iterator<Item = ServiceDescriptor> + '_ {
        self.pool.services()
    }

    /// All methods, sorted by path.
    pub fn methods(&self) -> impl Iterator<Item = &Arc<Method>> {
        self.methods.iter()
    }

    /// The method at `/package.Service/Method`.
    #[must_use]
    pub fn method(&self, path: &str) -> Option<&Arc<Method>> {
        self.by_path.get(path)
    }
}

// Not derived: the library prints each type with all types in it, without an end where they refer to each other.

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema").field("methods", &self.methods).finish_non_exhaustive()
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Method").field("path", &self.path).field("rules", &self.rules).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
