//! Calls of services among each other that are not in gRPC, though the callee is: what an edge does for clients outside is done
//! for guests as well, so that one can call another's gRPC method with JSON.

use super::{Router, Shared};
use crate::call::{CallContext, CallError, ErrorKind, Request, Response, ServiceName, Side, grpc};
use crate::modules::Speech;
use crate::transcode::adapter::Adapter;
use crate::transcode::content::Codec;
use crate::transcode::failure::Failure;
use crate::transcode::spoken;
use crate::transcode::voice::Voice;

/// What a call needs to become gRPC: nothing if it is, or is none. What cannot become gRPC has its answer already.
pub(super) fn adapter(shared: &Shared, target: &ServiceName, request: &Request) -> Option<Result<Adapter, Response>> {
    let headers = request.headers();
    // Nearly all calls are, and need no looking up.
    let is_json = || grpc::codec(headers) == Some(Codec::Json.name());
    if grpc::is_grpc(headers) && !is_json() {
        return None;
    }
    let table = shared.deployments.table();
    let local = table.get(target).map(|deployed| deployed.speech());
    let Speech { contract: Some(contract), json, .. } = local.or_else(|| Some(table.remote(target)?.speech()))? else {
        return None;
    };
    let (parts, limits) = (spoken::Head::of(request), &shared.limits);
    let recognised = spoken::recognise(&parts, request.uri().path(), Some(contract), limits.frames);
    let adapter = match recognised {
        Ok(None) => return None,
        Ok(Some(spoken)) => Adapter::new(spoken, Some(contract.clone()), *json, limits, headers),
        Err(failure) => Err(failure),
    };
    Some(adapter.map_err(|failure| Voice::of_headers(headers).say(&failure, None)))
}

/// Makes such a call. The host's own errors stay errors, as they are for every other call.
pub(super) async fn call(
    router: Router,
    target: ServiceName,
    adapter: Result<Adapter, Response>,
    request: Request,
    context: CallContext,
) -> Result<Response, CallError> {
    let adapter = match adapter {
        Ok(adapter) => adapter,
        Err(response) => return Ok(response),
    };
    let trace = Some(context.trace.trace_id());
    let outcome = async {
        let request = tokio::time::timeout_at(context.deadline.instant(), adapter.request(request)).await;
        let request = request.map_err(|_| {
            let message = "the request's message was not complete before its time was up";
            Failure::Call(CallError::new(ErrorKind::SlowClient, Side::Caller, message))
        })??;
        let response = router.send(&target, None, None, None, request, context).await?;
        adapter.response(response).await
    };
    match outcome.await {
        Ok(response) => Ok(response),
        Err(Failure::Call(error)) => Err(error),
        Err(failure) => Ok(adapter.voice().say(&failure, trace)),
    }
}
