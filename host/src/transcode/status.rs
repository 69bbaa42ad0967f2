//! The status of a gRPC call, as each protocol has it.
//!
//! In gRPC it is three trailers ([`GrpcStatus::of_headers`], [`GrpcStatus::write`]); over REST an HTTP status and JSON
//! ([`GrpcStatus::http_status`], [`GrpcStatus::to_json`]); Connect's forms are in [`super::connect`].

mod headers;
mod json;
mod known;
#[cfg(test)]
mod tests;

use http::StatusCode;
use prost_types::Any;

pub(super) use headers::BASE64;
pub use headers::DETAILS;
pub use known::bad_request;

pub(super) use json::{rendered, type_name};
pub(super) use known::TYPE_URL_PREFIX;

use crate::call::CallError;
use crate::call::grpc::Code;

/// Most details that are kept of one status.
pub const DETAILS_MAX: usize = 64;

/// How a call ended.
#[derive(Clone, Debug, PartialEq)]
pub struct GrpcStatus {
    /// The code's number, also one that gRPC does not know: it passes through.
    pub number: i32,
    /// For developers; empty if there is none.
    pub message: String,
    /// Messages that say more, such as those of `google.rpc`.
    pub details: Vec<Any>,
}

impl GrpcStatus {
    /// A status without details.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { number: code as i32, message: message.into(), details: Vec::new() }
    }

    /// The same with one more detail.
    #[must_use]
    pub fn with_detail(mut self, detail: Any) -> Self {
        self.details.push(detail);
        self
    }

    /// The code; what gRPC does not know is [`Code::Unknown`].
    pub fn code(&self) -> Code {
        Code::from_number(self.number).unwrap_or(Code::Unknown)
    }

    /// Whether the call succeeded.
    pub fn is_ok(&self) -> bool {
        self.number == Code::Ok as i32
    }

    /// The HTTP status that says so.
    pub fn http_status(&self) -> StatusCode {
        http_status(self.code())
    }

    /// What a response of this HTTP status means when it says nothing in gRPC's way.
    ///
    /// Source: the gRPC documentation, "HTTP to gRPC Status Code Mapping".
    pub fn from_http(status: StatusCode) -> Self {
        Self::new(code_of_http(status), format!("the service answered HTTP status {}", status.as_u16()))
    }

    /// The status of a call that got no response.
    pub fn from_call_error(error: &CallError) -> Self {
        Self::new(error.kind().grpc_code(), error.message())
    }
}

impl From<&CallError> for GrpcStatus {
    fn from(error: &CallError) -> Self {
        Self::from_call_error(error)
    }
}

/// The HTTP status that says what a code says. Connect has the same table.
///
/// Source: the Connect protocol, "Error Codes"; `google/rpc/code.proto` differs in nothing.
pub fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        // nginx's "client closed request", which `http` has no name for.
        Code::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The code for a response that has only an HTTP status. Connect has the same table.
pub fn code_of_http(status: StatusCode) -> Code {
    match status.as_u16() {
        400 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502 | 503 | 504 => Code::Unavailable,
        _ => Code::Unknown,
    }
}
