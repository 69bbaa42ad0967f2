//! What other hosts need to know of a service they do not run: its ways in, and what is done to calls on their way to
//! it.
//!
//! It travels as JSON. A host may be older than the one that tells it something, so keys it does not know are passed
//! over; everything else is checked as a manifest is.

mod wire;

use super::inspect::{GrpcService, Idempotency, Inspection};
use super::manifest::{Manifest, Route};
use crate::call::ServiceName;
use crate::policy::settings::Settings;
use crate::transcode::settings::{Compression, Settings as Json};

/// The largest description that is read, in bytes.
pub const DESCRIPTION_BYTES_MAX: usize = 256 * 1024;

/// The longest names of a gRPC service and of a method, in bytes each.
const GRPC_NAME_BYTES_MAX: usize = 512;

/// What other hosts need to know of a service.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// Its name.
    pub service: ServiceName,
    /// Where its calls come in from outside. Empty: the defaults.
    pub routes: Vec<Route>,
    /// The gRPC services its module knows, by name, each once.
    pub grpc: Vec<Rpcs>,
    /// What is done to calls on their way to it.
    pub policy: Settings,
    /// How its gRPC methods are spoken in JSON.
    pub json: Json,
    /// Who decompresses messages of gRPC.
    pub compression: Compression,
    /// Whether it has descriptors that others may ask for.
    pub has_contract: bool,
}

/// A gRPC service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rpcs {
    /// With its package: `shop.catalog.v1.Catalog`.
    pub name: String,
    /// Its methods.
    pub methods: Vec<Rpc>,
}

/// A method of a gRPC service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rpc {
    /// Without the service: `GetProduct`.
    pub name: String,
    /// What a retry may assume.
    pub idempotency: Idempotency,
}

/// Why bytes are no description of a service.
#[derive(Debug, thiserror::Error)]
pub enum DescriptionError {
    /// There is too much of it.
    #[error("the description has {bytes} bytes, at most {DESCRIPTION_BYTES_MAX} are read")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// It is not of the form that descriptions have.
    #[error("the description cannot be read")]
    Malformed(#[source] serde_json::Error),
    /// It is about another service than it should be.
    #[error("the description is of the service `{}`", .found.escape_debug())]
    OtherService {
        /// What it is about.
        found: String,
    },
    /// A value makes no sense. Keys are written as in manifests: `route[0].path`.
    #[error("`{key}` {reason}")]
    Invalid {
        /// Where.
        key: String,
        /// The rest of the sentence.
        reason: String,
    },
}

impl Description {
    /// The description of a module.
    #[must_use]
    pub fn of(manifest: &Manifest, inspection: &Inspection) -> Self {
        let serves = |name: &str| manifest.grpc.services.as_ref().is_none_or(|served| served.contains(name));
        let services = inspection.services.iter().filter(|service| serves(&service.name));
        Self {
            service: manifest.name.clone(),
            routes: manifest.routes.clone(),
            has_contract: services.clone().next().is_some(),
            grpc: services.filter_map(rpcs).collect(),
            policy: manifest.policy.clone(),
            json: manifest.json,
            compression: manifest.grpc.compression,
        }
    }

    /// As JSON, the same for equal descriptions. Where it would be larger than others read, gRPC methods that promise
    /// nothing are left out, then all that is about gRPC. Only routes and policies can still make it too large then.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let fits = |bytes: &Vec<u8>| bytes.len() <= DESCRIPTION_BYTES_MAX;
        let whole = wire::write(self, self.grpc.iter().collect());
        if fits(&whole) {
            return whole;
        }
        let promising: Vec<Rpcs> = self.grpc.iter().map(Rpcs::promising).collect();
        let shorter = wire::write(self, promising.iter().collect());
        if fits(&shorter) { shorter } else { wire::write(self, Vec::new()) }
    }

    /// Reads what another host says about `service`.
    ///
    /// # Errors
    ///
    /// For the first thing that is wrong; see [`DescriptionError`]. Keys that are not known are no error.
    pub fn decode(service: &ServiceName, bytes: &[u8]) -> Result<Self, DescriptionError> {
        if bytes.len() > DESCRIPTION_BYTES_MAX {
            return Err(DescriptionError::TooLarge { bytes: bytes.len() });
        }
        wire::read(service, bytes)
    }
}

impl Rpcs {
    /// The same with only the methods that promise something.
    fn promising(&self) -> Self {
        let promises = |method: &&Rpc| method.idempotency.is_promised();
        Self { name: self.name.clone(), methods: self.methods.iter().filter(promises).cloned().collect() }
    }
}

/// `None` when it has a name that no `.proto` file can give it.
fn rpcs(service: &GrpcService) -> Option<Rpcs> {
    let methods = service.methods.iter().filter(|method| is_identifier(&method.name));
    let methods = methods.map(|method| Rpc { name: method.name.clone(), idempotency: method.idempotency });
    is_full_name(&service.name).then(|| Rpcs { name: service.name.clone(), methods: methods.collect() })
}

/// Source: the protocol buffers language specification, "identifiers".
fn is_identifier(name: &str) -> bool {
    (1..=GRPC_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

pub(super) fn is_full_name(name: &str) -> bool {
    name.len() <= GRPC_NAME_BYTES_MAX && name.split('.').all(is_identifier)
}

#[cfg(test)]
mod tests;
