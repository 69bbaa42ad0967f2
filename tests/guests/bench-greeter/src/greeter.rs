//! The gRPC service that the front calls. The module and the benchmark's native server are made from this one file.

use std::pin::Pin;

use tonic::codegen::{
    Bytes,
    tokio_stream::{self, Stream},
};
use tonic::{Request, Response, Status};

use super::pb::{
    Chunk, HelloReply, HelloRequest, Order, StreamRequest, TickReply, TickRequest,
    greeter_server::{Greeter, GreeterServer},
};

/// One message of a stream.
static CHUNK: [u8; 64 * 1024] = [b'.'; 64 * 1024];

pub(crate) fn service() -> GreeterServer<impl Greeter> {
    GreeterServer::new(Hello)
}

struct Hello;

#[tonic::async_trait]
impl Greeter for Hello {
    async fn hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        let message = format!("hello {}", request.into_inner().name);
        Ok(Response::new(HelloReply { message }))
    }

    type StreamStream = Pin<Box<dyn Stream<Item = Result<Chunk, Status>> + Send>>;

    async fn stream(&self, request: Request<StreamRequest>) -> Result<Response<Self::StreamStream>, Status> {
        let chunks = (0..request.into_inner().chunks).map(|_| Ok(Chunk { data: Bytes::from_static(&CHUNK) }));
        Ok(Response::new(Box::pin(tokio_stream::iter(chunks))))
    }

    async fn echo(&self, request: Request<Order>) -> Result<Response<Order>, Status> {
        Ok(Response::new(request.into_inner()))
    }

    type TickStream = Pin<Box<dyn Stream<Item = Result<TickReply, Status>> + Send>>;

    async fn tick(&self, request: Request<TickRequest>) -> Result<Response<Self::TickStream>, Status> {
        let ticks = (0..request.into_inner().count).map(|number| Ok(TickReply { number }));
        Ok(Response::new(Box::pin(tokio_stream::iter(ticks))))
    }
}
