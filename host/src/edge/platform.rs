//! What the host itself answers at the edge, where no module takes the request: gRPC's reflection and health services, in
//! every protocol that modules are spoken to in, and the description of everything as OpenAPI.

mod describe;
mod health;
mod reflect;

use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, HeaderValue};
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::body::Unread;
use super::request::{Head, to_call};
use crate::call::grpc::{self, Code};
use crate::call::{CallError, ErrorKind, Response, Side};
use crate::modules::{Deployments, Table};
use crate::transcode::adapter::Adapter;
use crate::transcode::contract::Contract;
use crate::transcode::failure::Failure;
use crate::transcode::reflection::{Index, Source, platform_set};
use crate::transcode::settings::Settings;
use crate::transcode::spoken;
use crate::transcode::status::GrpcStatus;

/// The label of its requests.
pub(super) const ROUTE: &str = "(host)";

/// What the host itself answers.
pub(super) struct Platform {
    deployments: Deployments,
    contract: Option<Arc<Contract>>,
    /// The index of a table: a table does not change, it is replaced.
    index: Mutex<Option<(Arc<Table>, Arc<Index>)>>,
    document: Mutex<Option<describe::Written>>,
    /// Cancelled when the host begins to leave.
    leaving: CancellationToken,
    reflects: bool,
    describes: bool,
}

impl Platform {
    pub(super) fn new(deployments: Deployments, leaving: CancellationToken, reflects: bool, describes: bool) -> Self {
        // Its own descriptors fit together: there is a test.
        let contract = Contract::new(platform_set(), None, Settings::default()).ok().map(|(made, _)| Arc::new(made));
        let (index, document) = (Mutex::default(), Mutex::default());
        Self { deployments, contract, index, document, leaving, reflects, describes }
    }

    /// Whether there is an answer for a path.
    pub(super) fn takes(&self, path: &str) -> bool {
        (path.starts_with("/openapi") && self.describes && describe::takes(path))
            || (path.starts_with("/grpc.") && self.contract.as_ref().is_some_and(|own| own.shape(path).is_some()))
    }

    /// The descriptors of all modules, as they are now.
    fn index(&self) -> Arc<Index> {
        let table = self.deployments.table_full();
        let mut kept = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some((of, index)) if Arc::ptr_eq(of, &table) => index.clone(),
            _ => {
                let contracts = table.contracts();
                let index = Index::new(contracts.iter().map(|offer| Source {
                    service: offer.service.as_str(),
                    set: offer.contract.set().clone(),
                    served: offer.contract.services().into_iter().collect(),
                }));
                for clash in index.clashes() {
                    tracing::warn!("{clash}");
                }
                let index = Arc::new(index);
                *kept = Some((table, index.clone()));
                index
            }
        }
    }
}

/// Answers a request that no module takes.
pub(super) async fn answer(
    shared: &Arc<Shared>,
    head: &mut Head,
    request: hyper::Request<Unread>,
) -> Result<Response, Failure> {
    let platform = &shared.platform;
    let path: Arc<str> = request.uri().path().into();
    if path.starts_with("/openapi") {
        return describe::answer(shared, &head.method, &path).await;
    }
    let limits = &shared.limits;
    let spoken = spoken::recognise(&spoken::Head::of(&request), &path, platform.contract.as_deref(), limits.frames)?;
    let adapter = match spoken {
        Some(spoken) => {
            let settings = Settings::default();
            Some(Adapter::new(spoken, platform.contract.clone(), settings, limits, request.headers())?)
        }
        None if head.is_grpc => None,
        None => return Err(Failure::media_type("the method takes gRPC, gRPC-Web, Connect and `application/json`")),
    };
    if let Some(adapter) = &adapter {
        head.voice = adapter.voice().clone();
    }
    let (mut request, _) = to_call(shared, head, request, ROUTE.into(), 0).await?;
    if let Some(adapter) = &adapter {
        request = adapter.request(request).await?;
    }
    let (service, method) = path.strip_prefix('/').and_then(|path| path.split_once('/')).unwrap_or_default();
    let response = match (service, method) {
        ("grpc.health.v1.Health", method) => health::answer(shared, method, request.into_body(), limits.frames).await?,
        (_, "ServerReflectionInfo") if platform.reflects => reflect::answer(shared, request.into_body(), limits.frames),
        _ => {
            let message = "reflection is off: `reflection` in [edge]";
            return Err(Failure::status(Code::Unimplemented, message));
        }
    };
    match adapter {
        Some(adapter) => adapter.response(response).await,
        None => Ok(response),
    }
}

/// A gRPC response with this body.
fn response(body: crate::call::Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

/// The trailers of a call that ended so.
fn trailers(status: &GrpcStatus) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    status.write(&mut trailers);
    trailers
}

fn leaving() -> GrpcStatus {
    GrpcStatus::new(Code::Unavailable, "the host stops")
}

fn not_one(what: &str) -> Failure {
    let message = format!("the method takes one message, and there is {what}");
    CallError::new(ErrorKind::Invalid, Side::Caller, message).into()
}

fn ok() -> GrpcStatus {
    GrpcStatus::new(grpc::Code::Ok, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_own_methods_are_known() {
        let platform = Platform::new(Deployments::default(), CancellationToken::new(), true, true);
        for path in [
            "/grpc.health.v1.Health/Check",
            "/grpc.health.v1.Health/Watch",
            "/grpc.health.v1.Health/List",
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
            "/openapi",
            "/openapi.json",
            "/openapi/orders.json",
        ] {
            assert!(platform.takes(path), "{path}");
        }
        for path in
            ["/", "/grpc.health.v1.Health/Other", "/grpc.health.v1.Health", "/openapi/", "/openapix", "/openapi/A.json"]
        {
            assert!(!platform.takes(path), "{path}");
        }
        let listed: Vec<String> = platform.index().services().map(str::to_owned).collect();
        assert_eq!(listed.len(), 3);
    }
}
