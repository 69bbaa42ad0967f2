//! Answers of many messages: one after the other, as the service makes them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};
use http_body::Frame;
use prost_reflect::{DynamicMessage, Value};

use super::adapter::{COMPRESSED_BYTES_MIN, Ended, Fault, Recode};
use super::compression::{Compressor, Encoding, compress};
use super::connect::{self, EndOfStream};
use super::contract::{Bound, Contract};
use super::failure::Failure;
use super::frame;
use super::gather::Gather;
use super::messages::{Item, Messages};
use super::rule;
use super::status::GrpcStatus;
use super::web;
use crate::call::{CallError, ErrorKind, Side};

/// How messages and the end are written.
pub(super) enum Outlet {
    /// gRPC, with another codec or compression than the service has.
    Grpc { json: Option<Recode>, encoding: Encoding },
    /// gRPC-Web.
    Web { json: Option<Recode>, text: bool },
    /// Connect.
    Connect { json: Option<Recode>, encoding: Encoding },
    /// JSON, a line each. An error is a last line `{"error": ...}`.
    Lines(Lined),
    /// Server-sent events. An error is an event of the type `error`.
    Events(Lined),
    /// The bytes of `google.api.HttpBody`.
    Raw { writer: Recode },
}

/// How each message of a stream is JSON: as a whole, or what its rule says of it.
pub(super) struct Lined {
    pub(super) writer: Recode,
    pub(super) rule: Option<Arc<Bound>>,
}

impl Lined {
    fn text(&self, message: &Bytes) -> Result<Bytes, Failure> {
        match &self.rule {
            Some(bound) if bound.rule.response_body.is_some() => {
                let message = self.writer.message(message)?;
                let body = rule::response_body(&bound.rule, &message, self.writer.options());
                Ok(body.map_err(|error| Failure::from(error).of_answer())?.1)
            }
            _ => recoded(Some(&self.writer), message.clone()),
        }
    }
}

impl Outlet {
    fn message(&self, message: Bytes, out: &mut BytesMut) -> Result<(), Failure> {
        match self {
            Self::Grpc { json, encoding } | Self::Connect { json, encoding } => {
                let message = recoded(json.as_ref(), message)?;
                if *encoding != Encoding::Identity && message.len() >= COMPRESSED_BYTES_MIN {
                    frame::encode(frame::COMPRESSED, &compress(*encoding, &message)?, out);
                } else {
                    frame::encode(0, &message, out);
                }
            }
            Self::Web { json, .. } => frame::encode(0, &recoded(json.as_ref(), message)?, out),
            Self::Lines(json) => {
                out.extend_from_slice(&json.text(&message)?);
                out.extend_from_slice(b"\n");
            }
            Self::Events(json) => {
                out.extend_from_slice(b"data: ");
                out.extend_from_slice(&json.text(&message)?);
                out.extend_from_slice(b"\n\n");
            }
            Self::Raw { writer } => out.extend_from_slice(&raw(&writer.message(&message)?)?.1),
        }
        Ok(())
    }

    /// Writes how it ended. What is returned follows as trailers.
    fn end(
        &self,
        status: &GrpcStatus,
        mut trailers: HeaderMap,
        contract: Option<&Contract>,
        out: &mut BytesMut,
    ) -> Result<Option<HeaderMap>, CallError> {
        let types = || contract.filter(|_| !status.details.is_empty()).and_then(Contract::schema);
        match self {
            Self::Grpc { .. } => {
                status.write(&mut trailers);
                return Ok(Some(trailers));
            }
            Self::Web { .. } => {
                status.write(&mut trailers);
                web::encode_trailers(&trailers, out);
            }
            Self::Connect { .. } => {
                let end = EndOfStream { status: status.clone(), trailers };
                connect::encode_end(&end, types().map(|schema| schema.pool()), out);
            }
            Self::Lines(_) if !status.is_ok() => {
                out.extend_from_slice(br#"{"error":"#);
                out.extend_from_slice(&status.to_json(types().map(|schema| schema.pool())));
                out.extend_from_slice(b"}\n");
            }
            Self::Events(_) if !status.is_ok() => {
                out.extend_from_slice(b"event: error\ndata: ");
                out.extend_from_slice(&status.to_json(types().map(|schema| schema.pool())));
                out.extend_from_slice(b"\n\n");
            }
            // Nothing within the bytes can say it, so they break off.
            Self::Raw { .. } if !status.is_ok() => {
                let message = format!("the service ended the stream: {}", status.message);
                return Err(CallError::new(ErrorKind::BadResponse, Side::Callee, message));
            }
            Self::Lines(_) | Self::Events(_) | Self::Raw { .. } => {}
        }
        Ok(None)
    }
}

fn recoded(json: Option<&Recode>, message: Bytes) -> Result<Bytes, Failure> {
    let Some(json) = json else { return Ok(message) };
    let mut text = Vec::new();
    json.to_json(message, &mut text)?;
    Ok(text.into())
}

/// What a `google.api.HttpBody` holds: its content type, and the bytes.
pub(super) fn raw(message: &DynamicMessage) -> Result<(HeaderValue, Bytes), Failure> {
    let content = message.get_field_by_number(1);
    let content = content.as_deref().and_then(Value::as_str).filter(|content| !content.is_empty());
    let content = HeaderValue::from_str(content.unwrap_or("application/octet-stream"));
    let content = content.unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let data = message.get_field_by_number(2);
    Ok((content, data.as_deref().and_then(Value::as_bytes).cloned().unwrap_or_default()))
}

/// The body of such an answer.
pub(super) struct Streamed {
    messages: Messages,
    /// Of an answer without messages.
    status: Option<GrpcStatus>,
    outlet: Outlet,
    /// Of the body as a whole.
    whole: Option<Compressor>,
    first: Option<Bytes>,
    fault: Fault,
    ended: Ended,
    contract: Option<Arc<Contract>>,
    trailers: Option<HeaderMap>,
    gather: Gather,
    over: bool,
}

impl Streamed {
    #[expect(clippy::too_many_arguments, reason = "they are the fields, and there is one place that has them")]
    pub(super) fn new(
        messages: Messages,
        status: Option<GrpcStatus>,
        outlet: Outlet,
        whole: Option<Compressor>,
        first: Option<Bytes>,
        fault: Fault,
        ended: Ended,
        contract: Option<Arc<Contract>>,
    ) -> Self {
        Self {
            messages,
            status,
            outlet,
            whole,
            first,
            fault,
            ended,
            contract,
            trailers: None,
            gather: Gather::default(),
            over: false,
        }
    }

    /// Ends the body. What has been written of a message that failed is not sent.
    fn end(&mut self, status: GrpcStatus, trailers: HeaderMap) -> Result<Bytes, CallError> {
        self.over = true;
        let status = self.fault.get().unwrap_or(status);
        self.ended.with(status.number);
        let mut out = BytesMut::new();
        self.trailers = self.outlet.end(&status, trailers, self.contract.as_deref(), &mut out)?;
        self.written(out)
    }

    fn written(&mut self, out: BytesMut) -> Result<Bytes, CallError> {
        let internal = |error: super::compression::CompressionError| {
            CallError::new(ErrorKind::Internal, Side::Host, "the answer cannot be compressed").with_source(error)
        };
        let Some(whole) = &mut self.whole else {
            return Ok(match self.outlet {
                Outlet::Web { text: true, .. } => web::encode_text(&out),
                _ => out.freeze(),
            });
        };
        whole.push(&out).map_err(internal)?;
        if !self.over {
            return whole.flush().map_err(internal);
        }
        match self.whole.take() {
            Some(whole) => whole.finish().map_err(internal),
            None => Ok(Bytes::new()),
        }
    }

    fn message(&mut self, message: Bytes) -> Result<Bytes, CallError> {
        let mut out = BytesMut::new();
        match self.outlet.message(message, &mut out) {
            Ok(()) => self.written(out),
            Err(failure) => self.end(failure.to_status(), HeaderMap::new()),
        }
    }
}

impl Streamed {
    /// What is next but for trailers.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, CallError>>> {
        loop {
            if self.over {
                return Poll::Ready(None);
            }
            let data = match self.first.take() {
                Some(first) => self.message(first),
                None => match ready!(self.messages.poll_item(cx)) {
                    Ok(Item::Message(message)) => self.message(message),
                    Ok(Item::End(trailers)) => {
                        let status = GrpcStatus::of_headers(&trailers).or_else(|| self.status.take());
                        let status = status.unwrap_or_else(|| {
                            GrpcStatus::new(
                                crate::call::grpc::Code::Unknown,
                                "the service did not say how the call ended",
                            )
                        });
                        self.end(status, trailers)
                    }
                    Err(failure) => self.end(failure.to_status(), HeaderMap::new()),
                },
            };
            match data {
                Ok(data) if data.is_empty() => {}
                Ok(data) => return Poll::Ready(Some(Ok(data))),
                Err(error) => {
                    self.over = true;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }
}

impl http_body::Body for Streamed {
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        let this = &mut *self;
        let mut gather = std::mem::take(&mut this.gather);
        let piece = gather.poll(|| this.poll_piece(cx));
        this.gather = gather;
        Poll::Ready(match ready!(piece) {
            Some(piece) => Some(piece.map(Frame::data)),
            None => this.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))),
        })
    }
}
