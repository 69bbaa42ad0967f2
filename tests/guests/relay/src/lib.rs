//! Passes gRPC calls of every kind on to the service `echo`, and HTTP requests to any: the client's side of the SDK.

use std::pin::Pin;

use futures_util::{Stream, StreamExt};
use hostel_sdk::{
    CallError, Channel, ErrorKind,
    axum::{
        Router,
        body::Body,
        extract::{Path, Request as HttpRequest},
        http::{StatusCode, Uri, uri},
        response::Response as HttpResponse,
        routing::{any, get},
    },
    http,
    tonic::{self, Request, Response, Status, Streaming},
};
use pb::{EchoReply, EchoRequest, echo_client::EchoClient, echo_server};

#[allow(dead_code, clippy::all, clippy::allow_attributes_without_reason, reason = "generated, and not all of it used")]
mod pb {
    hostel_sdk::tonic::include_proto!("hostel.test.v1");
}

fn app() -> Router {
    Router::new()
        .route("/via/{name}", get(via))
        .route("/on/{service}/{*path}", any(on))
        .merge(hostel_sdk::grpc(echo_server::EchoServer::new(Relay)))
}

hostel_sdk::serve!(app);
hostel_sdk::descriptors!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
hostel_sdk::manifest!("manifest.toml");

fn client() -> EchoClient<Channel> {
    EchoClient::new(hostel_sdk::channel("echo"))
}

async fn via(Path(name): Path<String>) -> Result<String, (StatusCode, String)> {
    let request = EchoRequest { text: format!("hello {name}"), ..Default::default() };
    match client().unary(request).await {
        Ok(reply) => Ok(reply.into_inner().text),
        Err(status) => Err((StatusCode::BAD_GATEWAY, format!("{:?}: {}\n", status.code(), status.message()))),
    }
}

/// Passes an HTTP request on as it is, to the path after `/on/SERVICE`.
async fn on(Path((service, path)): Path<(String, String)>, request: HttpRequest) -> Result<HttpResponse, CallError> {
    let (mut parts, body) = request.into_parts();
    let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let uri = format!("http://{service}.internal/{path}{query}").parse::<Uri>();
    parts.uri = uri.map_err(|error: uri::InvalidUri| CallError::new(ErrorKind::Invalid, error.to_string()))?;
    let response = http::send(HttpRequest::from_parts(parts, body)).await?;
    Ok(response.map(Body::new))
}

struct Relay;

type Replies = Pin<Box<dyn Stream<Item = Result<EchoReply, Status>> + Send>>;

/// The messages of a request as they come. One that breaks off just ends: tonic's clients have no way to say more.
fn messages(request: Request<Streaming<EchoRequest>>) -> impl Stream<Item = EchoRequest> + Send + 'static {
    request.into_inner().filter_map(async |message| message.ok())
}

/// A response without the metadata of the call it comes from.
fn stream(response: Response<Streaming<EchoReply>>) -> Response<Replies> {
    Response::new(Box::pin(response.into_inner()))
}

#[tonic::async_trait]
impl echo_server::Echo for Relay {
    async fn unary(&self, request: Request<EchoRequest>) -> Result<Response<EchoReply>, Status> {
        client().unary(request.into_inner()).await
    }

    async fn client_stream(&self, request: Request<Streaming<EchoRequest>>) -> Result<Response<EchoReply>, Status> {
        client().client_stream(messages(request)).await
    }

    type ServerStreamStream = Replies;

    async fn server_stream(&self, request: Request<EchoRequest>) -> Result<Response<Replies>, Status> {
        client().server_stream(request.into_inner()).await.map(stream)
    }

    type BidiStream = Replies;

    async fn bidi(&self, request: Request<Streaming<EchoRequest>>) -> Result<Response<Replies>, Status> {
        client().bidi(messages(request)).await.map(stream)
    }

    async fn fail(&self, request: Request<EchoRequest>) -> Result<Response<EchoReply>, Status> {
        client().fail(request.into_inner()).await
    }

    type FailLateStream = Replies;

    async fn fail_late(&self, request: Request<EchoRequest>) -> Result<Response<Replies>, Status> {
        client().fail_late(request.into_inner()).await.map(stream)
    }
}
