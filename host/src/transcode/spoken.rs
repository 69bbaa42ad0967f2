//! Which protocol a request speaks.

use std::sync::Arc;

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, Method, Request, Uri};

use super::compression::Encoding;
use super::connect::{self, GetQuery};
use super::content::{Codec, ContentType};
use super::contract::{Bound, Contract, Lookup, Shape};
use super::failure::Failure;
use super::frame::FrameLimits;
use super::rule::Captures;
use crate::call::{CallError, ErrorKind, Side, grpc};

/// A call of a gRPC method that does not come as services take them.
pub struct Spoken {
    /// The method's path: `/package.Service/Method`.
    pub path: Arc<str>,
    /// What the descriptors say of it, if there are any.
    pub shape: Option<Shape>,
    /// The protocol.
    pub protocol: Protocol,
}

/// How a call comes.
pub enum Protocol {
    /// gRPC in JSON, or compressed.
    Grpc(Codec),
    /// gRPC-Web.
    Web {
        /// How messages are written.
        codec: Codec,
        /// Whether bodies are base64.
        text: bool,
    },
    /// Connect, with messages in envelopes.
    ConnectStream(Codec),
    /// Connect, with one message that is the body.
    ConnectUnary(Codec),
    /// Connect, with one message that is in the query.
    ConnectGet(GetQuery),
    /// JSON over HTTP by a rule of the module.
    Rest(Arc<Bound>, Captures),
    /// JSON over HTTP by the path of the method.
    Json,
}

impl Spoken {
    /// Whether it is gRPC itself, and only its messages are compressed.
    pub fn is_only_compressed(&self) -> bool {
        matches!(self.protocol, Protocol::Grpc(Codec::Proto))
    }
}

/// What of a request tells which protocol it is.
#[derive(Clone, Copy)]
pub struct Head<'r> {
    /// The HTTP method.
    pub method: &'r Method,
    /// Path and query.
    pub uri: &'r Uri,
    /// The headers.
    pub headers: &'r HeaderMap,
}

impl<'r> Head<'r> {
    /// That of a request.
    pub fn of<B>(request: &'r Request<B>) -> Self {
        Self { method: request.method(), uri: request.uri(), headers: request.headers() }
    }
}

/// Content types of JSON in lines.
pub(super) const LINES: [&str; 3] = ["application/x-ndjson", "application/jsonl", "application/json-lines"];

/// Recognises a call of a gRPC method that is not in gRPC itself. `path` is as the service would see it. `None` goes on as it
/// is.
///
/// # Errors
///
/// When it is such a call, and cannot be one.
pub fn recognise(
    head: &Head<'_>,
    path: &str,
    contract: Option<&Contract>,
    limits: FrameLimits,
) -> Result<Option<Spoken>, Failure> {
    let content = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let shape = contract.and_then(|contract| contract.shape(path));
    let spoken = |protocol| Ok(Some(Spoken { path: path.into(), shape, protocol }));
    match content.and_then(ContentType::parse) {
        Some(ContentType::Grpc(Codec::Proto)) if !is_compressed(head.headers) => Ok(None),
        Some(ContentType::Grpc(Codec::Proto)) => spoken(Protocol::Grpc(Codec::Proto)),
        // A module without descriptors may still know JSON itself.
        Some(ContentType::Grpc(Codec::Json)) if shape.is_none() => Ok(None),
        Some(ContentType::Grpc(Codec::Json)) => spoken(Protocol::Grpc(Codec::Json)),
        Some(ContentType::Web { codec, text }) => {
            only_post(head)?;
            known(codec, shape, path)?;
            spoken(Protocol::Web { codec, text })
        }
        Some(ContentType::ConnectStream(codec)) => {
            only_post(head)?;
            known(codec, shape, path)?;
            spoken(Protocol::ConnectStream(codec))
        }
        unary => {
            let Some(contract) = contract else { return Ok(None) };
            if let Some(shape) = shape
                && let Some(protocol) = by_path(head, shape, content, unary, limits)?
            {
                return spoken(protocol);
            }
            match contract.find(head.method, path) {
                Lookup::To(bound, captures) => Ok(Some(Spoken {
                    path: bound.path.clone(),
                    shape: contract.shape(&bound.path),
                    protocol: Protocol::Rest(bound, captures),
                })),
                Lookup::WrongMethod(_) | Lookup::None if shape.is_some() => {
                    Err(wrong_method(head, shape.is_some_and(|shape| shape.no_side_effects)))
                }
                // The module may have something of its own there.
                Lookup::WrongMethod(_) | Lookup::None => Ok(None),
            }
        }
    }
}

/// Calls whose path is that of a method.
fn by_path(
    head: &Head<'_>,
    shape: Shape,
    content: Option<&str>,
    unary: Option<ContentType>,
    limits: FrameLimits,
) -> Result<Option<Protocol>, Failure> {
    match *head.method {
        Method::POST => Ok(Some(match unary {
            Some(ContentType::Unary(Codec::Proto)) if !shape.client_streaming && !shape.server_streaming => {
                Protocol::ConnectUnary(Codec::Proto)
            }
            Some(ContentType::Unary(Codec::Json)) if connect::has_version(head.headers)? => {
                if shape.client_streaming || shape.server_streaming {
                    return Err(Failure::media_type(
                        "the method streams: its content type is `application/connect+json`",
                    ));
                }
                Protocol::ConnectUnary(Codec::Json)
            }
            Some(ContentType::Unary(Codec::Json)) => Protocol::Json,
            None if is_lines(content) && shape.client_streaming => Protocol::Json,
            _ => {
                let message = "the method takes `application/json`, and what gRPC, gRPC-Web and Connect have for it";
                return Err(Failure::media_type(message));
            }
        })),
        Method::GET if head.uri.query().is_some_and(GetQuery::is_one) => {
            if !shape.no_side_effects {
                return Err(wrong_method(head, false));
            }
            let query = head.uri.query().unwrap_or_default();
            Ok(Some(Protocol::ConnectGet(GetQuery::parse(query, limits.message_bytes_max)?)))
        }
        _ => Ok(None),
    }
}

/// Whether the messages of a gRPC request may be compressed.
fn is_compressed(headers: &HeaderMap) -> bool {
    headers.get(grpc::ENCODING).is_some_and(|value| value != Encoding::Identity.name())
}

pub(super) fn is_lines(content: Option<&str>) -> bool {
    let name = content.and_then(|value| value.split(';').next()).unwrap_or_default().trim_ascii();
    LINES.iter().any(|lines| name.eq_ignore_ascii_case(lines))
}

/// Whether a client asks for server-sent events.
pub(super) fn wants_events(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|part| {
        part.split(';').next().is_some_and(|name| name.trim_ascii().eq_ignore_ascii_case("text/event-stream"))
    })
}

fn only_post(head: &Head<'_>) -> Result<(), Failure> {
    if *head.method == Method::POST { Ok(()) } else { Err(wrong_method(head, false)) }
}

fn wrong_method(head: &Head<'_>, by_get: bool) -> Failure {
    let message = format!("a gRPC method is not called by {}", head.method);
    let allowed = if by_get { "GET, POST" } else { "POST" };
    CallError::new(ErrorKind::MethodNotAllowed, Side::Caller, message).with_allowed(allowed.to_owned()).into()
}

/// JSON needs descriptors.
fn known(codec: Codec, shape: Option<Shape>, path: &str) -> Result<(), Failure> {
    if codec == Codec::Proto || shape.is_some() {
        return Ok(());
    }
    let message = format!("the service describes no method `{path}`, and so cannot be called with JSON");
    Err(Failure::status(grpc::Code::Unimplemented, message))
}
