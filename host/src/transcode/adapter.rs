//! One call's way through: from the protocol of its client to gRPC, and back.

use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::{Bytes, BytesMut};
use http::header::ACCEPT_ENCODING;
use http::{HeaderMap, HeaderName, StatusCode};
use prost::Message as _;
use prost_reflect::{DynamicMessage, MessageDescriptor};

use super::budget::{Budget, Hold};
use super::compression::{Encoding, negotiate};
use super::connect;
use super::content::Codec;
use super::contract::Contract;
use super::failure::Failure;
use super::frame::{self, FrameLimits};
use super::json::{self, JsonOptions};
use super::metadata;
use super::schema::{Method, decode_message};
use super::settings::Settings;
use super::spoken::{Protocol, Spoken, wants_events};
use super::status::GrpcStatus;
use super::voice::Voice;
use crate::call::grpc::{self, Code};
use crate::call::{CallError, ErrorKind, Side};

/// Answers shorter than this are not worth compressing, in bytes.
pub(super) const COMPRESSED_BYTES_MIN: usize = 1024;

/// What requests may take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Of each.
    pub frames: FrameLimits,
    /// Of all together, while they are read as a whole.
    pub budget: Budget,
}

impl Limits {
    /// 4 MiB for a message, 256 MiB for all.
    pub fn standard() -> Self {
        Self { frames: FrameLimits::default(), budget: Budget::new(256 << 20) }
    }
}

/// One call's way through.
pub struct Adapter {
    pub(super) spoken: Spoken,
    /// Only where messages are written in JSON.
    pub(super) method: Option<Arc<Method>>,
    pub(super) options: JsonOptions,
    pub(super) limits: FrameLimits,
    pub(super) budget: Budget,
    /// Its part of the budget, until the call is over.
    held: Mutex<Hold>,
    pub(super) accepts: Accepts,
    pub(super) voice: Voice,
    pub(super) fault: Fault,
    pub(super) ended: Ended,
}

/// What the client reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Accepts {
    /// Of whole bodies.
    pub(super) body: Encoding,
    /// Of single messages.
    pub(super) message: Encoding,
    pub(super) events: bool,
    pub(super) trailers: bool,
}

impl Adapter {
    /// The way for a call that was recognised. `settings` are those of its route over those of its service.
    ///
    /// # Errors
    ///
    /// When the method has to be known and is not.
    pub fn new(
        spoken: Spoken,
        contract: Option<Arc<Contract>>,
        settings: Settings,
        limits: &Limits,
        headers: &HeaderMap,
    ) -> Result<Self, Failure> {
        let json = match &spoken.protocol {
            Protocol::Grpc(codec)
            | Protocol::Web { codec, .. }
            | Protocol::ConnectStream(codec)
            | Protocol::ConnectUnary(codec) => *codec == Codec::Json,
            Protocol::ConnectGet(query) => query.codec == Codec::Json,
            Protocol::Rest(..) | Protocol::Json => true,
        };
        let method = match &contract {
            Some(contract) if json => contract.method(&spoken.path).cloned(),
            _ => None,
        };
        if json && method.is_none() {
            let message = format!("the service describes no method `{}`", spoken.path);
            return Err(Failure::status(Code::Unimplemented, message));
        }
        let accepts = Accepts {
            body: negotiate(values(headers, &ACCEPT_ENCODING), &Encoding::OFFERED),
            message: match &spoken.protocol {
                Protocol::ConnectStream(_) => {
                    let written = headers.get(connect::CONTENT_ENCODING).and_then(|value| value.to_str().ok());
                    connect::answer_encoding(values(headers, &connect::ACCEPT_ENCODING), Encoding::of_header(written)?)
                }
                _ => negotiate(values(headers, &grpc::ACCEPT_ENCODING), &Encoding::OFFERED),
            },
            events: wants_events(headers),
            trailers: metadata::wants_trailers(headers),
        };
        let voice = Voice::of(&spoken, settings.errors(), contract);
        let options = settings.options();
        let (fault, ended) = (Fault::default(), Ended::default());
        let (limits, budget, held) = (limits.frames, limits.budget.clone(), Mutex::default());
        Ok(Self { spoken, method, options, limits, budget, held, accepts, voice, fault, ended })
    }

    /// Keeps a part of the budget until the call is over: what was read is on its way to the service until then.
    pub(super) fn hold(&self, hold: Hold) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = hold;
    }

    /// How its errors are said.
    pub fn voice(&self) -> &Voice {
        &self.voice
    }

    /// The path of the method that is called.
    pub fn path(&self) -> &Arc<str> {
        &self.spoken.path
    }

    /// The label of its route, where it came by a rule.
    pub fn label(&self) -> Option<&Arc<str>> {
        match &self.spoken.protocol {
            Protocol::Rest(bound, _) => Some(&bound.label),
            _ => None,
        }
    }

    /// Which gRPC status the call ends with, once it has.
    pub fn ended(&self) -> Ended {
        self.ended.clone()
    }

    /// Whether the client may send more than one message.
    pub(super) fn client_streams(&self) -> bool {
        self.spoken.shape.is_some_and(|shape| shape.client_streaming)
    }

    /// Whether there may be more than one message in the answer.
    pub(super) fn server_streams(&self) -> bool {
        self.spoken.shape.is_some_and(|shape| shape.server_streaming)
    }

    /// How requests are read that are not protobuf.
    pub(super) fn reader(&self) -> Option<Recode> {
        self.method.as_ref().map(|method| Recode { descriptor: method.input.clone(), options: self.options })
    }

    /// How answers are written that are not protobuf.
    pub(super) fn writer(&self) -> Option<Recode> {
        self.method.as_ref().map(|method| Recode { descriptor: method.output.clone(), options: self.options })
    }
}

fn values<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok())
}

/// A message's type, and how it is written.
#[derive(Clone)]
pub(super) struct Recode {
    descriptor: MessageDescriptor,
    options: JsonOptions,
}

impl Recode {
    pub(super) fn options(&self) -> JsonOptions {
        self.options
    }

    /// What a client wrote in JSON, as protobuf.
    pub(super) fn to_proto(&self, text: &[u8]) -> Result<Vec<u8>, Failure> {
        Ok(json::from_json(&self.descriptor, text, self.options)?.encode_to_vec())
    }

    /// What a service wrote.
    pub(super) fn message(&self, bytes: &Bytes) -> Result<DynamicMessage, Failure> {
        let message = decode_message(&self.descriptor, bytes);
        message.map_err(|error| Failure::status(Code::Internal, error.to_string()).of_answer())
    }

    /// What a service wrote, in JSON.
    pub(super) fn to_json(&self, bytes: Bytes, out: &mut Vec<u8>) -> Result<(), Failure> {
        let message = self.message(&bytes)?;
        json::to_json(&message, self.options, out).map_err(|error| Failure::from(error).of_answer())
    }
}

/// A message with its length in front.
pub fn framed(flags: u8, payload: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(frame::HEAD_BYTES + payload.len());
    frame::encode(flags, payload, &mut out);
    out.freeze()
}

/// Which gRPC status a call ended with. Clones share it.
#[derive(Clone, Debug)]
pub struct Ended(Arc<AtomicI32>);

impl Default for Ended {
    fn default() -> Self {
        Self(Arc::new(AtomicI32::new(-1)))
    }
}

impl Ended {
    pub(super) fn with(&self, code: i32) {
        self.0.store(code, Ordering::Relaxed);
    }

    /// The status; `None` as long as the call goes on.
    pub fn code(&self) -> Option<i32> {
        Some(self.0.load(Ordering::Relaxed)).filter(|code| *code >= 0)
    }
}

/// What was wrong with a request that was on its way already. Clones share it.
///
/// A service only sees that the request broke off, and answers what it makes of that; the client has to hear what it did.
#[derive(Clone, Debug, Default)]
pub(super) struct Fault(Arc<OnceLock<(GrpcStatus, Option<StatusCode>)>>);

impl Fault {
    /// Keeps what is wrong, for the answer, and makes an error of it for the service.
    pub(super) fn keep(&self, failure: Failure) -> CallError {
        match failure {
            Failure::Call(error) => error,
            Failure::Status(refusal) => {
                let kind = match refusal.status.code() {
                    Code::ResourceExhausted => ErrorKind::BodyTooLarge,
                    _ => ErrorKind::Invalid,
                };
                let error = CallError::new(kind, Side::Caller, refusal.status.message.clone());
                // The first one is what happened.
                let _ = self.0.set((refusal.status, refusal.http));
                error
            }
        }
    }

    /// What was wrong.
    pub(super) fn get(&self) -> Option<GrpcStatus> {
        self.0.get().map(|(status, _)| status.clone())
    }

    /// The same failure with the HTTP status that goes with what was wrong.
    pub(super) fn with_http(&self, failure: Failure) -> Failure {
        match self.0.get() {
            Some((_, Some(http))) => failure.with_http(*http),
            _ => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_wrong_first_is_what_the_client_hears() {
        let fault = Fault::default();
        let answered = || Failure::status(Code::Unknown, "broken off");
        assert_eq!((fault.get(), fault.with_http(answered()).http_status()), (None, StatusCode::INTERNAL_SERVER_ERROR));
        let error = fault.keep(Failure::too_large(10));
        assert_eq!(error.kind(), ErrorKind::BodyTooLarge);
        fault.keep(Failure::field("later", "is wrong, too"));
        let failure = fault.with_http(Failure::of(fault.get().unwrap()));
        assert_eq!(failure.to_status().code(), Code::ResourceExhausted);
        assert_eq!(failure.http_status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
}
