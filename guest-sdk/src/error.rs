//! Why a call, or a body, failed.

use std::fmt;

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

/// Any error, as `tower`, `axum` and `tonic` pass them.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What kind of failure kept a call from getting a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No service of this name.
    NotFound,
    /// This module holds no grant for the target.
    Denied,
    /// Nobody could take the call: overload, drain, or connection refused.
    Unavailable,
    /// The deadline passed.
    Timeout,
    /// The call was cancelled.
    Cancelled,
    /// Calls nest too deeply.
    TooDeep,
    /// A body, or the headers, exceed a limit.
    TooLarge,
    /// The request is malformed.
    Invalid,
    /// The callee failed: it trapped, or answered nonsense.
    Failed,
    /// This build cannot do it: it runs outside WebAssembly.
    Unsupported,
}

impl ErrorKind {
    /// The kind in words, without any particulars of the call: fit to be shown to clients.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "no such service",
            Self::Denied => "not allowed to call",
            Self::Unavailable => "unavailable",
            Self::Timeout => "deadline exceeded",
            Self::Cancelled => "cancelled",
            Self::TooDeep => "calls nest too deeply",
            Self::TooLarge => "too large",
            Self::Invalid => "malformed request",
            Self::Failed => "failed",
            Self::Unsupported => "not supported here",
        }
    }

    /// The HTTP status a service answers its own client when it cannot do without the call that failed so.
    fn status(self) -> StatusCode {
        match self {
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::TooDeep => StatusCode::LOOP_DETECTED,
            Self::Invalid | Self::TooLarge | Self::Unsupported => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotFound | Self::Denied | Self::Cancelled | Self::Failed => StatusCode::BAD_GATEWAY,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A call that got no response.
///
/// As an axum response it becomes a status (503 unavailable, 504 deadline, 508 depth, 500 for the caller's own mistakes,
/// 502 for the rest) with a short text; the details go to the log, never to the client.
#[derive(Clone, Debug)]
pub struct CallError {
    kind: ErrorKind,
    message: String,
    retryable: bool,
}

impl CallError {
    /// An error of this kind; `message` is for logs.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retryable: false }
    }

    #[cfg(all(target_family = "wasm", not(feature = "portable")))]
    pub(crate) fn with_retryable(mut self, retryable: bool) -> Self {
        self.retryable = retryable;
        self
    }

    /// What kind of failure it was.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Particulars for the log. May name what clients should not see.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The call never reached the callee, so sending it again is safe whatever its method.
    pub fn is_retryable(&self) -> bool {
        self.retryable
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

impl std::error::Error for CallError {}

impl IntoResponse for CallError {
    fn into_response(self) -> Response {
        tracing::warn!(kind = %self.kind, "a call failed: {}", self.message);
        let text = format!("upstream: {}\n", self.kind);
        (self.kind.status(), [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
    }
}

/// Why a body ended before its end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyError {
    /// The other side stopped, or the call was cancelled.
    Cancelled,
    /// The call's deadline passed.
    Timeout,
    /// A size limit was exceeded.
    TooLarge,
    /// The producer failed; the text is for logs.
    Failed(String),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancelled => f.write_str("the body was cancelled"),
            Self::Timeout => f.write_str("the deadline passed before the body ended"),
            Self::TooLarge => f.write_str("the body exceeds a size limit"),
            Self::Failed(why) => write!(f, "the body broke off: {why}"),
        }
    }
}

impl std::error::Error for BodyError {}

impl BodyError {
    /// What to tell the reader of a body whose producer failed with `error`. A body that is only passed on keeps the
    /// reason it broke with, however many wrappers it went through.
    #[cfg_attr(any(not(target_family = "wasm"), feature = "portable"), allow(dead_code, reason = "lean door only"))]
    pub(crate) fn from_source(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(known) = error.downcast_ref::<Self>() {
                return known.clone();
            }
            cause = error.source();
        }
        Self::Failed(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_error_is_found_behind_wrappers() {
        let wrapped = axum::Error::new(axum::Error::new(BodyError::Timeout));
        assert_eq!(BodyError::from_source(&wrapped), BodyError::Timeout);
        let foreign = std::io::Error::other("disk on fire");
        assert_eq!(BodyError::from_source(&foreign), BodyError::Failed("disk on fire".into()));
    }

    #[test]
    fn a_call_error_shows_clients_its_kind_only() {
        let response = CallError::new(ErrorKind::Timeout, "catalog at 10.0.0.7 took too long").into_response();
        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
        let response = CallError::new(ErrorKind::Denied, "").into_response();
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    }
}
