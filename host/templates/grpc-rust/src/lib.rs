//! The service `{{name}}`: greetings over gRPC.

use std::pin::Pin;

use hostel_sdk::axum::{Router, routing::get};
use hostel_sdk::{config, tracing};
use pb::greeter_server::{Greeter, GreeterServer};
use pb::{GreetManyRequest, GreetReply, GreetRequest};
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status};

mod pb {
    tonic::include_proto!("{{name_snake}}.v1");
}

hostel_sdk::serve!(app);
hostel_sdk::manifest!("manifest.toml");
hostel_sdk::descriptors!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// gRPC and HTTP, side by side.
///
/// To call another service, make its client over `hostel_sdk::channel("its-name")`.
fn app() -> Router {
    Router::new()
        .route("/", get(async || "{{name}} speaks gRPC\n"))
        .route("/healthz", get(async || "ok"))
        .merge(hostel_sdk::grpc(GreeterServer::new(Service)))
}

struct Service;

#[tonic::async_trait]
impl Greeter for Service {
    async fn greet(&self, request: Request<GreetRequest>) -> Result<Response<GreetReply>, Status> {
        let name = request.into_inner().name;
        if name.is_empty() {
            return Err(Status::invalid_argument("`name` is empty"));
        }
        tracing::info!(name, "greeted");
        Ok(Response::new(reply(&name)))
    }

    type GreetManyStream = Pin<Box<dyn Stream<Item = Result<GreetReply, Status>> + Send>>;

    async fn greet_many(
        &self,
        request: Request<GreetManyRequest>,
    ) -> Result<Response<Self::GreetManyStream>, Status> {
        let GreetManyRequest { name, times } = request.into_inner();
        let replies = tokio_stream::iter(0..times).map(move |_| Ok(reply(&name)));
        Ok(Response::new(Box::pin(replies)))
    }
}

fn reply(name: &str) -> GreetReply {
    let greeting = config::get("greeting").ok().flatten();
    let greeting = greeting.as_deref().unwrap_or("hello");
    GreetReply {
        text: format!("{greeting} {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn greets() {
        let request = Request::new(GreetRequest { name: "you".into() });
        let reply = Service.greet(request).await.unwrap().into_inner();
        assert_eq!(reply.text, "hello you");
    }

    #[tokio::test]
    async fn greets_nobody() {
        let request = Request::new(GreetRequest::default());
        let status = Service.greet(request).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
    }
}
