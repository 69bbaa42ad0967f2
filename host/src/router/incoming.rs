//! Calls that come from other hosts: for services of this one, and never sent on.
//!
//! The sender's host has found the route, retries, and counts the call as remote; this one checks again whatever does not
//! depend on the sender (who may call, depth, sizes, time) and counts the call as local.

use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt};

use super::dispatch;
use crate::call::{CallContext, CallError, Request, Response, ServiceName};
use crate::modules::Deployments;
use crate::peer::{Incoming, PeerIdentity};

/// The services of this host, for other hosts.
pub struct LocalServices {
    deployments: Deployments,
}

impl LocalServices {
    /// Those in `deployments`, now and later.
    pub fn new(deployments: Deployments) -> Self {
        Self { deployments }
    }
}

impl Incoming for LocalServices {
    fn call(
        &self,
        _from: &Arc<PeerIdentity>,
        target: &ServiceName,
        request: Request,
        context: CallContext,
    ) -> BoxFuture<'static, Result<Response, CallError>> {
        match self.deployments.enter(target) {
            Some(entered) => dispatch::local(entered, request, context).boxed(),
            // The sender's catalogue is behind. It may ask somebody else.
            None => std::future::ready(Err(dispatch::gone(target.as_str()))).boxed(),
        }
    }
}
