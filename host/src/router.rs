//! From the name of a service to somebody who takes the call.
//!
//! The router is where local and remote will differ, and nothing else: today every service is here. It guards the
//! depth of calls, enforces the deadline, writes the context into the headers that guests see, and counts.

mod counted;

use futures::future::{BoxFuture, FutureExt};

use crate::call::{Call, CallContext, CallError, ErrorKind, Request, Response, ServiceName, Side};
use crate::modules::{Deployments, Entered};
use crate::policy::deadline;
use counted::Counted;

/// Takes calls to the services of this host.
#[derive(Clone)]
pub struct Router {
    deployments: Deployments,
}

impl Router {
    /// A router over what is deployed, now and later.
    pub fn new(deployments: Deployments) -> Self {
        Self { deployments }
    }

    /// Calls a version that has been entered.
    ///
    /// # Errors
    ///
    /// As [`Call::call`].
    pub fn call_entered(
        &self,
        entered: Entered,
        request: Request,
        context: CallContext,
    ) -> impl Future<Output = Result<Response, CallError>> + Send + use<> {
        let counted = Counted::begin(entered.deployed(), &request, &context);
        let dispatched = dispatch(entered, request, context);
        async move {
            let answer = match dispatched {
                Ok(calling) => calling.await,
                Err(error) => Err(error),
            };
            counted.end(answer)
        }
    }
}

impl Call for Router {
    fn call(
        &self,
        target: &ServiceName,
        request: Request,
        context: CallContext,
    ) -> BoxFuture<'static, Result<Response, CallError>> {
        let Some(entered) = self.deployments.enter(target) else {
            let message = format!("there is no service `{target}`");
            return std::future::ready(Err(CallError::new(ErrorKind::NotFound, Side::Caller, message))).boxed();
        };
        self.call_entered(entered, request, context).boxed()
    }
}

fn dispatch(
    entered: Entered,
    request: Request,
    context: CallContext,
) -> Result<impl Future<Output = Result<Response, CallError>> + Send + use<>, CallError> {
    let deployed = entered.deployed();
    let limits = &deployed.manifest().limits;
    if context.depth >= limits.depth_max {
        let message = format!(
            "calls are nested {} deep, and `{}` allows {}",
            context.depth + 1,
            deployed.service(),
            limits.depth_max
        );
        return Err(CallError::new(ErrorKind::TooDeep, Side::Caller, message));
    }
    let size: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.as_bytes().len()).sum();
    if size > limits.headers_bytes_max {
        let message = format!("the headers are larger than {} bytes", limits.headers_bytes_max);
        return Err(CallError::new(ErrorKind::HeadersTooLarge, Side::Caller, message));
    }
    let context = CallContext { deadline: deadline::capped(context.deadline, limits.wall), ..context };
    Ok(deadline::within(context.deadline, move || entered.into_lease().call(request, context)))
}
