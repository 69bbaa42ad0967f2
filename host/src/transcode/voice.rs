//! How errors are said, in the protocol of the request they are an answer to.

use std::sync::Arc;

use bytes::BytesMut;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use prost_reflect::DescriptorPool;

use super::connect::{self, EndOfStream};
use super::content::{Codec, ContentType};
use super::contract::Contract;
use super::failure::Failure;
use super::settings::Errors;
use super::spoken::{Protocol, Spoken};
use super::{problem, web};
use crate::call::grpc::Code;
use crate::call::{Body, Response, TraceId};

/// How errors are said.
#[derive(Clone)]
pub struct Voice {
    form: Form,
    /// What details may be made of.
    contract: Option<Arc<Contract>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Problem,
    Status,
    Grpc(Codec),
    Web { codec: Codec, text: bool },
    ConnectUnary,
    ConnectStream(Codec),
}

impl Voice {
    /// The voice for a request of which nothing but the headers is known.
    pub fn of_headers(headers: &HeaderMap) -> Self {
        let content = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).and_then(ContentType::parse);
        let form = match content {
            Some(ContentType::Grpc(codec)) => Form::Grpc(codec),
            Some(ContentType::Web { codec, text }) => Form::Web { codec, text },
            Some(ContentType::ConnectStream(codec)) => Form::ConnectStream(codec),
            Some(ContentType::Unary(_)) | None if connect::has_version(headers).unwrap_or(true) => Form::ConnectUnary,
            Some(ContentType::Unary(Codec::Proto)) => Form::ConnectUnary,
            Some(ContentType::Unary(Codec::Json)) | None => Form::Problem,
        };
        Self { form, contract: None }
    }

    /// The voice for a recognised call.
    pub fn of(spoken: &Spoken, errors: Errors, contract: Option<Arc<Contract>>) -> Self {
        let form = match (&spoken.protocol, errors) {
            (Protocol::Grpc(codec), _) => Form::Grpc(*codec),
            (Protocol::Web { codec, text }, _) => Form::Web { codec: *codec, text: *text },
            (Protocol::ConnectStream(codec), _) => Form::ConnectStream(*codec),
            (Protocol::ConnectUnary(_) | Protocol::ConnectGet(_), _) => Form::ConnectUnary,
            (Protocol::Rest(..) | Protocol::Json, Errors::Problem) => Form::Problem,
            (Protocol::Rest(..) | Protocol::Json, Errors::Status) => Form::Status,
        };
        Self { form, contract }
    }

    pub(super) fn contract(&self) -> Option<&Arc<Contract>> {
        self.contract.as_ref()
    }

    /// Whether it is gRPC itself, whose status is in trailers.
    pub fn is_grpc(&self) -> bool {
        matches!(self.form, Form::Grpc(_))
    }

    /// Whether the HTTP status says nothing about the outcome.
    pub fn is_in_band(&self) -> bool {
        matches!(self.form, Form::Grpc(_) | Form::Web { .. } | Form::ConnectStream(_))
    }

    /// The response that says what went wrong.
    pub fn say(&self, failure: &Failure, trace: Option<TraceId>) -> Response {
        let status = || failure.to_status();
        // What only the host says, it says without descriptors.
        let details = matches!(failure, Failure::Status(refusal) if !refusal.status.details.is_empty());
        let schema = self.contract.as_deref().filter(|_| details).and_then(Contract::schema);
        let types: Option<&DescriptorPool> = schema.map(|schema| schema.pool());
        let mut response = match self.form {
            Form::Problem => match failure {
                Failure::Call(error) => problem::of_error(error, trace),
                Failure::Status(refusal) => problem::of_status(failure, refusal, types, trace),
            },
            Form::Status => whole(failure.http_status(), "application/json", status().to_json(types)),
            Form::Grpc(codec) => {
                let mut response = Response::new(Body::empty());
                status().write(response.headers_mut());
                with_content(response, ContentType::Grpc(codec))
            }
            Form::Web { codec, text } => {
                let mut trailers = HeaderMap::new();
                status().write(&mut trailers);
                let mut out = BytesMut::new();
                web::encode_trailers(&trailers, &mut out);
                let body = if text { web::encode_text(&out) } else { out.freeze() };
                with_content(Response::new(Body::full(body, None)), ContentType::Web { codec, text })
            }
            Form::ConnectUnary => {
                let http = match failure {
                    Failure::Status(refusal) if refusal.http == Some(StatusCode::UNSUPPORTED_MEDIA_TYPE) => {
                        StatusCode::UNSUPPORTED_MEDIA_TYPE
                    }
                    _ => status().http_status(),
                };
                whole(http, "application/json", connect::error_json(&status(), types))
            }
            Form::ConnectStream(codec) => {
                let mut out = BytesMut::new();
                let end = EndOfStream { status: status(), trailers: HeaderMap::new() };
                connect::encode_end(&end, types, &mut out);
                with_content(Response::new(Body::full(out.freeze(), None)), ContentType::ConnectStream(codec))
            }
        };
        match failure {
            Failure::Call(error) => problem::hints(error, response.headers_mut()),
            Failure::Status(refusal) => {
                for (name, value) in &refusal.headers {
                    response.headers_mut().append(name, value.clone());
                }
            }
        }
        response
    }

    /// The trailers of a gRPC response that broke.
    pub fn trailers(failure: &Failure) -> HeaderMap {
        let mut trailers = HeaderMap::new();
        failure.to_status().write(&mut trailers);
        trailers
    }
}

/// What gRPC calls an error of this kind; for the log.
pub fn code(failure: &Failure) -> Code {
    failure.to_status().code()
}

fn whole(status: StatusCode, content: &'static str, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::full(body, None));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content));
    response
}

fn with_content(mut response: Response, content: ContentType) -> Response {
    response.headers_mut().insert(CONTENT_TYPE, content.header());
    response
}
