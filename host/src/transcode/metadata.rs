//! Which headers of other protocols are metadata of a gRPC call, and which metadata become headers.
//!
//! Nothing passes that belongs to the protocol (`content-type`, `te`, `grpc-timeout`, `connect-timeout-ms`), to one
//! connection, or to the host (`hostel-caller`): not even when it says to be metadata.
//!
//! Source: gRPC over HTTP/2, "Custom-Metadata".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use http::header::{CONNECTION, TE};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::status::BASE64;
use crate::call::header::{HOP_BY_HOP, RESERVED_PREFIX, sanitize};

/// Headers of REST requests and responses with this in front of their names are metadata.
pub const PREFIX: &str = "grpc-metadata-";
/// Trailers of REST responses with this in front of their names are trailing metadata.
pub const TRAILER_PREFIX: &str = "grpc-trailer-";

/// What ends the names of metadata whose values are bytes.
const BINARY_SUFFIX: &str = "-bin";

/// What a REST request has that any service may want to know, and that so is metadata under its own name.
const PERMANENT: [&str; 24] = [
    "accept-language",
    "authorization",
    "baggage",
    "cookie",
    "date",
    "forwarded",
    "from",
    "idempotency-key",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-unmodified-since",
    "origin",
    "pragma",
    "referer",
    "traceparent",
    "tracestate",
    "user-agent",
    "via",
    "warning",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-request-id",
];

/// What a service says to HTTP itself, and what so is a header of a REST response under its own name.
const PERMANENT_RESPONSE: [&str; 11] = [
    "cache-control",
    "content-disposition",
    "content-language",
    "etag",
    "last-modified",
    "link",
    "location",
    "retry-after",
    "set-cookie",
    "vary",
    "www-authenticate",
];

/// What belongs to a protocol and so is no metadata in any.
const RESERVED: [&str; 13] = [
    "accept",
    "accept-encoding",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "x-grpc-web",
    "http2-settings",
    "proxy-connection",
];

/// Names that begin so belong to gRPC, to Connect, and to the host.
const RESERVED_PREFIXES: [&str; 3] = ["grpc-", "connect-", RESERVED_PREFIX];

/// Most values of metadata of one call.
pub const METADATA_MAX: usize = 1024;

/// Why headers are no metadata.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// A header that should be bytes and is not.
    #[error("the header `{name}` has to be base64, because its name ends with `-bin`")]
    NotBase64 {
        /// Which.
        name: HeaderName,
    },
    /// There are too many.
    #[error("there are more than {METADATA_MAX} values of metadata")]
    TooMany,
}

/// The metadata of a gRPC call that a REST request is: what is called `Grpc-Metadata-*`, without that, and what every
/// service may want to know.
///
/// # Errors
///
/// When the value of a name that ends with `-bin` is no base64, or there are too many.
pub fn of_rest(headers: &HeaderMap) -> Result<HeaderMap, MetadataError> {
    let mut metadata = HeaderMap::new();
    for (name, value) in end_to_end(headers).as_ref() {
        let own = match name.as_str().strip_prefix(PREFIX) {
            Some(own) => HeaderName::from_bytes(own.as_bytes()).ok(),
            None => PERMANENT.contains(&name.as_str()).then(|| name.clone()),
        };
        if let Some(own) = own {
            append(&mut metadata, own, name, value)?;
        }
    }
    Ok(metadata)
}

/// The metadata of a gRPC call that a call in gRPC-Web or Connect is: all but what belongs to the protocol.
///
/// # Errors
///
/// When the value of a name that ends with `-bin` is no base64, or there are too many.
pub fn of_call(headers: &HeaderMap) -> Result<HeaderMap, MetadataError> {
    let mut metadata = HeaderMap::new();
    for (name, value) in end_to_end(headers).as_ref() {
        append(&mut metadata, name.clone(), name, value)?;
    }
    Ok(metadata)
}

/// What a gRPC response has in its headers or trailers besides what belongs to the protocol: for Connect and gRPC-Web.
pub fn custom(headers: &HeaderMap) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
    headers.iter().filter(|(name, _)| !is_reserved(name.as_str()))
}

/// The headers of a REST response for the metadata in the headers of a gRPC response: `Grpc-Metadata-*`, but for names that
/// mean something in HTTP, such as `set-cookie` and `cache-control`.
pub fn to_rest(headers: &HeaderMap) -> HeaderMap {
    let is_permanent = |name: &HeaderName| PERMANENT_RESPONSE.contains(&name.as_str());
    let mut out = prefixed(PREFIX, headers.iter().filter(|(name, _)| !is_permanent(name)));
    for (name, value) in headers.iter().filter(|(name, _)| is_permanent(name)) {
        out.append(name.clone(), value.clone());
    }
    out
}

/// The trailers of a REST response for the trailing metadata of a gRPC response. They are sent only to clients that
/// [want](wants_trailers) them.
pub fn to_rest_trailers(trailers: &HeaderMap) -> HeaderMap {
    prefixed(TRAILER_PREFIX, trailers)
}

/// Whether a client says that it reads trailers: `TE: trailers`.
///
/// Source: RFC 9110, sections 10.1.4 and 6.5.1.
pub fn wants_trailers(headers: &HeaderMap) -> bool {
    let values = headers.get_all(TE).iter().filter_map(|value| value.to_str().ok());
    let mut names = values.flat_map(|value| value.split(','));
    names.any(|name| name.split(';').next().unwrap_or_default().trim_ascii().eq_ignore_ascii_case("trailers"))
}

/// The value of the header `Trailer` that announces these trailers, when there are any.
pub fn announced(trailers: &HeaderMap) -> Option<HeaderValue> {
    let names: Vec<&str> = trailers.keys().map(HeaderName::as_str).collect();
    if names.is_empty() { None } else { HeaderValue::from_str(&names.join(", ")).ok() }
}

/// The metadata with names as they are elsewhere with something in front.
pub(super) fn prefixed<'h>(
    prefix: &str,
    headers: impl IntoIterator<Item = (&'h HeaderName, &'h HeaderValue)>,
) -> HeaderMap {
    let mut out = HeaderMap::new();
    for (name, value) in headers.into_iter().filter(|(name, _)| !is_reserved(name.as_str())) {
        // What is too long with the prefix has no name there.
        if let Ok(name) = HeaderName::try_from(format!("{prefix}{name}")) {
            out.append(name, value.clone());
        }
    }
    out
}

/// Without what belongs to the connection, which may be any name that `Connection` has.
fn end_to_end(headers: &HeaderMap) -> std::borrow::Cow<'_, HeaderMap> {
    if !headers.contains_key(CONNECTION) {
        return std::borrow::Cow::Borrowed(headers);
    }
    let mut headers = headers.clone();
    sanitize(&mut headers);
    std::borrow::Cow::Owned(headers)
}

/// Whether a name belongs to a protocol, a connection, or the host.
pub(super) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
        || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || HOP_BY_HOP.iter().any(|hop| hop.as_str() == name)
}

/// Whether gRPC has such names; HTTP has more.
fn is_name(name: &str) -> bool {
    name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'_' | b'-' | b'.'))
}

/// Adds what may be metadata, and passes over what may not: reserved names, and values that gRPC does not have. `sent` is
/// the name that the header had.
fn append(
    metadata: &mut HeaderMap,
    name: HeaderName,
    sent: &HeaderName,
    value: &HeaderValue,
) -> Result<(), MetadataError> {
    if is_reserved(name.as_str()) || !is_name(name.as_str()) {
        return Ok(());
    }
    let mut add = |value: HeaderValue| match metadata.len() < METADATA_MAX {
        true => {
            metadata.append(name.clone(), value);
            Ok(())
        }
        false => Err(MetadataError::TooMany),
    };
    if !name.as_str().ends_with(BINARY_SUFFIX) {
        let is_ascii = value.as_bytes().iter().all(|byte| matches!(byte, b' '..=b'~'));
        return if is_ascii { add(value.clone()) } else { Ok(()) };
    }
    // Several values may be one header, with commas between them.
    for text in value.as_bytes().split(|byte| *byte == b',') {
        let decoded = BASE64.decode(text.trim_ascii()).ok();
        let value = decoded.and_then(|bytes| HeaderValue::try_from(STANDARD_NO_PAD.encode(bytes)).ok());
        add(value.ok_or_else(|| MetadataError::NotBase64 { name: sent.clone() })?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
