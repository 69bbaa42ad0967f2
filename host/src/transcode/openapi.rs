//! What methods look like to clients of JSON over HTTP, as OpenAPI 3.1, and a page to browse and try them.
//!
//! [`document`] describes the methods of one service or of many. Each binding of `google.api.http` is an operation; a
//! method without one is `POST /package.Service/Method`. Types are what they are in protobuf's JSON; comments in the
//! `.proto` files are the descriptions.
//!
//! What OpenAPI cannot say is written down as follows.
//! - A variable of several segments, `{name=shelves/*}`, is one parameter with a `pattern` and `x-hostel-slashes`. Where two
//!   operations would so get the same path, the later one has its segments spelled out: `/shelves/{name.2}`.
//! - A stream is a text, and its messages are what is in its `contentSchema`.
//! - Members of a `oneof` are listed in `x-oneof` and in their descriptions. Schemas that exclude each other would say it to
//!   validators, but are of no use to whoever reads them or makes code of them.
//! - `NaN` and the infinities, which are texts in JSON, are not in the schemas of numbers; neither are numbers in those of
//!   64-bit integers and of enums, where protobuf reads both.
//! - What cannot be in a document is in its `x-hostel-left-out`, with the reason.
//!
//! Descriptors come from whoever wrote a module. What is made of them is bounded by [`Options::memory_max`], of which each
//! part gets a share, and comes in an order that does not change.
//!
//! Source: OpenAPI Specification 3.1.0; JSON Schema 2020-12; protobuf.dev, "ProtoJSON Format"; google/api/http.proto.

mod assembly;
mod components;
mod cost;
mod fields;
mod notes;
mod operation;
mod page;
mod parameters;
mod path;
mod schemas;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod text;
mod well_known;

use serde_json::Value;

use super::json::JsonOptions;
use super::schema::Schema;

pub use page::{Page, page};

/// Parameters of one operation. Fields of nested messages beyond are left out of the document, but work.
pub const PARAMETERS_MAX: usize = 100;

/// How deep fields of nested messages become parameters.
pub const PARAMETER_DEPTH_MAX: usize = 5;

/// The longest comment that is taken over, in bytes.
pub const COMMENT_BYTES_MAX: usize = 4096;

/// Entries of `x-hostel-left-out`. The last one counts those after it.
pub const LEFT_OUT_MAX: usize = 1000;

/// What is described: one version of one service.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// The service's name, as in `orders`.
    pub service: &'a str,
    /// Its types and methods.
    pub schema: &'a Schema,
    /// How it reads and writes JSON.
    pub json: JsonOptions,
    /// What is in front of all its paths: nothing, or something like `/orders`.
    pub prefix: &'a str,
}

/// What is said of the document as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Its title.
    pub title: String,
    /// The version of what it describes.
    pub version: String,
    /// What to know first, if there is something.
    pub description: Option<String>,
    /// The URL that paths are relative to; `/` is where the document comes from.
    pub server: String,
    /// What errors look like.
    pub errors: ErrorBodies,
    /// How much memory the document may take, in bytes, roughly. As text it is about a tenth of that.
    pub memory_max: usize,
}

/// What is in the body of an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorBodies {
    /// A problem as in RFC 9457.
    #[default]
    Problem,
    /// A `google.rpc.Status`.
    Status,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            title: "Hostel".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            description: None,
            server: "/".to_owned(),
            errors: ErrorBodies::default(),
            memory_max: 128 * 1024 * 1024,
        }
    }
}

/// The OpenAPI document of all methods of some services.
///
/// Where two parts have the same path, the first one keeps it. A type that parts define differently is once in the
/// document for each definition; the later ones have the service's name before theirs.
#[must_use]
pub fn document(parts: &[Part<'_>], options: &Options) -> Value {
    let mut assembly = assembly::Assembly::new(options);
    for (index, part) in parts.iter().enumerate() {
        assembly.add(part, parts.len() - index);
    }
    assembly.finish(options)
}
