//! From the name of a service to somebody who takes the call: an instance here, or a host elsewhere.
//!
//! This is where local and remote differ, and nowhere else. Each service has a *lane* (`lane`): the endpoints it has at
//! this moment, on this host and on others, with what the policies know of them. A call picks one, is sent there
//! (`dispatch`), and is sent again elsewhere where that is allowed. What comes from other hosts goes to [`LocalServices`],
//! which knows local services only, so that nothing is ever sent on.

mod counted;
pub mod descriptions;
mod dice;
mod dispatch;
mod incoming;
mod lane;
mod lanes;
mod node_key;
pub mod publish;
mod remote;
mod snapshot;
mod translated;

use std::cell::Cell;
use std::net::IpAddr;
use std::sync::Arc;

use futures::future::{BoxFuture, Either, FutureExt};

use crate::call::{Call, CallContext, CallError, ErrorKind, Request, Response, ServiceName, Side, grpc};
use crate::cluster::NodeId;
use crate::modules::{Deployments, Entered, RoutedTo};
use crate::observe::metrics::Metrics;
use crate::policy::attempts::{self, Plan};
use crate::policy::settings::PerCall;
use crate::transcode::adapter::Limits;
use lanes::Lanes;

pub use incoming::LocalServices;
pub use node_key::NodeKey;
pub use remote::{Remotes, link_to};
pub use snapshot::LaneSnapshot;

/// Takes calls to the services of this host, and of the others it knows.
#[derive(Clone)]
pub struct Router(Arc<Shared>);

struct Shared {
    deployments: Deployments,
    metrics: Metrics,
    remotes: Option<Remotes>,
    lanes: Lanes,
    /// Of calls between services that are not in gRPC.
    limits: Limits,
}

impl Shared {
    /// This host among the endpoints. Without a cluster there is only one.
    fn me(&self) -> NodeKey {
        self.remotes.as_ref().map_or_else(|| NodeKey::new(NodeId::from_u128(0), ""), Remotes::me)
    }
}

/// How a call that came in on a route is sent.
pub struct Routing {
    /// Who the route leads to.
    pub to: RoutedTo,
    /// How calls on the route are treated.
    pub treatment: Arc<PerCall>,
    /// The address the call came from.
    pub source: IpAddr,
}

impl Router {
    /// A router over what is deployed here, now and later, and over other hosts if there are any.
    pub fn new(deployments: Deployments, metrics: Metrics, remotes: Option<Remotes>) -> Self {
        Self(Arc::new(Shared { deployments, metrics, remotes, lanes: Lanes::default(), limits: Limits::standard() }))
    }

    /// Sends a call that came in on a route.
    ///
    /// # Errors
    ///
    /// As [`Call::call`].
    pub fn call_routed(
        &self,
        routing: Routing,
        request: Request,
        context: CallContext,
    ) -> impl Future<Output = Result<Response, CallError>> + Send + use<> {
        let Routing { to, treatment, source } = routing;
        let (service, entered) = match to {
            RoutedTo::Local(entered) => (entered.deployed().service().clone(), Some(entered)),
            RoutedTo::Remote(remote) => (remote.service().clone(), None),
        };
        self.send(&service, entered, Some(treatment), Some(source), request, context)
    }

    /// What is known of the endpoints of all services that have been called.
    pub fn snapshot(&self) -> Vec<LaneSnapshot> {
        snapshot::of(&self.0)
    }

    fn send(
        &self,
        service: &ServiceName,
        entered: Option<Entered>,
        treatment: Option<Arc<PerCall>>,
        source: Option<IpAddr>,
        request: Request,
        context: CallContext,
    ) -> impl Future<Output = Result<Response, CallError>> + Send + use<> {
        let Some((endpoints, view)) = self.0.lanes.find(&self.0, service) else {
            let message = format!("there is no service `{service}`");
            let error = CallError::new(ErrorKind::NotFound, Side::Caller, message);
            return Either::Left(std::future::ready(Err(error)));
        };
        let treatment = treatment.unwrap_or_else(|| view.treatment().clone());
        let plan = Plan {
            endpoints,
            service: service.clone(),
            described_idempotent: view.method_idempotent(request.uri().path()),
            treatment,
            source,
            deadline: context.deadline,
            local_is_full: false,
            rng: dice::roll(),
        };
        let refused = {
            let (view, is_grpc) = (view.clone(), grpc::is_grpc(request.headers()));
            move |error: &CallError| view.count_refused(error, is_grpc)
        };
        // The place that was taken when the route was found is used by the first attempt that stays here.
        let entered = Cell::new(entered);
        let shared = self.0.clone();
        let attempt = move |node: &_, _, deadline, request| {
            let context = CallContext { deadline, ..context.clone() };
            dispatch::attempt(&shared, &view, *node, &entered, request, context)
        };
        Either::Right(attempts::send(plan, request, attempt, refused))
    }
}

impl Call for Router {
    fn call(
        &self,
        target: &ServiceName,
        request: Request,
        context: CallContext,
    ) -> BoxFuture<'static, Result<Response, CallError>> {
        match translated::adapter(&self.0, target, &request) {
            None => self.send(target, None, None, None, request, context).boxed(),
            Some(adapter) => translated::call(self.clone(), target.clone(), adapter, request, context).boxed(),
        }
    }
}
