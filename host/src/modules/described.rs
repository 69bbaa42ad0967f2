//! A description made ready for calls: what depends on the service alone is computed once, and not by each call.

use std::collections::HashMap;
use std::sync::Arc;

use super::description::Description;
use super::manifest::Route;
use crate::call::ServiceName;
use crate::policy::settings::{PerCall, RouteSettings, Settings};
use crate::transcode::contract::Contract;
use crate::transcode::settings::{Compression, Settings as Json};

/// A service as its callers see it, whichever host it runs on.
pub(super) struct Described {
    service: ServiceName,
    policy: Arc<Settings>,
    treatment: Arc<PerCall>,
    ways: Vec<Arc<Way>>,
    default_route: Arc<str>,
    grpc: Vec<String>,
    /// The paths of gRPC methods, and whether they may be sent again although their outcome is unknown.
    methods: HashMap<Arc<str>, bool>,
    /// Whether any of them may. Most modules do not say, and their calls need not look.
    promises: bool,
    speech: Speech,
}

/// What a service offers in other protocols than its own.
#[derive(Clone, Default)]
pub struct Speech {
    /// Its methods, if it has descriptors.
    pub contract: Option<Arc<Contract>>,
    /// How calls on no route are spoken in JSON.
    pub json: Json,
    /// Who decompresses messages of gRPC.
    pub compression: Compression,
}

/// A route of a service.
pub(super) struct Way {
    pub(super) route: Route,
    /// The template, for labels.
    pub(super) label: Arc<str>,
    /// How calls through it are treated.
    pub(super) treatment: Arc<PerCall>,
    /// How they are spoken in JSON.
    pub(super) json: Json,
}

impl Described {
    pub(super) fn new(description: &Description, contract: Option<Arc<Contract>>) -> Self {
        let Description { service, routes, grpc, policy, json, compression, has_contract: _ } = description;
        let treatment = Arc::new(policy.per_call(&RouteSettings::default()));
        let ways = routes.iter().map(|route| {
            // Nearly all routes say nothing of their own.
            let own = route.policy != RouteSettings::default();
            Arc::new(Way {
                label: route.path.as_str().into(),
                treatment: if own { Arc::new(policy.per_call(&route.policy)) } else { treatment.clone() },
                json: route.json.over(*json),
                route: route.clone(),
            })
        });
        let methods = grpc.iter().flat_map(|rpcs| {
            let path = |method: &str| format!("/{}/{method}", rpcs.name).into();
            rpcs.methods.iter().map(move |method| (path(&method.name), method.idempotency.is_promised()))
        });
        let methods: HashMap<Arc<str>, bool> = methods.collect();
        Self {
            ways: ways.collect(),
            default_route: default_route(service),
            grpc: grpc.iter().map(|rpcs| rpcs.name.clone()).collect(),
            promises: methods.values().any(|promised| *promised),
            methods,
            service: service.clone(),
            policy: Arc::new(policy.clone()),
            treatment,
            speech: Speech { contract, json: *json, compression: *compression },
        }
    }

    /// What it offers in other protocols.
    pub(super) fn speech(&self) -> &Speech {
        &self.speech
    }

    pub(super) fn service(&self) -> &ServiceName {
        &self.service
    }

    pub(super) fn policy(&self) -> &Arc<Settings> {
        &self.policy
    }

    /// How calls on no route are treated.
    pub(super) fn treatment(&self) -> &Arc<PerCall> {
        &self.treatment
    }

    /// Its routes; none means the defaults.
    pub(super) fn ways(&self) -> &[Arc<Way>] {
        &self.ways
    }

    /// The label of calls that come in by the defaults.
    pub(super) fn default_route(&self) -> &Arc<str> {
        &self.default_route
    }

    /// Full names of the gRPC services it knows.
    pub(super) fn grpc(&self) -> &[String] {
        &self.grpc
    }

    /// The label of a gRPC method's path.
    pub(super) fn method(&self, path: &str) -> Option<&Arc<str>> {
        self.methods.get_key_value(path).map(|(path, _)| path)
    }

    /// Whether any gRPC method says that its calls may be sent again.
    pub(super) fn promises_idempotence(&self) -> bool {
        self.promises
    }

    /// What a gRPC method's path says about sending its calls again: `Some(true)`, or nothing.
    pub(super) fn method_idempotent(&self, path: &str) -> Option<bool> {
        let promised = self.promises && self.methods.get(path).is_some_and(|promised| *promised);
        promised.then_some(true)
    }
}

/// The route label of the prefix a service has without routes of its own.
pub(super) fn default_route(service: &ServiceName) -> Arc<str> {
    format!("/{service}/{{*rest}}").into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn described(text: &str) -> Described {
        let service = ServiceName::new("orders").unwrap();
        Described::new(&Description::decode(&service, text.as_bytes()).unwrap(), None)
    }

    #[test]
    fn treatments_are_those_of_route_and_service() {
        let orders = described(
            r#"{"service":"orders","policy":{"timeout_ms":500},"routes":[{"path":"/a"},
                {"path":"/b","policy":{"timeout_ms":20,"retry":{"retries_max":0}}}]}"#,
        );
        assert_eq!(orders.policy().timeout_ms, Some(500));
        assert_eq!(orders.treatment().timeout, Some(Duration::from_millis(500)));
        let [plain, own] = orders.ways() else { panic!("two routes") };
        assert!(Arc::ptr_eq(&plain.treatment, orders.treatment()));
        assert_eq!((own.treatment.timeout, own.treatment.retry.retries_max), (Some(Duration::from_millis(20)), 0));
    }

    #[test]
    fn methods_are_idempotent_only_when_they_say_so() {
        let orders = described(
            r#"{"service":"orders","grpc":[{"name":"shop.Orders","methods":[{"name":"Place"},
                {"name":"Get","idempotency":"no-side-effects"},{"name":"Put","idempotency":"idempotent"}]}]}"#,
        );
        let of = |path: &str| orders.method_idempotent(path);
        assert_eq!((of("/shop.Orders/Get"), of("/shop.Orders/Put")), (Some(true), Some(true)));
        assert_eq!((of("/shop.Orders/Place"), of("/shop.Orders/get"), of("")), (None, None, None));
        assert_eq!(orders.method("/shop.Orders/Place").unwrap().as_ref(), "/shop.Orders/Place");
        assert!(orders.method("/shop.Orders/Other").is_none());
        let silent = described(r#"{"service":"orders","grpc":[{"name":"A","methods":[{"name":"B"}]}]}"#);
        assert!(!silent.promises && silent.method_idempotent("/A/B").is_none());
    }
}
