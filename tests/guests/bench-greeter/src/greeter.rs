//! The gRPC service that the front calls. The module and the benchmark's native server are made from this one file.

use tonic::{Request, Response, Status};

use super::pb::{
    HelloReply, HelloRequest,
    greeter_server::{Greeter, GreeterServer},
};

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
}
