//! Why a request got no answer, on its way through: the host's own errors, and what services answered.

use http::{HeaderMap, StatusCode};

use super::compression::CompressionError;
use super::connect::RequestError;
use super::frame::FrameError;
use super::json::JsonError;
use super::metadata::MetadataError;
use super::rule::{BindError, Blame};
use super::status::{self, GrpcStatus};
use super::web::TextError;
use crate::call::grpc::Code;
use crate::call::{CallError, ErrorKind, Side};

/// Why a request got no answer.
#[derive(Debug)]
pub enum Failure {
    /// The host's own error.
    Call(CallError),
    /// A gRPC status: of the service, or of what is wrong with a message.
    Status(Box<Refusal>),
}

/// A status, and what goes with it.
#[derive(Debug)]
pub struct Refusal {
    /// How it ended.
    pub status: GrpcStatus,
    /// The HTTP status, where it is not the one that goes with the code.
    pub http: Option<StatusCode>,
    /// What else is said, as the client's protocol has it.
    pub headers: HeaderMap,
}

impl Failure {
    /// A status of nobody but the host.
    pub fn status(code: Code, message: impl Into<String>) -> Self {
        Self::of(GrpcStatus::new(code, message))
    }

    /// A status that a service answered, or one made up for it.
    pub fn of(status: GrpcStatus) -> Self {
        Self::answered(status, HeaderMap::new())
    }

    /// A status that a service answered, with metadata that is to be in the response's headers.
    pub fn answered(status: GrpcStatus, headers: HeaderMap) -> Self {
        Self::Status(Box::new(Refusal { status, http: None, headers }))
    }

    /// The same with another HTTP status.
    #[must_use]
    pub fn with_http(mut self, http: StatusCode) -> Self {
        if let Self::Status(refusal) = &mut self {
            refusal.http = Some(http);
        }
        self
    }

    /// A message or body is too large.
    pub fn too_large(max: usize) -> Self {
        let message = format!("the message is larger than {max} bytes, the most that is taken");
        Self::status(Code::ResourceExhausted, message).with_http(StatusCode::PAYLOAD_TOO_LARGE)
    }

    /// The request has a content type that its method does not take.
    pub fn media_type(message: impl Into<String>) -> Self {
        Self::status(Code::InvalidArgument, message).with_http(StatusCode::UNSUPPORTED_MEDIA_TYPE)
    }

    /// A field of a request is wrong.
    pub fn field(field: &str, reason: &str) -> Self {
        let message = if field.is_empty() { reason.to_owned() } else { format!("`{field}`: {reason}") };
        let status = GrpcStatus::new(Code::InvalidArgument, message);
        Self::of(match field {
            "" => status,
            field => status.with_detail(status::bad_request([(field, reason)])),
        })
    }

    /// What is wrong is what a service answered: that is not the client's doing.
    #[must_use]
    pub fn of_answer(self) -> Self {
        match self {
            Self::Call(error) => Self::Call(error),
            Self::Status(refusal) => {
                let message = "the service answered what is no gRPC response";
                let source = refusal.status.message;
                Self::Call(CallError::new(ErrorKind::BadResponse, Side::Callee, message).with_source(source))
            }
        }
    }

    /// As a gRPC status.
    pub fn to_status(&self) -> GrpcStatus {
        match self {
            Self::Call(error) => GrpcStatus::from_call_error(error),
            Self::Status(refusal) => refusal.status.clone(),
        }
    }

    /// The HTTP status for it, where the protocol has no other way to say it.
    pub fn http_status(&self) -> StatusCode {
        match self {
            Self::Call(error) => error.kind().http_status(),
            Self::Status(refusal) => refusal.http.unwrap_or_else(|| refusal.status.http_status()),
        }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<FrameError> for Failure {
    fn from(error: FrameError) -> Self {
        let failure = Self::status(error.code(), error.to_string());
        match error.code() {
            Code::ResourceExhausted => failure.with_http(StatusCode::PAYLOAD_TOO_LARGE),
            _ => failure,
        }
    }
}

impl From<JsonError> for Failure {
    fn from(error: JsonError) -> Self {
        Self::field(&error.field, &error.reason)
    }
}

impl From<BindError> for Failure {
    fn from(error: BindError) -> Self {
        match error.blame {
            Blame::Value => Self::field(&error.field, &error.reason),
            Blame::MediaType => Self::media_type(error.reason),
        }
    }
}

impl From<CompressionError> for Failure {
    fn from(error: CompressionError) -> Self {
        FrameError::Compression(error).into()
    }
}

impl From<TextError> for Failure {
    fn from(error: TextError) -> Self {
        Self::status(Code::InvalidArgument, error.to_string())
    }
}

impl From<MetadataError> for Failure {
    fn from(error: MetadataError) -> Self {
        Self::status(Code::InvalidArgument, error.to_string())
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        Self::status(error.code(), error.to_string()).with_http(error.http_status())
    }
}
