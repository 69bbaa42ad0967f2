//! What the host needs to know about gRPC: how to tell it, and its status codes.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName};

/// The trailer, or header of a trailers-only response, with the status.
pub const STATUS: HeaderName = HeaderName::from_static("grpc-status");
/// The percent-encoded message beside the status.
pub const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// How compressed messages are compressed.
pub const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
/// Compressions that the sender reads.
pub const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// A gRPC status code.
///
/// Source: the gRPC documentation, "Status codes and their use in gRPC".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum Code {
    Ok = 0,
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

impl Code {
    /// All codes, in the order of their numbers.
    pub const ALL: [Self; 17] = [
        Self::Ok,
        Self::Cancelled,
        Self::Unknown,
        Self::InvalidArgument,
        Self::DeadlineExceeded,
        Self::NotFound,
        Self::AlreadyExists,
        Self::PermissionDenied,
        Self::ResourceExhausted,
        Self::FailedPrecondition,
        Self::Aborted,
        Self::OutOfRange,
        Self::Unimplemented,
        Self::Internal,
        Self::Unavailable,
        Self::DataLoss,
        Self::Unauthenticated,
    ];

    /// The code of this number, when there is one.
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// The name as gRPC's documentation writes it: `NOT_FOUND`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Cancelled => "CANCELLED",
            Self::Unknown => "UNKNOWN",
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::NotFound => "NOT_FOUND",
            Self::AlreadyExists => "ALREADY_EXISTS",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::FailedPrecondition => "FAILED_PRECONDITION",
            Self::Aborted => "ABORTED",
            Self::OutOfRange => "OUT_OF_RANGE",
            Self::Unimplemented => "UNIMPLEMENTED",
            Self::Internal => "INTERNAL",
            Self::Unavailable => "UNAVAILABLE",
            Self::DataLoss => "DATA_LOSS",
            Self::Unauthenticated => "UNAUTHENTICATED",
        }
    }

    /// The name in Connect: `not_found`, and `canceled` with one l. [`Code::Ok`] is no error and so has none there; it
    /// reads `ok`.
    pub fn connect_name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Cancelled => "canceled",
            Self::Unknown => "unknown",
            Self::InvalidArgument => "invalid_argument",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::PermissionDenied => "permission_denied",
            Self::ResourceExhausted => "resource_exhausted",
            Self::FailedPrecondition => "failed_precondition",
            Self::Aborted => "aborted",
            Self::OutOfRange => "out_of_range",
            Self::Unimplemented => "unimplemented",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
            Self::DataLoss => "data_loss",
            Self::Unauthenticated => "unauthenticated",
        }
    }

    /// The error code of this name in Connect, when there is one.
    pub fn from_connect_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().filter(|code| *code != Self::Ok).find(|code| code.connect_name() == name)
    }
}

/// Whether the headers are those of a gRPC message: `application/grpc`, alone or with a suffix such as `+proto`.
/// gRPC-Web is another protocol.
pub fn is_grpc(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.as_bytes().strip_prefix(b"application/grpc"))
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// How messages are written, as the content type of gRPC says: `proto` unless it says more.
pub fn codec(headers: &HeaderMap) -> Option<&str> {
    let rest = headers.get(CONTENT_TYPE)?.to_str().ok()?.strip_prefix("application/grpc")?;
    let rest = rest.split(';').next().unwrap_or_default().trim_end();
    if rest.is_empty() { Some("proto") } else { rest.strip_prefix('+') }
}

/// The status in a header or trailer block, when there is a readable one.
pub fn status(headers: &HeaderMap) -> Option<i32> {
    headers.get(STATUS)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_numbers_and_names() {
        for (number, code) in (0..).zip(Code::ALL) {
            assert_eq!((code as i32, Code::from_number(number)), (number, Some(code)));
            let expected = if code == Code::Cancelled { "canceled" } else { &code.name().to_ascii_lowercase() };
            assert_eq!(code.connect_name(), expected);
            assert_eq!(Code::from_connect_name(code.connect_name()), (code != Code::Ok).then_some(code));
        }
        for number in [-1, 17, i32::MIN, i32::MAX] {
            assert_eq!(Code::from_number(number), None);
        }
        for name in ["", "cancelled", "NOT_FOUND", "ok"] {
            assert_eq!(Code::from_connect_name(name), None, "{name}");
        }
    }

    #[test]
    fn grpc_is_told_from_its_relatives() {
        for (content_type, expected) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc;charset=utf-8", true),
            ("application/grpc-web", false),
            ("application/json", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, http::HeaderValue::from_static(content_type));
            assert_eq!(is_grpc(&headers), expected, "{content_type}");
        }
    }
}
