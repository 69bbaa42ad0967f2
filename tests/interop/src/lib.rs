//! The cases of gRPC's interop tests, over whatever carries a client's calls.
//!
//! One text of each case: the integration tests run them from outside, through an edge, and the guest `interop-caller` runs
//! them inside. The server is the guest `interop`. Names and numbers are those of the description, so that a case that fails
//! can be looked up there; what a case does beyond it, it says.
//!
//! Left out are the cases that need what this service has not: credentials of a cloud, a load balancer, load reports.
//!
//! Source: grpc/grpc, doc/interop-test-descriptions.md.

mod check;
mod compressed;
mod ending;
mod status;
mod streaming;
mod unary;
mod wire;

use bytes::Bytes;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codegen::StdError;
use tonic::codegen::http::Uri;

use check::Wrong;
use pb::test_service_client::TestServiceClient;
use pb::unimplemented_service_client::UnimplementedServiceClient;

#[allow(missing_docs, unreachable_pub, clippy::all, clippy::allow_attributes_without_reason, reason = "generated")]
mod pb {
    tonic::include_proto!("grpc.testing");
}

/// The messages and services as a `FileDescriptorSet`, for clients in other languages.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// What carries calls: a client of HTTP, or a channel of the guest SDK.
pub trait Transport: Clone + GrpcService<Body, ResponseBody = Self::Answer> {
    /// The body of its responses.
    type Answer: http_body::Body<Data = Bytes, Error: Into<StdError> + Send> + Send + 'static;
}

impl<T> Transport for T
where
    T: Clone + GrpcService<Body>,
    T::ResponseBody: http_body::Body<Data = Bytes, Error: Into<StdError> + Send> + Send + 'static,
{
    type Answer = T::ResponseBody;
}

/// Where the service is: what calls go over, and scheme and authority of their URLs.
#[derive(Clone, Debug)]
pub struct Target<T> {
    transport: T,
    origin: Uri,
}

impl<T: Transport> Target<T> {
    /// The service behind `origin`.
    pub fn new(transport: T, origin: Uri) -> Self {
        Self { transport, origin }
    }

    fn client(&self) -> TestServiceClient<T> {
        TestServiceClient::with_origin(self.transport.clone(), self.origin.clone())
    }

    fn unimplemented(&self) -> UnimplementedServiceClient<T> {
        UnimplementedServiceClient::with_origin(self.transport.clone(), self.origin.clone())
    }
}

macro_rules! cases {
    ($($(#[$about:meta])* $list:ident { $($module:ident: $($case:ident),+;)+ })+) => {
        $($(#[$about])* pub const $list: &[&str] = &[$($(stringify!($case)),+),+];)+

        /// Runs one case.
        ///
        /// # Errors
        /// In words: what came, and what should have.
        pub async fn run<T: Transport>(case: &str, target: &Target<T>) -> Result<(), String> {
            let outcome = match case {
                $($($(stringify!($case) => $module::$case(target).await,)+)+)+
                _ => Err(Wrong("there is no such case".into())),
            };
            outcome.map_err(|wrong| format!("{case}: {}", wrong.0))
        }
    };
}

cases! {
    /// The names of the cases.
    CASES {
        unary: empty_unary, cacheable_unary, large_unary, concurrent_large_unary, rpc_soak;
        streaming: client_streaming, server_streaming, ping_pong, half_duplex, empty_stream, intervals;
        status: custom_metadata, status_code_and_message, special_status_message, unimplemented_method,
            unimplemented_service;
        ending: cancel_after_begin, cancel_after_first_response, timeout_on_sleeping_server;
    }
    /// The names of those that need a server, and everybody between, to leave alone which messages are compressed.
    COMPRESSED {
        compressed: client_compressed_unary, server_compressed_unary, client_compressed_streaming,
            server_compressed_streaming;
    }
}
