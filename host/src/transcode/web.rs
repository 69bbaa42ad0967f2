//! gRPC-Web: trailers in the body, and bodies in base64.
//!
//! Source: the gRPC-Web protocol (`PROTOCOL-WEB.md` of the gRPC project).

mod text;
mod trailers;

pub use text::{TextDecoder, TextError, encode_text};
pub use trailers::{FIELDS_MAX, TrailersError, decode_trailers, encode_trailers};
