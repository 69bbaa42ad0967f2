//! Why a call got no response: what happened, on whose side, and whether sending it again is safe.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use http::StatusCode;

use super::grpc::Code;

/// Any cause, for logs.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What happened. Each kind has one HTTP status and one gRPC status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request is malformed.
    Invalid,
    /// No service of this name, or no route.
    NotFound,
    /// A route exists, but not for this method.
    MethodNotAllowed,
    /// The caller holds no grant for this.
    Denied,
    /// The client sends its body too slowly.
    SlowClient,
    /// The body is larger than the service takes.
    BodyTooLarge,
    /// The headers are larger than the host or the service takes.
    HeadersTooLarge,
    /// The caller stopped waiting.
    Cancelled,
    /// The guest trapped, or spent its budget of memory or CPU.
    Trap,
    /// The guest answered something that is no response.
    BadResponse,
    /// Nobody can take the call now: full, draining, no healthy instance, connection refused.
    Unavailable,
    /// The deadline passed.
    Timeout,
    /// Calls nest too deeply.
    TooDeep,
    /// The host itself failed.
    Internal,
}

impl ErrorKind {
    /// A stable word for logs, labels and the `type` of problem documents.
    pub fn slug(self) -> &'static str {
        match self {
            Self::Invalid => "invalid-request",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::Denied => "denied",
            Self::SlowClient => "slow-client",
            Self::BodyTooLarge => "body-too-large",
            Self::HeadersTooLarge => "headers-too-large",
            Self::Cancelled => "cancelled",
            Self::Trap => "service-failed",
            Self::BadResponse => "bad-response",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::TooDeep => "too-deep",
            Self::Internal => "internal",
        }
    }
}

impl ErrorKind {
    /// The status of a response that says so.
    pub fn http_status(self) -> StatusCode {
        match self {
            Self::Invalid => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Denied => StatusCode::FORBIDDEN,
            Self::SlowClient => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            // nginx's "client closed request": nobody reads it, but it is counted.
            Self::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
            Self::Trap | Self::BadResponse => StatusCode::BAD_GATEWAY,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::TooDeep => StatusCode::LOOP_DETECTED,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The gRPC status that says so.
    pub fn grpc_code(self) -> Code {
        match self {
            Self::Invalid => Code::InvalidArgument,
            Self::NotFound | Self::MethodNotAllowed => Code::Unimplemented,
            Self::Denied => Code::PermissionDenied,
            Self::SlowClient | Self::Cancelled => Code::Cancelled,
            Self::BodyTooLarge | Self::HeadersTooLarge => Code::ResourceExhausted,
            Self::Trap | Self::BadResponse | Self::TooDeep | Self::Internal => Code::Internal,
            Self::Unavailable => Code::Unavailable,
            Self::Timeout => Code::DeadlineExceeded,
        }
    }
}

/// Whose doing it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The one who made the call.
    Caller,
    /// This host.
    Host,
    /// The service that was called.
    Callee,
}

/// A call that got no response.
#[derive(Debug)]
pub struct CallError {
    kind: ErrorKind,
    side: Side,
    retryable: bool,
    retry_after: Option<Duration>,
    allowed: Option<String>,
    message: Cow<'static, str>,
    source: Option<BoxError>,
}

impl CallError {
    /// An error of this kind; `message` says what happened to whom, in words that may be shown to the caller.
    pub fn new(kind: ErrorKind, side: Side, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, side, retryable: false, retry_after: None, allowed: None, message: message.into(), source: None }
    }

    /// Nobody could take the call. It never reached a guest, so any method may be sent again.
    pub fn unavailable(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            retryable: true,
            retry_after: Some(Duration::from_secs(1)),
            ..Self::new(ErrorKind::Unavailable, Side::Host, message)
        }
    }

    /// The deadline passed before there was a response.
    pub fn timeout(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Timeout, Side::Callee, message)
    }

    /// The caller stopped waiting.
    pub fn cancelled() -> Self {
        Self::new(ErrorKind::Cancelled, Side::Caller, "the caller stopped waiting")
    }

    /// Adds the cause, which logs show and callers do not see.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Says whether the call never reached a guest, and when it makes sense to try again: what another host has said of it.
    #[must_use]
    pub fn with_retry(mut self, retryable: bool, after: Option<Duration>) -> Self {
        (self.retryable, self.retry_after) = (retryable, after);
        self
    }

    /// Adds the methods that would have been taken, for the header `Allow`.
    #[must_use]
    pub fn with_allowed(mut self, methods: String) -> Self {
        self.allowed = Some(methods);
        self
    }

    /// The methods that would have been taken, where the method was wrong.
    pub fn allowed(&self) -> Option<&str> {
        self.allowed.as_deref()
    }

    /// What happened.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whose doing it was.
    pub fn side(&self) -> Side {
        self.side
    }

    /// Whether the call never reached a guest, so that sending it again is safe whatever its method.
    pub fn is_retryable(&self) -> bool {
        self.retryable
    }

    /// When it makes sense to try again.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The text for the caller.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The whole chain of causes in one line, for logs.
    pub fn chain(&self) -> String {
        let mut line = self.message.to_string();
        let mut next = std::error::Error::source(self);
        while let Some(cause) = next {
            line.push_str(": ");
            line.push_str(&cause.to_string());
            next = cause.source();
        }
        line
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CallError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
