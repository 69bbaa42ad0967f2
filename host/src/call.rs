//! The vocabulary every layer speaks: a *call* is an HTTP request to a named service and its response.
//!
//! gRPC, JSON, and all kinds of streaming are calls. Edges turn sockets into calls, the router turns a call into a
//! local instance (or, once there are peers, into a remote one), and guests' outgoing requests are calls again. So
//! that limits, deadlines, identity, metrics and traces hold everywhere, nothing in the host reaches a service any
//! other way than through [`Call`].

mod body;
mod context;
mod deadline;
mod error;
mod fields;
pub mod grpc;
pub mod header;
mod name;
mod trace;

use futures::future::BoxFuture;

pub use body::{Body, StreamBody, WithGuard};
pub use context::{CallContext, Caller};
pub use deadline::{Deadline, ParseTimeoutError, TimeoutText};
pub use error::{BoxError, CallError, ErrorKind, Side};
pub use fields::ContextFields;
pub use name::{NameError, ServiceName};
pub use trace::{SpanId, TraceContext, TraceId};

/// A request to a service. Its URI carries path and query; scheme and authority are those the client used.
pub type Request = http::Request<Body>;

/// A service's answer. Trailers, if any, follow in the body.
pub type Response = http::Response<Body>;

/// Something that can take a call to a named service.
///
/// Dropping the returned future, or the response body before its end, cancels the call and everything it caused.
pub trait Call: Send + Sync + 'static {
    /// Sends `request` to the service called `target`.
    ///
    /// # Errors
    ///
    /// A [`CallError`] when no response could be had. An error status that the service itself answered is a response.
    fn call(
        &self,
        target: &ServiceName,
        request: Request,
        context: CallContext,
    ) -> BoxFuture<'static, Result<Response, CallError>>;
}
