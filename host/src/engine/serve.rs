//! One call inside one instance, through whichever door the module has.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::future::{BoxFuture, Either, select};
use http::Method;
use http_body::Frame;
use wasmtime::AsContextMut;
use wasmtime::component::{Accessor, Func};
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::{WasiHttpView, p2, p3};

use super::State;
use super::answer::check;
use super::blueprint::Handler;
use super::inflight::Inflight;
use super::job::{Job, Ledger};
use super::lean::LeanRequest;
use super::standard::{body_from_wasi, body_to_wasi, from_wasi_error};
use crate::call::{CallError, ContextFields, ErrorKind, Request, Response, Side};

/// How the instance got rid of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Nothing of it is left in the instance, as far as the host can see.
    Done,
    /// Nobody waits for it any more, but the guest still works on it: a guest cannot be made to stop one call.
    Abandoned,
}

impl Handler {
    /// The function that takes calls, to ask whether it can take one now.
    pub(super) fn func(&self) -> Func {
        match self {
            Self::Lean(handle) => *handle.func(),
            Self::Standard3(service) => *service.wasi_http_handler().func_handle().func(),
            Self::Standard2(proxy) => *proxy.wasi_http_incoming_handler().func_handle().func(),
        }
    }
}

/// Hands a call to the guest; the future answers the caller, and stays until the guest is done with it.
///
/// # Errors
///
/// When the engine cannot go on with this instance.
pub(super) fn serve<'w>(
    accessor: &'w Accessor<State>,
    handler: &'w Handler,
    ledger: &'w Ledger,
    job: Job,
) -> BoxFuture<'w, wasmtime::Result<End>> {
    let Job { request, call, reply } = job;
    let method = request.method().clone();
    ledger.open(call.clone(), reply);
    match handler {
        Handler::Lean(handle) => {
            // Started here and not in the future, which then need not carry the request.
            let running = accessor.with(|mut store| {
                let mut store = store.as_context_mut();
                let request = LeanRequest::lower(store.as_context_mut(), request, call.context())?;
                let running = handle.start_call_concurrent(&mut store, (request,))?;
                store.data_mut().call_started(running.task(), call.clone());
                wasmtime::error::Ok(running)
            });
            Box::pin(async move {
                let work = async {
                    let (response,) = handle.finish_call_concurrent(accessor, running?).await?;
                    let response = accessor.with(|mut store| response.lift(store.as_context_mut()))?;
                    respond(ledger, &call, response.and_then(|response| check(response, &method))).await;
                    Ok(())
                };
                finish(accessor, ledger, &call, work).await
            })
        }
        Handler::Standard3(service) => Box::pin(async move {
            let work = work_standard3(accessor, service, ledger, &call, request, method);
            finish(accessor, ledger, &call, work).await
        }),
        Handler::Standard2(proxy) => Box::pin(async move {
            let work = work_standard2(accessor, proxy, ledger, &call, request, method);
            finish(accessor, ledger, &call, work).await
        }),
    }
}

/// Sees a call to its end, or to where nobody waits for it.
async fn finish(
    accessor: &Accessor<State>,
    ledger: &Ledger,
    call: &Arc<Inflight>,
    work: impl Future<Output = wasmtime::Result<()>>,
) -> wasmtime::Result<End> {
    let end = match select(pin!(work), pin!(call.over())).await {
        Either::Left((worked, _)) => worked.map(|()| End::Done)?,
        Either::Right(((), _)) if call.is_finished() => End::Done,
        Either::Right(((), _)) => End::Abandoned,
    };
    ledger.close(call);
    if end == End::Done {
        accessor.with(|mut store| store.as_context_mut().data_mut().call_ended(call));
    }
    Ok(end)
}

async fn work_standard3(
    accessor: &Accessor<State>,
    service: &p3::bindings::Service,
    ledger: &Ledger,
    call: &Arc<Inflight>,
    request: Request,
    method: Method,
) -> wasmtime::Result<()> {
    let request = for_wasi(request, call);
    let handle = service.wasi_http_handler().func_handle();
    let (running, request_done) = accessor.with(|mut store| {
        let mut store = store.as_context_mut();
        let (request, done) = p3::Request::from_http(&mut store.data_mut().hooks, request.map(body_to_wasi));
        // Boxed, because an opaque future would borrow the store for as long as it lives.
        let request_done: BoxFuture<'static, _> = Box::pin(done);
        let request = store.data_mut().table.push(request)?;
        let running = handle.start_call_concurrent(&mut store, (request,))?;
        store.data_mut().call_started(running.task(), call.clone());
        wasmtime::error::Ok((running, request_done))
    })?;
    let (answer,) = handle.finish_call_concurrent(accessor, running).await?;
    let response = match answer {
        Ok(response) => Ok(accessor.with(|mut store| {
            let mut store = store.as_context_mut();
            let response = store.data_mut().table.delete(response)?;
            response.into_http(&mut store, request_done)
        })?),
        Err(code) => Err(from_wasi_error(&code.into())),
    };
    let response = response.map(|response| response.map(body_from_wasi));
    let response = response.and_then(|response| check(watched(response, call), &method));
    respond(ledger, call, response).await;
    Ok(())
}

async fn work_standard2(
    accessor: &Accessor<State>,
    proxy: &p2::bindings::Proxy,
    ledger: &Ledger,
    call: &Arc<Inflight>,
    request: Request,
    method: Method,
) -> wasmtime::Result<()> {
    let request = for_wasi(request, call);
    let handle = proxy.wasi_http_incoming_handler().func_handle();
    let running = accessor.with(|mut store| {
        let mut store = store.as_context_mut();
        let mut http = store.data_mut().http();
        let request = http.new_incoming_request(Scheme::Http, request.map(body_to_wasi))?;
        let out = http.new_response_outparam_from_callback({
            let (ledger, call) = (ledger.clone(), call.clone());
            move |answer| {
                let answer = match answer {
                    Ok(response) => check(watched(response.map(body_from_wasi), &call), &method),
                    Err(code) => Err(from_wasi_error(&code.into())),
                };
                ledger.answer(&call, answer);
            }
        })?;
        let running = handle.start_call_concurrent(&mut store, (request, out))?;
        store.data_mut().call_started(running.task(), call.clone());
        // There is one call at a time, so every request until the next one is this one's.
        store.data_mut().attribute_next_request(Some(call.clone()));
        wasmtime::error::Ok(running)
    })?;
    handle.finish_call_concurrent(accessor, running).await?;
    let silent = CallError::new(ErrorKind::BadResponse, Side::Callee, "the service returned without an answer");
    ledger.answer(call, Err(silent));
    Ok(())
}

/// A request as `wasi:http` wants it: with the context among the headers, and with scheme and authority in the URI.
fn for_wasi(mut request: Request, call: &Inflight) -> Request {
    ContextFields::write(call.context(), request.headers_mut());
    if request.uri().authority().is_none() {
        let host = request.headers().get(http::header::HOST).map_or(&b"localhost"[..], |host| host.as_bytes());
        let mut parts = request.uri().clone().into_parts();
        parts.scheme = Some(http::uri::Scheme::HTTP);
        parts.authority = host.try_into().ok();
        // A host that is no authority leaves the guest with the path alone.
        if let Ok(uri) = http::Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
    request
}

/// Answers, and waits until the caller has read a body that the guest is still producing.
async fn respond(ledger: &Ledger, call: &Arc<Inflight>, response: Result<Response, CallError>) {
    let streams = response.as_ref().is_ok_and(|response| response.body().is_stream());
    ledger.answer(call, response);
    if streams {
        call.over().await;
    }
}

/// Under the standard door a body whose instance is gone looks like one that has ended. This tells them apart.
struct Watched<B> {
    body: B,
    call: Arc<Inflight>,
}

fn watched(response: Response, call: &Arc<Inflight>) -> Response {
    response.map(|body| body.map_stream(|body| Watched { body, call: call.clone() }))
}

impl<B> http_body::Body for Watched<B>
where
    B: http_body::Body<Data = Bytes, Error = CallError> + Unpin,
{
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if !matches!(&frame, Some(Ok(_)))
            && let Some(failure) = self.call.failure()
        {
            return Poll::Ready(Some(Err(failure.to_call_error())));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream() && self.call.failure().is_none()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}
