//! The gRPC services that protobuf descriptors describe.
//!
//! Of a `FileDescriptorSet` only a few fields are of interest here, so only those are decoded: a full decode of
//! hostile bytes may need a hundred times their size in memory. Field numbers are those of protobuf's
//! `descriptor.proto`.

use prost::Message;
use prost::bytes::Buf;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

const SERVICES_MAX: usize = 10_000;

/// The longest name of a package and a service together, in bytes.
const NAME_BYTES_MAX: usize = 512;

/// A gRPC service as its `.proto` file describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcService {
    /// With its package: `shop.catalog.v1.Catalog`.
    pub name: String,
    /// In the order of the file.
    pub methods: Vec<GrpcMethod>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcMethod {
    /// Without the service: `GetProduct`.
    pub name: String,
    pub client_streaming: bool,
    pub server_streaming: bool,
    pub idempotency: Idempotency,
}

/// The method option `idempotency_level`: what a retry may assume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Idempotency {
    /// Nothing is promised, and so nothing is assumed.
    #[default]
    Unknown,
    NoSideEffects,
    Idempotent,
}

impl Idempotency {
    /// Whether a call may be sent again although its outcome is unknown.
    #[must_use]
    pub const fn is_promised(self) -> bool {
        matches!(self, Self::NoSideEffects | Self::Idempotent)
    }
}

#[derive(Clone, PartialEq, Message)]
struct File {
    #[prost(string, tag = "2")]
    package: String,
    #[prost(message, repeated, tag = "6")]
    services: Vec<Service>,
}

#[derive(Clone, PartialEq, Message)]
struct Service {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    methods: Vec<Method>,
}

#[derive(Clone, PartialEq, Message)]
struct Method {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "4")]
    options: Option<MethodOptions>,
    #[prost(bool, tag = "5")]
    client_streaming: bool,
    #[prost(bool, tag = "6")]
    server_streaming: bool,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct MethodOptions {
    #[prost(int32, tag = "34")]
    idempotency_level: i32,
}

/// The services in an encoded `FileDescriptorSet`, sorted by name, each once.
///
/// # Errors
/// A sentence, when the bytes are not such a set, or describe a service twice and differently.
pub(super) fn services(set: &[u8]) -> Result<Vec<GrpcService>, String> {
    let mut services = Vec::new();
    let mut rest = set;
    let invalid = |error: prost::DecodeError| format!("not a FileDescriptorSet: {error}");
    // The set is read file by file, so that what is not needed of one is gone before the next.
    while rest.has_remaining() {
        let (tag, wire_type) = decode_key(&mut rest).map_err(invalid)?;
        if (tag, wire_type) != (1, WireType::LengthDelimited) {
            skip_field(wire_type, tag, &mut rest, DecodeContext::default()).map_err(invalid)?;
            continue;
        }
        let length = decode_varint(&mut rest).map_err(invalid)?;
        let bytes = usize::try_from(length).ok().and_then(|length| rest.split_off(..length));
        let bytes = bytes.ok_or("not a FileDescriptorSet: it is cut off")?;
        let file = File::decode(bytes).map_err(invalid)?;
        let package = &file.package;
        // A package's name is repeated for each of its services, and so must not be long where they are many.
        let longest = file.services.iter().map(|service| service.name.len()).max();
        if package.len() + longest.unwrap_or_default() > NAME_BYTES_MAX {
            return Err(format!("a service's name is longer than {NAME_BYTES_MAX} bytes"));
        }
        if services.len() + file.services.len() > SERVICES_MAX {
            return Err(format!("more than {SERVICES_MAX} services"));
        }
        services.extend(file.services.into_iter().map(|service| convert(package, service)));
    }
    services.sort_by(|a: &GrpcService, b| a.name.cmp(&b.name));
    services.dedup();
    let twice = services.iter().zip(services.iter().skip(1)).find(|(a, b)| a.name == b.name);
    match twice {
        Some((service, _)) => {
            Err(format!("the service `{}` is described twice, and differently", service.name.escape_debug()))
        }
        None => Ok(services),
    }
}

fn convert(package: &str, service: Service) -> GrpcService {
    let method = |method: Method| GrpcMethod {
        name: method.name,
        client_streaming: method.client_streaming,
        server_streaming: method.server_streaming,
        idempotency: match method.options.map(|options| options.idempotency_level) {
            Some(1) => Idempotency::NoSideEffects,
            Some(2) => Idempotency::Idempotent,
            _ => Idempotency::Unknown,
        },
    };
    GrpcService {
        name: match package {
            "" => service.name,
            package => format!("{package}.{}", service.name),
        },
        methods: service.methods.into_iter().map(method).collect(),
    }
}

#[cfg(test)]
mod tests;
