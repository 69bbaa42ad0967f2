//! Calls out: to services of this cluster, and to origins outside that the manifest grants.
//!
//! A lean module calls through `hostel:service/client`, any other through `wasi:http`. Both end here, so that grants,
//! identity, deadline, trace and depth are the same for all: they come from the inbound call that the guest is working
//! on, which the host finds by the task that calls, and never from what the guest says.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use http::uri::{Authority, Scheme};
use tokio::sync::Semaphore;
use wasmtime::AsContextMut;
use wasmtime::component::{Accessor, Linker, Resource};
use wasmtime_wasi_http::p3::bindings::http::{client, types};
use wasmtime_wasi_http::{WasiHttp, WasiHttpView, p3};

use super::egress::Egress;
use crate::call::{
    Call, CallContext, CallError, Caller, Deadline, ErrorKind, Request, Response, ServiceName, Side, TraceContext,
    header,
};
use crate::engine::{
    Capability, Guest, Inflight, LEAN_CLIENT, LeanError, LeanRequest, LeanResponse, Outgoing, State, current_call,
};
use crate::modules::manifest::Manifest;
use crate::policy::drained::Drained;

/// The domain of services in URIs: `http://orders.internal/`.
const INTERNAL: &str = ".internal";

/// How long a call may take that a guest makes on nobody's behalf: at start-up, or after it has answered.
const UNATTRIBUTED_TIMEOUT: Duration = Duration::from_secs(10);

/// What is read, after the answer, of a body that the callee did not read: bytes and time.
const UNREAD_BYTES_MAX: usize = 64 * 1024;
const UNREAD_TIME_MAX: Duration = Duration::from_secs(1);

/// Lets guests call services and granted origins.
pub struct Calls(Arc<Sender>);

struct Sender {
    services: Arc<dyn Call>,
    egress: Egress,
}

/// Where a call goes.
enum Target {
    Service(ServiceName),
    /// The request's URI says where.
    Outside,
}

impl Calls {
    /// Calls to services go to `services`, all others to `egress`.
    pub fn new(services: Arc<dyn Call>, egress: Egress) -> Self {
        Self(Arc::new(Sender { services, egress }))
    }
}

impl Capability for Calls {
    fn name(&self) -> &'static str {
        "calls"
    }

    fn link(&self, linker: &mut Linker<State>) -> wasmtime::Result<()> {
        linker.instance("wasi:http/client@0.3.0")?.func_wrap_concurrent("send", send_standard)?;
        let sender = self.0.clone();
        linker
            .instance(LEAN_CLIENT)?
            .func_wrap_concurrent("call", move |accessor, params| Box::pin(call_lean(sender.clone(), accessor, params)))
    }

    fn prepare(&self, _guest: &Guest, state: &mut State) {
        state.set_outgoing(self.0.clone());
    }
}

/// `hostel:service/client.call`.
async fn call_lean(
    sender: Arc<Sender>,
    accessor: &Accessor<State>,
    (target, request): (String, LeanRequest),
) -> wasmtime::Result<(Result<LeanResponse, LeanError>,)> {
    let (guest, call, places, request) = accessor.with(|mut store| {
        let mut store = store.as_context_mut();
        let call = current_call(&mut store);
        let guest = store.data().guest().clone();
        let places = store.data().outgoing_places();
        // The body's handles have to find an owner before anything can be refused.
        let (target, refused) = match origin(&target) {
            Ok(origin) => (origin, None),
            Err(error) => ((Scheme::HTTP, Authority::from_static("invalid")), Some(error)),
        };
        let request = request.lift(&mut store, target.0, target.1)?;
        wasmtime::error::Ok((guest, call, places, refused.map_or(request, Err)))
    })?;
    let outcome = match request {
        Ok(request) => sender.send(guest, call, places, request).await,
        Err(error) => Err(error),
    };
    Ok((match outcome {
        Ok(response) => Ok(accessor.with(|mut store| LeanResponse::lower(store.as_context_mut(), response))?),
        Err(error) => Err(LeanError::from(&error)),
    },))
}

/// What a target of the lean door is as an origin: `catalog` is `http://catalog.internal`, `https://api.example.com`
/// its own.
fn origin(target: &str) -> Result<(Scheme, Authority), CallError> {
    let (scheme, authority) = match (target.strip_prefix("https://"), target.strip_prefix("http://")) {
        (Some(authority), _) => (Scheme::HTTPS, authority.trim_end_matches('/').to_owned()),
        (None, Some(authority)) => (Scheme::HTTP, authority.trim_end_matches('/').to_owned()),
        (None, None) => (Scheme::HTTP, [target, INTERNAL].concat()),
    };
    let authority = Authority::from_maybe_shared(Bytes::from(authority)).map_err(|error| {
        let message = format!("the call's target is neither a service nor an origin: {error}");
        CallError::new(ErrorKind::Invalid, Side::Caller, message)
    })?;
    Ok((scheme, authority))
}

/// `wasi:http/client.send` of WASI 0.3. One store serves many calls, and the stock implementation does not say which
/// of them asks; this notes it, then lets the stock implementation do its work.
type Sent = (Result<Resource<p3::Response>, types::ErrorCode>,);

fn send_standard<'a>(
    accessor: &'a Accessor<State>,
    (request,): (Resource<p3::Request>,),
) -> Pin<Box<dyn Future<Output = wasmtime::Result<Sent>> + Send + 'a>> {
    Box::pin(async move {
        accessor.with(|mut store| {
            let mut store = store.as_context_mut();
            let call = current_call(&mut store);
            store.data_mut().attribute_next_request(call);
        });
        let http = accessor.with_getter::<WasiHttp>(State::http);
        // Nothing can come between: the stock implementation asks the hooks before it first waits.
        let sent = <WasiHttp as client::HostWithStore<State>>::send(&http, request).await;
        Ok((match sent {
            Ok(response) => Ok(response),
            Err(error) => Err(error.downcast()?),
        },))
    })
}

impl Outgoing for Sender {
    fn send(
        &self,
        guest: Arc<Guest>,
        call: Option<Arc<Inflight>>,
        places: Arc<Semaphore>,
        request: Request,
    ) -> BoxFuture<'static, Result<Response, CallError>> {
        let request = request.map(|body| body.map_stream(|body| Drained::new(body, UNREAD_BYTES_MAX, UNREAD_TIME_MAX)));
        let (target, request, context) = match prepare(&guest, call.as_deref(), request) {
            Ok(prepared) => prepared,
            Err(error) => return std::future::ready(Err(error)).boxed(),
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            let (services, egress) = (self.services.clone(), self.egress.clone());
            let waiting = async move {
                let place = tokio::time::timeout_at(context.deadline.instant(), places.acquire_owned());
                let _place = place.await.map_err(|_| CallError::timeout("the guest has too many calls in progress"))?;
                start(&services, &egress, target, request, context).await
            };
            return unless_over(call, waiting.boxed());
        };
        // Started at once where there is room, so that no future has to carry the request.
        let answer = start(&self.services, &self.egress, target, request, context);
        unless_over(call, answer.inspect(move |_| drop(place)).boxed())
    }
}

type Answer = BoxFuture<'static, Result<Response, CallError>>;

fn start(services: &Arc<dyn Call>, egress: &Egress, target: Target, request: Request, context: CallContext) -> Answer {
    match target {
        Target::Service(service) => services.call(&service, request, context),
        Target::Outside => egress.send(request, context),
    }
}

/// A guest cannot be made to stop one call, but what the call caused can.
fn unless_over(call: Option<Arc<Inflight>>, answer: Answer) -> Answer {
    let Some(call) = call else { return answer };
    async move {
        tokio::select! {
            biased;
            () = call.over() => Err(CallError::cancelled()),
            answer = answer => answer,
        }
    }
    .boxed()
}

/// Decides where a request goes, whether the guest may send it there, and with what context.
fn prepare(
    guest: &Guest,
    call: Option<&Inflight>,
    mut request: Request,
) -> Result<(Target, Request, CallContext), CallError> {
    let invalid = |message: &'static str| CallError::new(ErrorKind::Invalid, Side::Caller, message);
    let host = request.uri().host().ok_or_else(|| invalid("the request names no host"))?.to_ascii_lowercase();
    let grants = &guest
        .profile::<Manifest>()
        .ok_or_else(|| CallError::new(ErrorKind::Internal, Side::Host, "the guest has no manifest"))?
        .grants;
    let target = match host.strip_suffix(INTERNAL) {
        Some(name) => {
            let service = ServiceName::new(name).map_err(|error| {
                CallError::new(ErrorKind::NotFound, Side::Caller, format!("no service can be called that: {error}"))
            })?;
            if !grants.calls.allows(&service) {
                let message =
                    format!("`{}` is not granted to call `{service}`; see `calls` in [grants]", guest.service);
                return Err(CallError::new(ErrorKind::Denied, Side::Caller, message));
            }
            Target::Service(service)
        }
        None => {
            super::egress::check(grants, &guest.service, request.uri())?;
            Target::Outside
        }
    };
    let mut context = match call {
        Some(call) => call.context().nested(guest.service.clone()),
        None => CallContext {
            deadline: Deadline::after(UNATTRIBUTED_TIMEOUT),
            trace: TraceContext::new_root(),
            caller: Caller::Service(guest.service.clone()),
            depth: 1,
            route: None,
        },
    };
    // A guest can ask for less time than it has, never for more.
    let headers = request.headers_mut();
    for name in [&header::GRPC_TIMEOUT, &header::TIMEOUT] {
        let asked = headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(Ok(asked)) = asked.map(Deadline::parse_timeout) {
            context.deadline = context.deadline.min(Deadline::after(asked));
        }
    }
    header::sanitize(headers);
    headers.remove(header::TRACEPARENT);
    headers.remove(header::GRPC_TIMEOUT);
    Ok((target, request, context))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lean_targets_are_services_or_origins() {
        for (target, scheme, authority) in [
            ("catalog", Scheme::HTTP, "catalog.internal"),
            ("https://api.example.com", Scheme::HTTPS, "api.example.com"),
            ("http://127.0.0.1:80/", Scheme::HTTP, "127.0.0.1:80"),
        ] {
            assert_eq!(origin(target).unwrap(), (scheme, Authority::from_static(authority)), "{target}");
        }
        assert_eq!(origin("x\r\ny").unwrap_err().kind(), ErrorKind::Invalid);
    }
}
