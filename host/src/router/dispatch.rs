//! One attempt of a call: into an instance here, or over the link to another host.

use std::cell::Cell;
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt};

use super::counted::Counted;
use super::lane::View;
use super::node_key::NodeKey;
use super::{Shared, remote};
use crate::call::{CallContext, CallError, Caller, ErrorKind, Request, Response, Side};
use crate::modules::{Deployed, Entered};
use crate::policy::deadline;

/// Sends a call to `node`, which may be this one, until the context's deadline.
///
/// Boxed, for it is some kilobytes, and whoever waits for it is moved several times: copying it took as many instructions as
/// all the rest of a small call.
pub(super) fn attempt(
    shared: &Arc<Shared>,
    view: &Arc<View>,
    node: NodeKey,
    entered: &Cell<Option<Entered>>,
    request: Request,
    context: CallContext,
) -> BoxFuture<'static, Result<Response, CallError>> {
    let service = view.service();
    let Some(remotes) = shared.remotes.as_ref().filter(|remotes| remotes.me() != node) else {
        // A version that has been replaced meanwhile cannot be entered any more, but the one that took its place can.
        let entered = entered.take().or_else(|| shared.deployments.enter(service));
        return match entered {
            Some(entered) => local(entered, request, context).boxed(),
            None => std::future::ready(Err(gone(service.as_str()))).boxed(),
        };
    };
    // What was entered here would otherwise be kept from ending for as long as the call takes elsewhere.
    drop(entered.take());
    // The node may have come after the call had begun, and so be newer than the view.
    let newer = match view.remote(node) {
        Some(_) => None,
        None => shared.lanes.find(shared, service).map(|(_, view)| view),
    };
    match newer.as_ref().unwrap_or(view).remote(node) {
        Some(endpoint) => remote::call(remotes, service, endpoint, request, context).boxed(),
        None => std::future::ready(Err(gone(service.as_str()))).boxed(),
    }
}

/// It was here when the call was sent, and is not any more. The call has reached nobody.
pub(super) fn gone(service: &str) -> CallError {
    CallError::unavailable(format!("`{service}` is not deployed here any more"))
}

/// Sends a call to a version on this host that has been entered.
pub(super) fn local(
    entered: Entered,
    request: Request,
    context: CallContext,
) -> impl Future<Output = Result<Response, CallError>> + Send + use<> {
    let deployed = entered.deployed();
    let route = context.route.as_ref().or_else(|| deployed.route_of(request.uri().path()));
    let counted = Counted::begin(deployed.call_metrics(route).clone(), &request);
    let calling = match check(deployed, &request, &context) {
        Err(error) => Err(error),
        Ok(()) => {
            let limit = deployed.manifest().limits.wall;
            let context = CallContext { deadline: deadline::capped(context.deadline, limit), ..context };
            Ok(deadline::within(context.deadline, move || entered.into_lease().call(request, context)))
        }
    };
    async move {
        let answer = match calling {
            Ok(calling) => calling.await,
            Err(error) => Err(error),
        };
        counted.end(answer)
    }
}

/// What the callee's host checks, whoever sent the call.
fn check(deployed: &Deployed, request: &Request, context: &CallContext) -> Result<(), CallError> {
    let service = deployed.service();
    let manifest = deployed.manifest();
    if !manifest.grants.admits(&context.caller) {
        let who = match &context.caller {
            Caller::Service(name) => format!("`{name}`"),
            other => format!("the {other}"),
        };
        let message = format!("`{service}` does not take calls from {who}; see `callers` in its [grants]");
        return Err(CallError::new(ErrorKind::Denied, Side::Caller, message));
    }
    let limits = &manifest.limits;
    if context.depth >= limits.depth_max {
        let message =
            format!("calls are nested {} deep, and `{service}` allows {}", context.depth + 1, limits.depth_max);
        return Err(CallError::new(ErrorKind::TooDeep, Side::Caller, message));
    }
    let size: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.as_bytes().len()).sum();
    if size > limits.headers_bytes_max {
        let message = format!("the headers are larger than {} bytes", limits.headers_bytes_max);
        return Err(CallError::new(ErrorKind::HeadersTooLarge, Side::Caller, message));
    }
    Ok(())
}
