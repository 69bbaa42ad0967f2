//! What takes the calls that peers send.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::PeerIdentity;
use crate::call::{CallContext, CallError, Request, Response, ServiceName};

/// Takes calls from peers, for services of this host only: a call that came over a link is never sent on.
///
/// It is not [`Call`](crate::call::Call), because the context of such a call is what another host says. Who that host is
/// has been proven, so the receiver can hold against it what it says: whether it may speak for the caller it names.
pub trait Incoming: Send + Sync + 'static {
    /// Answers `request` to the service `target`, which the node `from` sends on behalf of the caller in `context`.
    ///
    /// Runs on the task of the connection until it returns, and the future is polled there: it must not compute. Dropping
    /// the future, or the response body before its end, cancels the call.
    ///
    /// # Errors
    ///
    /// Any [`CallError`]; it reaches the other end as it is, its cause excepted.
    fn call(
        &self,
        from: &Arc<PeerIdentity>,
        target: &ServiceName,
        request: Request,
        context: CallContext,
    ) -> BoxFuture<'static, Result<Response, CallError>>;
}
