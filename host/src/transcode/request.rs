//! Requests on their way to a service: whatever they come as becomes gRPC.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, TE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Uri};
use http_body::{Body as _, Frame};
use prost::Message as _;

use super::adapter::{Adapter, Fault, Recode, framed};
use super::compression::{Encoding, decompress};
use super::connect;
use super::content::Codec;
use super::failure::Failure;
use super::frame::Dialect;
use super::gather::Gather;
use super::messages::{Item, Messages, whole};
use super::metadata;
use super::rule::{self, RestBody};
use super::spoken::Protocol;
use crate::call::grpc::{self, Code};
use crate::call::{Body, CallError, Request};

impl Adapter {
    /// The request as the service takes it. Waits for the whole message where there is only one.
    ///
    /// # Errors
    ///
    /// When it cannot be read as what it says to be.
    pub async fn request(&self, request: Request) -> Result<Request, Failure> {
        let (mut parts, body) = request.into_parts();
        let body = match &self.spoken.protocol {
            Protocol::Grpc(codec) => {
                let messages = Messages::new(body, Dialect::Grpc, named(&parts.headers, grpc::ENCODING)?, self.limits);
                self.recoded(messages, *codec)
            }
            Protocol::Web { codec, text } => {
                let encoding = named(&parts.headers, grpc::ENCODING)?;
                let messages = Messages::new(body, Dialect::Grpc, encoding, self.limits);
                self.recoded(if *text { messages.in_base64() } else { messages }, *codec)
            }
            Protocol::ConnectStream(codec) => {
                let encoding = named(&parts.headers, connect::CONTENT_ENCODING)?;
                self.recoded(Messages::new(body, Dialect::Grpc, encoding, self.limits), *codec)
            }
            Protocol::ConnectUnary(codec) => {
                let message = self.decompressed(body, &parts.headers).await?;
                Ok(self.one(*codec, message)?)
            }
            Protocol::ConnectGet(query) => Ok(self.one(query.codec, query.message.clone())?),
            Protocol::Json | Protocol::Rest(..) if self.client_streams() => {
                // What is compressed is read as a whole, and so is no larger than one message.
                let body = match named(&parts.headers, CONTENT_ENCODING)? {
                    Encoding::Identity => body,
                    _ => Body::full(self.decompressed(body, &parts.headers).await?, None),
                };
                Ok(self.lines(body))
            }
            Protocol::Json => {
                let text = self.decompressed(body, &parts.headers).await?;
                // Nothing is an empty message, as it is for REST.
                Ok(self.one(Codec::Json, if text.is_empty() { Bytes::from_static(b"{}") } else { text })?)
            }
            Protocol::Rest(bound, captures) => {
                let bytes = self.decompressed(body, &parts.headers).await?;
                let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
                let body = RestBody { http_method: &parts.method, content_type, bytes: &bytes };
                let method = self.method.as_ref().ok_or_else(|| unknown(&self.spoken.path))?;
                let message =
                    rule::request_message(method, &bound.rule, captures, parts.uri.query(), body, self.options)?;
                Ok(Body::full(framed(0, &message.encode_to_vec()), None))
            }
        }?;
        let metadata = match &self.spoken.protocol {
            Protocol::Rest(..) | Protocol::Json => metadata::of_rest(&parts.headers)?,
            _ => metadata::of_call(&parts.headers)?,
        };
        parts.headers = metadata;
        parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        parts.headers.insert(TE, HeaderValue::from_static("trailers"));
        parts.method = Method::POST;
        parts.uri = with_path(std::mem::take(&mut parts.uri), &self.spoken.path)?;
        Ok(Request::from_parts(parts, body))
    }

    /// All of a body, decompressed.
    async fn decompressed(&self, body: Body, headers: &HeaderMap) -> Result<Bytes, Failure> {
        let max = self.limits.message_bytes_max;
        let encoding = named(headers, CONTENT_ENCODING)?;
        let (bytes, hold) = whole(body, max, &self.budget).await?;
        self.hold(hold);
        Ok(if encoding == Encoding::Identity { bytes } else { decompress(encoding, &bytes, max)? })
    }

    /// A request of one message.
    fn one(&self, codec: Codec, message: Bytes) -> Result<Body, Failure> {
        let frame = match (codec, self.reader()) {
            (Codec::Json, Some(reader)) => framed(0, &reader.to_proto(&message)?),
            _ => framed(0, &message),
        };
        Ok(Body::full(frame, None))
    }

    /// A request of messages in frames.
    fn recoded(&self, messages: Messages, codec: Codec) -> Result<Body, Failure> {
        let reader = self.reader().filter(|_| codec == Codec::Json);
        Recoded { messages, reader, fault: self.fault.clone(), gather: Gather::default(), over: false }
            .at_once_or_streamed()
    }

    /// A request of messages in lines.
    fn lines(&self, body: Body) -> Body {
        let max = self.limits.message_bytes_max;
        let lines = Lines { body, buffer: BytesMut::new(), ready: VecDeque::new(), max, over: false };
        match self.reader() {
            Some(reader) => {
                Body::stream(RecodedLines { lines, reader, fault: self.fault.clone(), gather: Gather::default() })
            }
            None => Body::empty(),
        }
    }
}

fn unknown(path: &str) -> Failure {
    Failure::status(Code::Unimplemented, format!("the service describes no method `{path}`"))
}

fn named(headers: &HeaderMap, name: http::HeaderName) -> Result<Encoding, Failure> {
    let value = headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    Ok(Encoding::of_header(value)?)
}

fn with_path(uri: Uri, path: &str) -> Result<Uri, Failure> {
    let mut parts = uri.into_parts();
    let invalid = || Failure::status(Code::Internal, "the method's path is no path");
    parts.path_and_query = Some(PathAndQuery::try_from(path).map_err(|_| invalid())?);
    Uri::from_parts(parts).map_err(|_| invalid())
}

/// Messages in frames of gRPC.
struct Recoded {
    messages: Messages,
    reader: Option<Recode>,
    fault: Fault,
    gather: Gather,
    over: bool,
}

impl Recoded {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Failure>> {
        if self.over {
            return Poll::Ready(Ok(None));
        }
        let item = ready!(self.messages.poll_item(cx));
        Poll::Ready(match item? {
            Item::Message(message) => Ok(Some(match &self.reader {
                Some(reader) => framed(0, &reader.to_proto(&message)?),
                None => framed(0, &message),
            })),
            Item::End(_) => {
                self.over = true;
                Ok(None)
            }
        })
    }

    /// A body that is at hand stays so, so that it crosses into the guest in one piece.
    fn at_once_or_streamed(mut self) -> Result<Body, Failure> {
        if !self.messages.is_at_hand() {
            return Ok(Body::stream(self));
        }
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut out = BytesMut::new();
        // Nothing is ever pending of what is at hand.
        while let Poll::Ready(next) = self.poll_next(&mut cx) {
            match next? {
                Some(frame) => out.extend_from_slice(&frame),
                None => break,
            }
        }
        Ok(Body::full(out.freeze(), None))
    }
}

impl http_body::Body for Recoded {
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        let this = &mut *self;
        let mut gather = std::mem::take(&mut this.gather);
        let piece = gather.poll(|| {
            let next = ready!(this.poll_next(cx)).map_err(|failure| this.fault.keep(failure));
            Poll::Ready(next.transpose())
        });
        this.gather = gather;
        Poll::Ready(ready!(piece).map(|piece| piece.map(Frame::data)))
    }
}

/// JSON texts, one a line.
struct Lines {
    body: Body,
    /// Of a line that is not complete.
    buffer: BytesMut,
    ready: VecDeque<Bytes>,
    max: usize,
    over: bool,
}

impl Lines {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Failure>> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Poll::Ready(Ok(Some(line)));
            }
            if self.over {
                return Poll::Ready(Ok(None));
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)).transpose()? {
                None => {
                    self.over = true;
                    let rest = self.buffer.split().freeze();
                    self.take(rest)?;
                }
                Some(frame) => {
                    let Ok(data) = frame.into_data() else { continue };
                    self.cut(&data)?;
                }
            }
        }
    }

    fn cut(&mut self, data: &[u8]) -> Result<(), Failure> {
        for piece in data.split_inclusive(|byte| *byte == b'\n') {
            if self.buffer.len() + piece.len() > self.max {
                return Err(Failure::too_large(self.max));
            }
            self.buffer.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                let line = self.buffer.split().freeze();
                self.take(line)?;
            }
        }
        Ok(())
    }

    /// Empty lines are none.
    fn take(&mut self, line: Bytes) -> Result<(), Failure> {
        if !line.trim_ascii().is_empty() {
            self.ready.push_back(line);
        }
        Ok(())
    }
}

struct RecodedLines {
    lines: Lines,
    reader: Recode,
    fault: Fault,
    gather: Gather,
}

impl RecodedLines {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, CallError>>> {
        let next = ready!(self.lines.poll_next(cx));
        let frame = next.and_then(|line| line.map(|line| Ok(framed(0, &self.reader.to_proto(&line)?))).transpose());
        Poll::Ready(frame.map_err(|failure| self.fault.keep(failure)).transpose())
    }
}

impl http_body::Body for RecodedLines {
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        let this = &mut *self;
        let mut gather = std::mem::take(&mut this.gather);
        let piece = gather.poll(|| this.poll_next(cx));
        this.gather = gather;
        Poll::Ready(ready!(piece).map(|piece| piece.map(Frame::data)))
    }
}
