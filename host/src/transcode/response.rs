//! Answers on their way to a client: whatever it speaks is made of gRPC.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRAILER, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::adapter::{Adapter, COMPRESSED_BYTES_MIN};
use super::compression::{Compressor, Encoding, compress};
use super::connect;
use super::content::{Codec, ContentType};
use super::contract::Bound;
use super::failure::Failure;
use super::frame::{Dialect, FrameLimits};
use super::messages::{Item, Messages};
use super::metadata;
use super::rule;
use super::spoken::Protocol;
use super::status::GrpcStatus;
use super::streamed::{Lined, Outlet, Streamed};
use crate::call::grpc::{self, Code};
use crate::call::{Body, CallError, ErrorKind, Response, Side};

/// What `google.api.HttpBody` is called: its bytes are the answer, as they are.
const HTTP_BODY: &str = "google.api.HttpBody";

/// A gRPC response, taken apart.
struct Answer {
    headers: HeaderMap,
    messages: Messages,
    /// Of a response without messages.
    status: Option<GrpcStatus>,
}

/// The one message of an answer.
struct One {
    headers: HeaderMap,
    message: Bytes,
    trailers: HeaderMap,
}

impl Adapter {
    /// The answer as the client takes it. Waits for the whole of it where there is only one message, and for the first
    /// message where the HTTP status depends on it.
    ///
    /// # Errors
    ///
    /// When the service answered an error; [`Adapter::voice`] says it.
    pub async fn response(&self, response: Response) -> Result<Response, Failure> {
        let outcome = self.answer(response).await;
        if let Err(failure) = &outcome {
            self.ended.with(failure.to_status().number);
        }
        outcome
    }

    async fn answer(&self, response: Response) -> Result<Response, Failure> {
        let answer = Answer::new(response, self.limits)?;
        let writer = self.writer();
        match &self.spoken.protocol {
            Protocol::Grpc(codec) => {
                let encoding = self.accepts.message;
                let outlet = Outlet::Grpc { json: writer.filter(|_| *codec == Codec::Json), encoding };
                let mut headers = answer.headers.clone();
                set(&mut headers, grpc::ENCODING, named(encoding));
                // The trailers of a response without messages are its headers.
                if let Some(status) = &answer.status {
                    self.ended.with(status.number);
                    return Ok(self.with_headers(Body::empty(), ContentType::Grpc(*codec), headers));
                }
                Ok(self.streamed(answer, outlet, None, ContentType::Grpc(*codec), headers))
            }
            Protocol::Web { codec, text } => {
                let json = writer.filter(|_| *codec == Codec::Json);
                let headers = custom(&answer.headers);
                let content = ContentType::Web { codec: *codec, text: *text };
                Ok(self.streamed(answer, Outlet::Web { json, text: *text }, None, content, headers))
            }
            Protocol::ConnectStream(codec) => {
                let json = writer.filter(|_| *codec == Codec::Json);
                let encoding = self.accepts.message;
                let mut headers = custom(&answer.headers);
                set(&mut headers, connect::CONTENT_ENCODING, named(encoding));
                let outlet = Outlet::Connect { json, encoding };
                Ok(self.streamed(answer, outlet, None, ContentType::ConnectStream(*codec), headers))
            }
            Protocol::ConnectUnary(codec) => self.connect_unary(answer, *codec).await,
            Protocol::ConnectGet(query) => self.connect_unary(answer, query.codec).await,
            Protocol::Rest(..) | Protocol::Json if self.server_streams() => self.rest_stream(answer).await,
            Protocol::Rest(..) | Protocol::Json => self.rest(answer).await,
        }
    }

    async fn connect_unary(&self, answer: Answer, codec: Codec) -> Result<Response, Failure> {
        let mapped = |headers: &HeaderMap, trailers: &HeaderMap| {
            let mut all = custom(headers);
            all.extend(connect::trailers_as_headers(trailers));
            all
        };
        let One { headers, message, trailers } = self.one_message(answer, mapped).await?;
        let body = match (codec, self.writer()) {
            (Codec::Json, Some(writer)) => {
                let mut text = Vec::new();
                writer.to_json(message, &mut text)?;
                text.into()
            }
            _ => message,
        };
        self.whole(body, ContentType::Unary(codec).header(), mapped(&headers, &trailers))
    }

    async fn rest(&self, answer: Answer) -> Result<Response, Failure> {
        let One { headers, message, trailers } =
            self.one_message(answer, |headers, _| metadata::to_rest(headers)).await?;
        let (content, body) = self.rest_body(message)?;
        let mut response = self.whole(body, content, metadata::to_rest(&headers))?;
        if self.accepts.trailers {
            let trailers = metadata::to_rest_trailers(&trailers);
            if let Some(names) = metadata::announced(&trailers) {
                response.headers_mut().insert(TRAILER, names);
                response.headers_mut().remove(CONTENT_LENGTH);
                response = response.map(|body| body.with_trailers(trailers));
            }
        }
        Ok(response)
    }

    fn rest_body(&self, message: Bytes) -> Result<(HeaderValue, Bytes), Failure> {
        let (Protocol::Rest(bound, _), Some(writer)) = (&self.spoken.protocol, self.writer()) else {
            let mut text = Vec::new();
            if let Some(writer) = self.writer() {
                writer.to_json(message, &mut text)?;
            }
            return Ok((HeaderValue::from_static("application/json"), text.into()));
        };
        let message = writer.message(&message)?;
        rule::response_body(&bound.rule, &message, self.options).map_err(|error| Failure::from(error).of_answer())
    }

    /// Several messages over HTTP: a line each, or an event each; raw bytes if they are.
    async fn rest_stream(&self, mut answer: Answer) -> Result<Response, Failure> {
        let first = match answer.messages.next().await? {
            Item::Message(message) => Some(message),
            Item::End(trailers) => {
                let status = answer.status(&trailers)?;
                let status = self.fault.get().unwrap_or(status);
                if !status.is_ok() {
                    return Err(self.fault.with_http(Failure::answered(status, metadata::to_rest(&answer.headers))));
                }
                self.ended.with(status.number);
                None
            }
        };
        let mut headers = metadata::to_rest(&answer.headers);
        headers.append(VARY, HeaderValue::from_static("accept, accept-encoding"));
        let raw = self.method.as_ref().is_some_and(|method| method.output.full_name() == HTTP_BODY);
        let (content, outlet) = match self.writer() {
            Some(writer) if raw => {
                let content = first.as_ref().map(|message| writer.message(message)).transpose()?;
                let content = content.map(|message| self.raw(&message)).transpose()?.map(|(content, _)| content);
                let content = content.unwrap_or(HeaderValue::from_static("application/octet-stream"));
                (content, Outlet::Raw { writer })
            }
            Some(writer) if self.accepts.events => {
                (HeaderValue::from_static("text/event-stream"), Outlet::Events(Lined { writer, rule: self.rule() }))
            }
            Some(writer) => {
                (HeaderValue::from_static("application/x-ndjson"), Outlet::Lines(Lined { writer, rule: self.rule() }))
            }
            None => return Err(Failure::status(Code::Internal, "the method is not known")),
        };
        if self.accepts.events && !raw {
            headers.insert(http::header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        }
        let whole = match (&first, raw) {
            (Some(_), false) if self.accepts.body != Encoding::Identity => {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static(self.accepts.body.name()));
                Some(Compressor::new(self.accepts.body)?)
            }
            _ => None,
        };
        headers.insert(CONTENT_TYPE, content);
        let body = match first {
            None => Body::empty(),
            first => Body::stream(self.stream(answer, outlet, whole, first)),
        };
        let mut response = Response::new(body);
        *response.headers_mut() = headers;
        Ok(response)
    }

    fn rule(&self) -> Option<Arc<Bound>> {
        match &self.spoken.protocol {
            Protocol::Rest(bound, _) => Some(bound.clone()),
            _ => None,
        }
    }

    fn raw(&self, message: &prost_reflect::DynamicMessage) -> Result<(HeaderValue, Bytes), Failure> {
        super::streamed::raw(message)
    }

    /// The one message of an answer, which has no more.
    async fn one_message(
        &self,
        mut answer: Answer,
        mapped: impl Fn(&HeaderMap, &HeaderMap) -> HeaderMap,
    ) -> Result<One, Failure> {
        let mut message = None;
        loop {
            match answer.messages.next().await? {
                Item::Message(_) if message.is_some() => return Err(nonsense("more than one message")),
                Item::Message(bytes) => message = Some(bytes),
                Item::End(trailers) => {
                    let status = answer.status(&trailers)?;
                    let status = self.fault.get().unwrap_or(status);
                    if !status.is_ok() {
                        return Err(self
                            .fault
                            .with_http(Failure::answered(status, mapped(&answer.headers, &trailers))));
                    }
                    let message = message.ok_or_else(|| nonsense("no message"))?;
                    self.ended.with(status.number);
                    return Ok(One { headers: answer.headers, message, trailers });
                }
            }
        }
    }

    /// A response with a whole body, compressed where that pays.
    fn whole(&self, body: Bytes, content: HeaderValue, mut headers: HeaderMap) -> Result<Response, Failure> {
        headers.insert(CONTENT_TYPE, content);
        let worth = body.len() >= COMPRESSED_BYTES_MIN;
        if worth {
            headers.append(VARY, HeaderValue::from_static("accept-encoding"));
        }
        let body = match self.accepts.body {
            encoding if worth && encoding != Encoding::Identity => {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding.name()));
                compress(encoding, &body)?.into()
            }
            _ => body,
        };
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        let mut response = Response::new(Body::full(body, None));
        *response.status_mut() = StatusCode::OK;
        *response.headers_mut() = headers;
        Ok(response)
    }

    fn streamed(
        &self,
        answer: Answer,
        outlet: Outlet,
        whole: Option<Compressor>,
        content: ContentType,
        headers: HeaderMap,
    ) -> Response {
        let body = Body::stream(self.stream(answer, outlet, whole, None));
        self.with_headers(body, content, headers)
    }

    fn stream(&self, answer: Answer, outlet: Outlet, whole: Option<Compressor>, first: Option<Bytes>) -> Streamed {
        let types = self.voice.contract().cloned();
        Streamed::new(
            answer.messages,
            answer.status,
            outlet,
            whole,
            first,
            self.fault.clone(),
            self.ended.clone(),
            types,
        )
    }

    fn with_headers(&self, body: Body, content: ContentType, headers: HeaderMap) -> Response {
        let mut response = Response::new(body);
        *response.headers_mut() = headers;
        response.headers_mut().remove(CONTENT_LENGTH);
        response.headers_mut().insert(CONTENT_TYPE, content.header());
        response
    }
}

impl Answer {
    /// Takes a response apart that should be gRPC's.
    fn new(response: Response, limits: FrameLimits) -> Result<Self, Failure> {
        let (parts, body) = response.into_parts();
        let mut headers = parts.headers;
        let status = GrpcStatus::of_headers(&headers);
        if status.is_none() && (parts.status != StatusCode::OK || !grpc::is_grpc(&headers)) {
            return Err(Failure::of(GrpcStatus::from_http(parts.status)));
        }
        let named = headers.get(grpc::ENCODING).map(|value| value.to_str().unwrap_or("?"));
        let encoding = Encoding::of_header(named).map_err(|error| Failure::from(error).of_answer())?;
        headers.remove(grpc::ENCODING);
        let messages = Messages::new(body, Dialect::Grpc, encoding, limits).of_answer();
        Ok(Self { headers, messages, status })
    }

    /// How the call ended: what the trailers say, or the headers of a response without messages.
    fn status(&self, trailers: &HeaderMap) -> Result<GrpcStatus, Failure> {
        let status = GrpcStatus::of_headers(trailers).or_else(|| self.status.clone());
        status.ok_or_else(|| nonsense("no status"))
    }
}

fn nonsense(what: &str) -> Failure {
    let message = format!("the service answered {what} where gRPC has exactly one");
    CallError::new(ErrorKind::BadResponse, Side::Callee, message).into()
}

/// Headers that are metadata.
fn custom(headers: &HeaderMap) -> HeaderMap {
    metadata::custom(headers).map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn named(encoding: Encoding) -> Option<&'static str> {
    Some(encoding).filter(|encoding| *encoding != Encoding::Identity).map(Encoding::name)
}

fn set(headers: &mut HeaderMap, name: http::HeaderName, value: Option<&'static str>) {
    match value {
        Some(value) => drop(headers.insert(name, HeaderValue::from_static(value))),
        None => drop(headers.remove(name)),
    }
}
