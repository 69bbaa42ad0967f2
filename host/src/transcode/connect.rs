//! The Connect protocol: envelopes, its end of stream, its errors, and calls in a query.
//!
//! Envelopes are frames ([`super::frame`], [`Dialect::Connect`](super::frame::Dialect::Connect)); codecs are told by
//! [`super::content`]; the status codes of HTTP are those of [`super::status`], whose tables are the same.
//!
//! Source: the Connect protocol reference (connectrpc.com/docs/protocol).

mod end;
mod error;
mod get;
#[cfg(test)]
mod tests;

use std::time::Duration;

use http::{HeaderMap, HeaderName, StatusCode};

pub use end::{EndError, EndOfStream, encode_end};
pub use error::{error_json, read_error};
pub use get::GetQuery;

use super::compression::{self, CompressionError, Encoding};
use super::metadata;
use super::status;
use crate::call::grpc::Code;

/// Says that a request is one of this protocol.
pub const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("connect-protocol-version");
/// The time-out of a call, in milliseconds.
pub const TIMEOUT_MS: HeaderName = HeaderName::from_static("connect-timeout-ms");
/// The compression of the messages of a stream.
pub const CONTENT_ENCODING: HeaderName = HeaderName::from_static("connect-content-encoding");
/// The compressions that the sender of a stream reads.
pub const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("connect-accept-encoding");

/// What the trailers of a unary response have in front of their names.
pub const TRAILER_PREFIX: &str = "trailer-";

/// Ten digits of milliseconds.
const TIMEOUT_DIGITS_MAX: usize = 10;
const TIMEOUT_MS_MAX: u128 = 9_999_999_999;

/// Why a request is none of this protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The version is not the one there is.
    #[error("`connect-protocol-version` has to be `1`")]
    Version,
    /// The time-out is no number.
    #[error("`connect-timeout-ms` has to be a number of at most {TIMEOUT_DIGITS_MAX} digits")]
    Timeout,
    /// The query lacks what it must have.
    #[error("the query has no `{0}`")]
    Missing(&'static str),
    /// The query says twice what can be so only once.
    #[error("the query has more than one `{0}`")]
    Twice(&'static str),
    /// The version in the query is not the one there is.
    #[error("`connect` in the query has to be `v1`")]
    QueryVersion,
    /// There is no such codec.
    #[error("there is no encoding `{0}`; `proto` and `json` are known")]
    Codec(String),
    /// A value is no percent-encoding.
    #[error("`{0}` in the query has a percent sign that two hexadecimal digits do not follow")]
    Percent(&'static str),
    /// The message is no base64 although it says so.
    #[error("`message` in the query is not the base64 of URLs")]
    Base64,
    /// The message cannot be decompressed.
    #[error(transparent)]
    Compression(#[from] CompressionError),
}

impl RequestError {
    /// The code for whoever sent that.
    pub fn code(&self) -> Code {
        match self {
            Self::Compression(error) => error.code(),
            Self::Codec(_) => Code::Unimplemented,
            _ => Code::InvalidArgument,
        }
    }

    /// The HTTP status for whoever sent that: of an unknown codec it is not the one of the code.
    pub fn http_status(&self) -> StatusCode {
        match self {
            Self::Codec(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            _ => status::http_status(self.code()),
        }
    }
}

/// Whether a request says that it is one of this protocol, which not all clients do.
///
/// # Errors
///
/// When it is one of a version that is not there.
pub fn has_version(headers: &HeaderMap) -> Result<bool, RequestError> {
    match headers.get(PROTOCOL_VERSION).map(|value| value.as_bytes()) {
        None => Ok(false),
        Some(b"1") => Ok(true),
        Some(_) => Err(RequestError::Version),
    }
}

/// The time-out of a call, when it has one.
///
/// # Errors
///
/// When it is no number of at most ten digits.
pub fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, RequestError> {
    let Some(value) = headers.get(TIMEOUT_MS) else { return Ok(None) };
    let digits = value.to_str().map_err(|_| RequestError::Timeout)?;
    if digits.is_empty() || digits.len() > TIMEOUT_DIGITS_MAX || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(RequestError::Timeout);
    }
    let millis = digits.parse().map_err(|_| RequestError::Timeout)?;
    Ok(Some(Duration::from_millis(millis)))
}

/// A time-out as it is written: rounded up, so that it does not read as zero while there is time, and no more than ten
/// digits can say.
pub fn timeout_text(timeout: Duration) -> String {
    timeout.as_nanos().div_ceil(1_000_000).min(TIMEOUT_MS_MAX).to_string()
}

/// The encoding of an answer, by what the client says that it reads (`accept-encoding`, of streams
/// `connect-accept-encoding`): one that does not say reads what it wrote itself.
pub fn answer_encoding<'a>(accept: impl IntoIterator<Item = &'a str>, request: Encoding) -> Encoding {
    let mut accept = accept.into_iter().peekable();
    match accept.peek() {
        Some(_) => compression::negotiate(accept, &Encoding::OFFERED),
        None => request,
    }
}

/// The trailers of a gRPC response as headers of a unary one.
pub fn trailers_as_headers(trailers: &HeaderMap) -> HeaderMap {
    metadata::prefixed(TRAILER_PREFIX, trailers)
}

/// Takes the trailers out of the headers of a unary response.
pub fn take_trailers(headers: &mut HeaderMap) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    let names: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with(TRAILER_PREFIX)).cloned().collect();
    for prefixed in names {
        let name = prefixed.as_str().strip_prefix(TRAILER_PREFIX).unwrap_or_default();
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (http::header::Entry::Occupied(entry), Ok(name)) = (headers.entry(prefixed), name) {
            entry.remove_entry_mult().1.for_each(|value| {
                trailers.append(name.clone(), value);
            });
        }
    }
    trailers
}
