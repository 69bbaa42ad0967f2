//! What other hosts say of their services: routes, methods, policies.

use std::sync::{Arc, OnceLock};

use hostel::call::ServiceName;
use hostel::modules::manifest::Manifest;
use hostel::modules::{Deployments, Description, RemoteService, Rpc, Rpcs};

use crate::edit::{apply, choice};

const MANIFEST: &str = "
[[route]]
host = '*.example.com'
path = '/api/{id}/{*rest}'
methods = ['GET', 'POST']
policy = { timeout_ms = 100, hash = 'header:x-user', retry = { retries_max = 1, idempotent = true } }
[[route]]
path = '/shop.v1.Orders/{method}'
[policy]
timeout_ms = 1000
balance = { hash = 'cookie:session' }
";

/// An honest description.
fn honest() -> &'static [u8] {
    static HONEST: OnceLock<Vec<u8>> = OnceLock::new();
    HONEST.get_or_init(|| {
        let manifest = Manifest::parse(MANIFEST, "orders.toml", Some("orders")).expect("a manifest");
        let rpc = |name: &str| Rpc { name: name.to_owned(), idempotency: Default::default() };
        let grpc = Rpcs { name: "shop.v1.Orders".to_owned(), methods: vec![rpc("Get"), rpc("List")] };
        let (routes, policy) = (manifest.routes, manifest.policy);
        let (json, compression) = (manifest.json, manifest.grpc.compression);
        Description { service: manifest.name, routes, grpc: vec![grpc], policy, json, compression, has_contract: true }
            .encode()
    })
}

/// Reads a description; one that can be read is used, and is the same when it was written and read again.
pub fn run(mut data: &[u8]) {
    let service = ServiceName::new("orders").expect("a name");
    let bytes = if choice(&mut data) & 1 == 0 { data.to_vec() } else { apply(honest(), data) };
    let Ok(description) = Description::decode(&service, &bytes) else { return };
    let again = Description::decode(&service, &description.encode()).expect("what was written can be read");
    assert_eq!(again, description);
    let remote = Arc::new(RemoteService::new(&description, None));
    let _ = remote.method_idempotent("/shop.v1.Orders/Get");
    let deployments = Deployments::default();
    deployments.set_remote(vec![remote]);
    let _ = deployments.table().describe_routes();
}
