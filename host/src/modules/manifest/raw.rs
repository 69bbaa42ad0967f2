//! The shape of a manifest's text. Numbers are read as signed so that a negative one is reported as out of range,
//! with the range, rather than as a type error.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::policy::settings::{RouteSettings, Settings};
use crate::transcode::settings::{Compression, Settings as Json};

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
    pub(super) example: Option<String>,
    pub(super) route: Vec<Route>,
    pub(super) grants: Grants,
    pub(super) config: BTreeMap<String, ConfigValue>,
    pub(super) limits: Limits,
    pub(super) instances: Instances,
    pub(super) health: Option<Health>,
    pub(super) policy: Settings,
    pub(super) grpc: Grpc,
    pub(super) json: Json,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Grpc {
    pub(super) services: Option<Vec<String>>,
    pub(super) compression: Compression,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::modules) struct Route {
    pub(in crate::modules) host: Option<String>,
    pub(in crate::modules) path: String,
    pub(in crate::modules) methods: Option<Vec<String>>,
    pub(in crate::modules) strip_prefix: Option<String>,
    #[serde(default)]
    pub(in crate::modules) policy: RouteSettings,
    #[serde(default)]
    pub(in crate::modules) json: Json,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Grants {
    pub(super) calls: Option<Vec<String>>,
    pub(super) callers: Option<Vec<String>>,
    pub(super) egress: Option<Vec<String>>,
    pub(super) config: Option<Vec<String>>,
    pub(super) kv: Option<bool>,
}

/// Guests see configuration as text; plain numbers and booleans may be written without quotes.
#[derive(Deserialize)]
#[serde(untagged, expecting = "must be a string, an integer or a boolean")]
pub(super) enum ConfigValue {
    Text(String),
    Integer(i64),
    Boolean(bool),
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Limits {
    pub(super) memory_mib: Option<i64>,
    pub(super) cpu_ms: Option<i64>,
    pub(super) wall_ms: Option<i64>,
    pub(super) calls_max: Option<i64>,
    pub(super) queue_len_max: Option<i64>,
    pub(super) queue_wait_ms: Option<i64>,
    pub(super) body_bytes_max: Option<i64>,
    pub(super) headers_bytes_max: Option<i64>,
    pub(super) depth_max: Option<i64>,
    pub(super) kv_bytes_max: Option<i64>,
    pub(super) kv_keys_max: Option<i64>,
    pub(super) kv_value_bytes_max: Option<i64>,
    pub(super) log_lines_per_s_max: Option<i64>,
    pub(super) log_line_bytes_max: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Instances {
    pub(super) max: Option<i64>,
    pub(super) concurrency: Option<i64>,
    pub(super) reuse_max: Option<i64>,
    pub(super) idle_s: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Health {
    pub(super) path: String,
}
