//! A client of `hostel.test.v1.Echo`, which the guests `echo` and `relay` serve. The messages are written out here, so
//! that the tests need no build script; they say the same as `tests/guests/proto`.

use std::time::Duration;

use futures::Stream;
use hyper_util::client::legacy::Client as Pooled;
use hyper_util::rt::TokioExecutor;
use prost::Message;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{IntoRequest, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use super::host::Host;
use super::http::Fixed;
use super::wait::{LONG, within};

#[derive(Clone, PartialEq, Message)]
pub struct EchoRequest {
    #[prost(string, tag = "1")]
    pub text: String,
    #[prost(uint32, tag = "2")]
    pub count: u32,
    #[prost(uint32, tag = "3")]
    pub delay_ms: u32,
}

#[derive(Clone, PartialEq, Message)]
pub struct EchoReply {
    #[prost(string, tag = "1")]
    pub text: String,
    #[prost(uint32, tag = "2")]
    pub count: u32,
    #[prost(string, tag = "3")]
    pub caller: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct FailDetail {
    #[prost(string, tag = "1")]
    pub reason: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct Any {
    #[prost(string, tag = "1")]
    pub type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub struct RichStatus {
    #[prost(int32, tag = "1")]
    pub code: i32,
    #[prost(string, tag = "2")]
    pub message: String,
    #[prost(message, repeated, tag = "3")]
    pub details: Vec<Any>,
}

/// A request with these fields.
pub fn ask(text: &str, count: u32, delay_ms: u32) -> EchoRequest {
    EchoRequest { text: text.to_owned(), count, delay_ms }
}

/// A request that says by when the answer is needed.
pub fn ask_within(limit: Duration, message: EchoRequest) -> Request<EchoRequest> {
    let mut request = Request::new(message);
    request.set_timeout(limit);
    request
}

#[derive(Clone)]
pub struct Echo {
    grpc: Grpc<Pooled<Fixed, tonic::body::Body>>,
}

type Answer<T> = Result<Response<T>, Status>;

impl Host {
    /// A gRPC client of a service, over a connection of its own.
    pub fn grpc(&self, service: &str) -> Echo {
        let pooled = Pooled::builder(TokioExecutor::new()).http2_only(true).build(Fixed(self.edge));
        let origin = format!("http://{service}.localhost:{}", self.edge.port());
        let origin = origin.parse().expect("a URL");
        Echo { grpc: Grpc::with_origin(pooled, origin) }
    }
}

impl Echo {
    pub async fn unary(&mut self, request: impl IntoRequest<EchoRequest>) -> Answer<EchoReply> {
        self.one("Unary", request.into_request()).await
    }

    pub async fn fail(&mut self, request: impl IntoRequest<EchoRequest>) -> Answer<EchoReply> {
        self.one("Fail", request.into_request()).await
    }

    /// A method that the service does not have.
    pub async fn no_such_method(&mut self) -> Answer<EchoReply> {
        self.one("NoSuchMethod", Request::new(ask("", 0, 0))).await
    }

    pub async fn server_stream(&mut self, request: impl IntoRequest<EchoRequest>) -> Answer<Streaming<EchoReply>> {
        self.many("ServerStream", request.into_request()).await
    }

    pub async fn fail_late(&mut self, request: impl IntoRequest<EchoRequest>) -> Answer<Streaming<EchoReply>> {
        self.many("FailLate", request.into_request()).await
    }

    pub async fn client_stream(
        &mut self,
        requests: impl Stream<Item = EchoRequest> + Send + 'static,
    ) -> Answer<EchoReply> {
        let path = self.path("ClientStream").await;
        let requests = Request::new(requests);
        let call = self.grpc.client_streaming(requests, path, codec());
        within("ClientStream", LONG, call).await
    }

    pub async fn bidi(
        &mut self,
        requests: impl Stream<Item = EchoRequest> + Send + 'static,
    ) -> Answer<Streaming<EchoReply>> {
        let path = self.path("Bidi").await;
        let call = self.grpc.streaming(Request::new(requests), path, codec());
        within("Bidi", LONG, call).await
    }

    async fn one(&mut self, method: &str, request: Request<EchoRequest>) -> Answer<EchoReply> {
        let path = self.path(method).await;
        within(method, LONG, self.grpc.unary(request, path, codec())).await
    }

    async fn many(&mut self, method: &str, request: Request<EchoRequest>) -> Answer<Streaming<EchoReply>> {
        let path = self.path(method).await;
        let call = self.grpc.server_streaming(request, path, codec());
        within(method, LONG, call).await
    }

    async fn path(&mut self, method: &str) -> PathAndQuery {
        self.grpc.ready().await.expect("a client is always ready");
        let path = format!("/hostel.test.v1.Echo/{method}");
        PathAndQuery::try_from(path).expect("a path")
    }
}

/// A message as it is on the wire, uncompressed.
pub fn framed(message: &impl Message) -> bytes::Bytes {
    let content = message.encode_to_vec();
    let length = u32::try_from(content.len()).expect("a small message");
    [&[0][..], &length.to_be_bytes(), &content].concat().into()
}

fn codec() -> ProstCodec<EchoRequest, EchoReply> {
    ProstCodec::default()
}

/// The next message of a stream, which must come soon.
pub async fn next(replies: &mut Streaming<EchoReply>) -> Result<Option<EchoReply>, Status> {
    within("the next message", LONG, replies.message()).await
}
