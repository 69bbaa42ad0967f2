//! Checks the values of a manifest and turns them into the types the host works with.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

use http::Method;

use super::place::{Invalid, Place};
use super::{
    Allow, Callers, ConfigKey, Grants, Grpc, Health, HostPattern, Instances, Limits, Manifest, Methods, Origin,
    PathTemplate, Route, Version, raw,
};
use crate::call::ServiceName;
use crate::modules::description::is_full_name;
use crate::policy::settings::Settings as Policy;

/// A hundred routes are already unusual for one service; the bound keeps the check for repetition cheap.
const ROUTES_MAX: usize = 1024;

const MIB: u64 = 1024 * 1024;

pub(super) fn manifest(raw: raw::Manifest, name: ServiceName) -> Result<Manifest, Invalid> {
    Ok(Manifest {
        name,
        version: match raw.version {
            None => None,
            Some(text) => Some(Version::new(&text).map_err(|reason| Place::top("version").invalid(reason))?),
        },
        example: raw.example.map(example).transpose()?,
        routes: routes(&raw.route)?,
        grants: grants(&raw.grants)?,
        config: config(raw.config)?,
        limits: limits(&raw.limits)?,
        instances: instances(&raw.instances)?,
        health: raw.health.map(health).transpose()?,
        policy: policy(raw.policy)?,
        grpc: grpc(raw.grpc)?,
        json: raw.json,
    })
}

fn grpc(raw: raw::Grpc) -> Result<Grpc, Invalid> {
    let at = Place::within("grpc", "services");
    let mut services = BTreeSet::new();
    for (index, name) in raw.services.iter().flatten().enumerate() {
        if !is_full_name(name) {
            return Err(at
                .item(index)
                .invalid("must be the full name of a gRPC service, as in `shop.orders.v1.Orders`"));
        }
        if !services.insert(name.clone()) {
            return Err(at.item(index).invalid("is given twice"));
        }
    }
    Ok(Grpc { services: raw.services.map(|_| services), compression: raw.compression })
}

fn example(path: String) -> Result<String, Invalid> {
    match path.parse::<http::uri::PathAndQuery>() {
        Ok(_) if path.starts_with('/') => Ok(path),
        _ => Err(Place::top("example").invalid("must be a path, with or without a query, as a client sends it")),
    }
}

pub(super) fn routes(raw: &[raw::Route]) -> Result<Vec<Route>, Invalid> {
    if raw.len() > ROUTES_MAX {
        return Err(
            Place::top("route").invalid(format!("is given {} times, at most {ROUTES_MAX} are taken", raw.len()))
        );
    }
    let mut routes: Vec<Route> = Vec::with_capacity(raw.len());
    for (index, entry) in raw.iter().enumerate() {
        let route = route(index, entry)?;
        if let Some(first) = routes.iter().position(|other| other.repeats(&route)) {
            return Err(Place::route(index, "path")
                .invalid(format!("repeats route[{first}]: host, path and a method are the same")));
        }
        routes.push(route);
    }
    Ok(routes)
}

fn route(index: usize, raw: &raw::Route) -> Result<Route, Invalid> {
    let at = |key| Place::route(index, key);
    let path = PathTemplate::new(&raw.path).map_err(|reason| at("path").invalid(reason))?;
    let host = match &raw.host {
        None => None,
        Some(text) => Some(HostPattern::new(text).map_err(|reason| at("host").invalid(reason))?),
    };
    if let Some(prefix) = &raw.strip_prefix
        && !path.has_literal_prefix(prefix)
    {
        return Err(at("strip_prefix").invalid(format!(
            "must be one or more whole literal segments at the front of `{path}`, without a slash at the end"
        )));
    }
    let methods = match &raw.methods {
        None => Methods::Any,
        Some(names) => methods(&at("methods"), names)?,
    };
    raw.policy.validate().map_err(|error| at("policy").below(error.key).invalid(error.reason))?;
    Ok(Route {
        host,
        path,
        methods,
        strip_prefix: raw.strip_prefix.clone(),
        policy: raw.policy.clone(),
        json: raw.json,
    })
}

pub(super) fn policy(raw: Policy) -> Result<Policy, Invalid> {
    raw.validate().map_err(|error| Place::top("policy").below(error.key).invalid(error.reason))?;
    Ok(raw)
}

/// CONNECT and TRACE are not for services; anything else unknown is more likely a typing error.
const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

fn methods(at: &Place, names: &[String]) -> Result<Methods, Invalid> {
    if names.is_empty() {
        return Err(at.clone().invalid("must name a method; leave it out to take any"));
    }
    let mut methods = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let Some(method) = METHODS.iter().find(|method| method.as_str() == name) else {
            let known = METHODS.map(|method| method.to_string()).join(", ");
            return Err(at.item(index).invalid(format!("must be one of {known}")));
        };
        if methods.contains(method) {
            return Err(at.item(index).invalid("is given twice"));
        }
        methods.push(method.clone());
    }
    if methods.contains(&Method::GET) && !methods.contains(&Method::HEAD) {
        methods.push(Method::HEAD);
    }
    Ok(Methods::Only(methods))
}

fn grants(raw: &raw::Grants) -> Result<Grants, Invalid> {
    let default = Grants::default();
    let at = |key| Place::within("grants", key);
    let service = |text: &str| ServiceName::new(text).map_err(|error| format!("names no service: {error}"));
    let mut egress = Vec::new();
    for (index, text) in raw.egress.iter().flatten().enumerate() {
        egress.push(Origin::new(text).map_err(|reason| at("egress").item(index).invalid(reason))?);
    }
    Ok(Grants {
        calls: allow(&at("calls"), raw.calls.as_deref(), default.calls, service)?,
        callers: callers(&at("callers"), raw.callers.as_deref())?,
        egress,
        config: allow(&at("config"), raw.config.as_deref(), default.config, ConfigKey::new)?,
        kv: raw.kv.unwrap_or(default.kv),
    })
}

fn callers(at: &Place, raw: Option<&[String]>) -> Result<Callers, Invalid> {
    // No service can be called `edge`.
    const EDGE: &str = "edge";
    let caller = |text: &str| match text {
        EDGE => Ok(None),
        name => {
            ServiceName::new(name).map(Some).map_err(|error| format!("names neither a service nor `edge`: {error}"))
        }
    };
    Ok(match allow(at, raw, Allow::All, caller)? {
        Allow::All => Callers::All,
        Allow::Only(named) => {
            Callers::Only { edge: named.contains(&None), services: named.into_iter().flatten().collect() }
        }
    })
}

fn allow<T: Ord>(
    at: &Place,
    raw: Option<&[String]>,
    default: Allow<T>,
    item: impl Fn(&str) -> Result<T, String>,
) -> Result<Allow<T>, Invalid> {
    let Some(texts) = raw else {
        return Ok(default);
    };
    let mut items = BTreeSet::new();
    for (index, text) in texts.iter().enumerate() {
        match text.as_str() {
            "*" if texts.len() == 1 => return Ok(Allow::All),
            "*" => {
                return Err(at.item(index).invalid("is `*`, which already covers everything else in the list"));
            }
            text => items.insert(item(text).map_err(|reason| at.item(index).invalid(reason))?),
        };
    }
    Ok(Allow::Only(items))
}

fn config(raw: BTreeMap<String, raw::ConfigValue>) -> Result<BTreeMap<ConfigKey, String>, Invalid> {
    let mut values = BTreeMap::new();
    for (name, value) in raw {
        let key = ConfigKey::new(&name).map_err(|reason| Place::within("config", name.clone()).invalid(reason))?;
        let text = match value {
            raw::ConfigValue::Text(text) => text,
            raw::ConfigValue::Integer(number) => number.to_string(),
            raw::ConfigValue::Boolean(flag) => flag.to_string(),
        };
        values.insert(key, text);
    }
    Ok(values)
}

fn limits(raw: &raw::Limits) -> Result<Limits, Invalid> {
    let default = Limits::default();
    let number = |key, value, range| number(Place::within("limits", key), value, range);
    let ms = |key, value, range| Ok(number(key, value, range)?.map(Duration::from_millis));
    let small = |key, value, range| Ok(number(key, value, range)?.map(as_u32));
    let size = |key, value, range| Ok(number(key, value, range)?.map(as_usize));
    let day = 86_400_000;
    Ok(Limits {
        memory_bytes_max: number("memory_mib", raw.memory_mib, 1..=4096)?.map_or(default.memory_bytes_max, |n| n * MIB),
        cpu: ms("cpu_ms", raw.cpu_ms, 1..=day / 24)?.unwrap_or(default.cpu),
        wall: ms("wall_ms", raw.wall_ms, 1..=day)?.unwrap_or(default.wall),
        calls_max: small("calls_max", raw.calls_max, 1..=1_000_000)?.unwrap_or(default.calls_max),
        queue_len_max: small("queue_len_max", raw.queue_len_max, 0..=1_000_000)?.unwrap_or(default.queue_len_max),
        queue_wait: ms("queue_wait_ms", raw.queue_wait_ms, 0..=day / 24)?.unwrap_or(default.queue_wait),
        body_bytes_max: number("body_bytes_max", raw.body_bytes_max, 0..=1 << 40)?
            .map_or(default.body_bytes_max, |bytes| (bytes != 0).then_some(bytes)),
        headers_bytes_max: size("headers_bytes_max", raw.headers_bytes_max, 1024..=1 << 20)?
            .unwrap_or(default.headers_bytes_max),
        depth_max: small("depth_max", raw.depth_max, 1..=128)?.unwrap_or(default.depth_max),
        kv_bytes_max: number("kv_bytes_max", raw.kv_bytes_max, 1..=1 << 40)?.unwrap_or(default.kv_bytes_max),
        kv_keys_max: number("kv_keys_max", raw.kv_keys_max, 1..=1_000_000_000)?.unwrap_or(default.kv_keys_max),
        kv_value_bytes_max: size("kv_value_bytes_max", raw.kv_value_bytes_max, 1..=16 << 20)?
            .unwrap_or(default.kv_value_bytes_max),
        log_lines_per_s_max: small("log_lines_per_s_max", raw.log_lines_per_s_max, 0..=1_000_000)?
            .unwrap_or(default.log_lines_per_s_max),
        log_line_bytes_max: size("log_line_bytes_max", raw.log_line_bytes_max, 128..=1 << 20)?
            .unwrap_or(default.log_line_bytes_max),
    })
}

fn instances(raw: &raw::Instances) -> Result<Instances, Invalid> {
    let default = Instances::default();
    let number = |key, value, range| number(Place::within("instances", key), value, range);
    Ok(Instances {
        max: number("max", raw.max, 1..=10_000)?.map_or(default.max, as_u32),
        concurrency: number("concurrency", raw.concurrency, 1..=1024)?.map_or(default.concurrency, as_u32),
        reuse_max: number("reuse_max", raw.reuse_max, 0..=1_000_000_000)?
            .map_or(default.reuse_max, |calls| (calls != 0).then_some(as_u32(calls))),
        idle: number("idle_s", raw.idle_s, 0..=86_400)?.map_or(default.idle, Duration::from_secs),
    })
}

fn number(at: Place, value: Option<i64>, range: RangeInclusive<u64>) -> Result<Option<u64>, Invalid> {
    let Some(value) = value else {
        return Ok(None);
    };
    match u64::try_from(value) {
        Ok(value) if range.contains(&value) => Ok(Some(value)),
        _ => Err(at.invalid(format!("must be {} to {}, found {value}", range.start(), range.end()))),
    }
}

/// Only for values whose range fits.
fn as_u32(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// Only for values whose range fits.
fn as_usize(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

fn health(raw: raw::Health) -> Result<Health, Invalid> {
    let allowed = |c: char| c.is_ascii_graphic() && !"#\"<>\\^`{|}".contains(c);
    if !raw.path.starts_with('/') || raw.path.len() > 1024 || !raw.path.chars().all(allowed) {
        return Err(
            Place::within("health", "path").invalid("must be a path, such as `/healthz`, of at most 1024 characters")
        );
    }
    Ok(Health { path: raw.path })
}
