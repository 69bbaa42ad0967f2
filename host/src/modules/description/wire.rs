//! The JSON of a description.

use std::collections::BTreeSet;

use http::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Description, DescriptionError, Rpc, Rpcs, is_full_name, is_identifier};
use crate::call::ServiceName;
use crate::modules::inspect::Idempotency;
use crate::modules::manifest::{self, Methods, RawRoute};
use crate::policy::settings::{RouteSettings, Settings};
use crate::transcode::settings::{Compression, Settings as Json};

/// A service's policy is written in full: hosts of other versions may have other defaults. What a route does not say is
/// as for the service, and not written.
#[derive(Serialize, Deserialize)]
struct Wire {
    service: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    routes: Vec<WireRoute>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    grpc: Vec<WireRpcs>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    policy: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    json: Map<String, Value>,
    #[serde(default, skip_serializing_if = "is_default")]
    compression: Compression,
    #[serde(default, skip_serializing_if = "is_default")]
    contract: bool,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[derive(Serialize, Deserialize)]
struct WireRoute {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    methods: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    strip_prefix: Option<String>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    policy: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    json: Map<String, Value>,
}

#[derive(Serialize, Deserialize)]
struct WireRpcs {
    name: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    methods: Vec<WireRpc>,
}

#[derive(Serialize, Deserialize)]
struct WireRpc {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    idempotency: Option<String>,
}

const NO_SIDE_EFFECTS: &str = "no-side-effects";
const IDEMPOTENT: &str = "idempotent";

pub(super) fn write(description: &Description, grpc: Vec<&Rpcs>) -> Vec<u8> {
    let routes = description.routes.iter().map(|route| WireRoute {
        host: route.host.as_ref().map(ToString::to_string),
        path: route.path.as_str().to_owned(),
        methods: match &route.methods {
            Methods::Any => None,
            Methods::Only(methods) => Some(methods.iter().map(Method::to_string).collect()),
        },
        strip_prefix: route.strip_prefix.clone(),
        policy: present(table(&route.policy)),
        json: present(table(&route.json)),
    });
    let wire = Wire {
        service: description.service.to_string(),
        routes: routes.collect(),
        grpc: grpc.into_iter().map(write_rpcs).collect(),
        policy: table(&description.policy),
        json: present(table(&description.json)),
        compression: description.compression,
        contract: description.has_contract,
    };
    // Nothing in it can fail to be written: keys are strings, numbers are whole.
    serde_json::to_vec(&wire).unwrap_or_default()
}

fn write_rpcs(rpcs: &Rpcs) -> WireRpcs {
    let methods = rpcs.methods.iter().map(|method| WireRpc {
        name: method.name.clone(),
        idempotency: match method.idempotency {
            Idempotency::Unknown => None,
            Idempotency::NoSideEffects => Some(NO_SIDE_EFFECTS.to_owned()),
            Idempotency::Idempotent => Some(IDEMPOTENT.to_owned()),
        },
    });
    WireRpcs { name: rpcs.name.clone(), methods: methods.collect() }
}

pub(super) fn read(service: &ServiceName, bytes: &[u8]) -> Result<Description, DescriptionError> {
    let wire: Wire = serde_json::from_slice(bytes).map_err(DescriptionError::Malformed)?;
    if *service != *wire.service {
        return Err(DescriptionError::OtherService { found: wire.service });
    }
    let routes: Result<Vec<RawRoute>, _> = wire.routes.into_iter().map(read_route).collect();
    let checked = manifest::check(routes?, known::<Settings>(wire.policy)?);
    let (routes, policy) = checked.map_err(|(key, reason)| DescriptionError::Invalid { key, reason })?;
    Ok(Description {
        service: service.clone(),
        routes,
        grpc: read_grpc(wire.grpc)?,
        policy,
        json: known::<Json>(wire.json)?,
        compression: wire.compression,
        has_contract: wire.contract,
    })
}

fn read_route(wire: WireRoute) -> Result<RawRoute, DescriptionError> {
    let WireRoute { host, path, methods, strip_prefix, policy, json } = wire;
    let (policy, json) = (known::<RouteSettings>(policy)?, known::<Json>(json)?);
    Ok(RawRoute { host, path, methods, strip_prefix, policy, json })
}

fn read_grpc(wire: Vec<WireRpcs>) -> Result<Vec<Rpcs>, DescriptionError> {
    let invalid = |key: String, reason: &str| DescriptionError::Invalid { key, reason: reason.to_owned() };
    let mut names = BTreeSet::new();
    let mut grpc = Vec::with_capacity(wire.len());
    for (index, rpcs) in wire.into_iter().enumerate() {
        if !is_full_name(&rpcs.name) {
            return Err(invalid(format!("grpc[{index}].name"), "must be the full name of a gRPC service"));
        }
        if !names.insert(rpcs.name.clone()) {
            return Err(invalid(format!("grpc[{index}].name"), "is given twice"));
        }
        let mut methods = Vec::with_capacity(rpcs.methods.len());
        for (place, method) in rpcs.methods.into_iter().enumerate() {
            if !is_identifier(&method.name) {
                return Err(invalid(format!("grpc[{index}].methods[{place}].name"), "must be the name of a method"));
            }
            let idempotency = match method.idempotency.as_deref() {
                Some(NO_SIDE_EFFECTS) => Idempotency::NoSideEffects,
                Some(IDEMPOTENT) => Idempotency::Idempotent,
                // A promise this host does not know is none it could rely on.
                _ => Idempotency::Unknown,
            };
            methods.push(Rpc { name: method.name, idempotency });
        }
        grpc.push(Rpcs { name: rpcs.name, methods });
    }
    Ok(grpc)
}

/// Without what is absent, and tables in which all is.
fn present(table: Map<String, Value>) -> Map<String, Value> {
    let said = table.into_iter().filter_map(|(key, value)| match value {
        Value::Null => None,
        Value::Object(inner) => {
            let inner = present(inner);
            (!inner.is_empty()).then_some((key, Value::Object(inner)))
        }
        value => Some((key, value)),
    });
    said.collect()
}

/// Settings, without the keys that this host does not know: those that are not in the defaults, where each key is.
fn known<T: Default + Serialize + DeserializeOwned>(given: Map<String, Value>) -> Result<T, DescriptionError> {
    fn retain(table: &mut Map<String, Value>, known: &Map<String, Value>) {
        table.retain(|key, _| known.contains_key(key));
        for (key, inner) in table {
            if let (Value::Object(inner), Some(Value::Object(known))) = (inner, known.get(key)) {
                retain(inner, known);
            }
        }
    }
    let mut given = given;
    retain(&mut given, &table(&T::default()));
    serde_json::from_value(Value::Object(given)).map_err(DescriptionError::Malformed)
}

fn table<T: Serialize>(settings: &T) -> Map<String, Value> {
    match serde_json::to_value(settings) {
        Ok(Value::Object(table)) => table,
        // Settings are tables of numbers, words and tables, which JSON has.
        _ => Map::new(),
    }
}
