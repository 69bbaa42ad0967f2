//! HTTP rules: which path and method calls which gRPC method, and which field comes from where.
//!
//! A service's descriptors say it by `google.api.http`. [`Template`] is a rule's path, [`Rules`] finds the rule of a request
//! among thousands, [`request_message`] makes a message of path, query and body, and [`response_body`] a body of the answer.
//! [`check`] refuses rules that cannot work before anybody calls them.
//!
//! Source: google/api/http.proto. Where it leaves something open, this does what grpc-gateway or Envoy do, and says so
//! where it does.

mod bind;
mod captures;
mod check;
mod error;
mod fields;
mod http_body;
mod mask;
mod path;
mod query;
mod respond;
mod rules;
mod scalar;
mod template;
#[cfg(test)]
mod testing;
mod text;

pub use bind::{RestBody, request_message};
pub use captures::Captures;
pub use check::{Binding, RuleError, check};
pub use error::{BindError, Blame};
pub use fields::FIELD_DEPTH_MAX;
pub use mask::MASK_BYTES_MAX;
pub use query::PARAMETERS_MAX;
pub use respond::response_body;
pub use rules::{Found, Rules, Taken};
pub use template::{SEGMENTS_MAX, TEMPLATE_BYTES_MAX, Template, TemplateError, Variable};
