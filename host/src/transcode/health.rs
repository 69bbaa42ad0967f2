//! gRPC's health service: whether the host is ready, and whether each of its services is.
//!
//! Whoever knows that makes a [`Health`] of it, each time something changes. A service is asked about by the name of one
//! of its gRPC services, or by its own; the host by no name.
//!
//! Source: gRPC's health checking protocol, `grpc/health/v1/health.proto`; gRPC proposal A90, "List".

use std::collections::{BTreeMap, HashMap};

use prost::Message;

use crate::call::grpc::Code;

/// A request, in bytes: more than any name has.
pub const REQUEST_BYTES_MAX: usize = 16 * 1024;

/// Services that [`Health::list`] lists, the host as one of them.
pub const LIST_MAX: usize = 100;

/// What is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serving {
    /// Nobody knows; this host always does.
    Unknown = 0,
    /// Calls are taken.
    Serving = 1,
    /// Calls are not taken now.
    NotServing = 2,
    /// There is nothing of this name. Only [`Watch`] says so.
    ServiceUnknown = 3,
}

/// Why a request is not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HealthError {
    /// The bytes mean something else.
    #[error("not a request of grpc.health.v1: {reason}")]
    Malformed {
        /// What is wrong with them.
        reason: String,
    },
    /// It is larger than any name.
    #[error("a request of {bytes} bytes; at most {REQUEST_BYTES_MAX} are taken")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// There is nothing of this name.
    #[error("this host serves no `{}`", .service.escape_debug())]
    NoService {
        /// The name.
        service: String,
    },
    /// There are more services than `List` may list.
    #[error("there are {services} services, and `List` lists no more than {LIST_MAX}: ask for them by name")]
    TooMany {
        /// How many, the host included.
        services: usize,
    },
}

impl HealthError {
    /// The status of the call.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Malformed { .. } => Code::InvalidArgument,
            Self::NoService { .. } => Code::NotFound,
            Self::TooLarge { .. } | Self::TooMany { .. } => Code::ResourceExhausted,
        }
    }
}

#[derive(Clone, PartialEq, Message)]
struct CheckRequest {
    #[prost(string, tag = "1")]
    service: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct CheckResponse {
    #[prost(int32, tag = "1")]
    status: i32,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct ListRequest {}

#[derive(Clone, PartialEq, Message)]
struct ListResponse {
    #[prost(map = "string, message", tag = "1")]
    statuses: HashMap<String, CheckResponse>,
}

impl From<Serving> for CheckResponse {
    fn from(serving: Serving) -> Self {
        Self { status: serving as i32 }
    }
}

/// What is ready at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    ready: bool,
    services: BTreeMap<String, bool>,
}

impl Health {
    /// A host without services. While it is not ready, as it starts or drains, none of its services is either.
    #[must_use]
    pub const fn new(ready: bool) -> Self {
        Self { ready, services: BTreeMap::new() }
    }

    /// Adds a name. What several have as theirs is ready when all of them are.
    pub fn insert(&mut self, name: impl Into<String>, ready: bool) {
        *self.services.entry(name.into()).or_insert(true) &= ready;
    }

    /// What is answered about a name; the empty one is the host's.
    #[must_use]
    pub fn serving(&self, name: &str) -> Serving {
        let ready = match name {
            "" => Some(self.ready),
            name => self.services.get(name).map(|&ready| ready && self.ready),
        };
        match ready {
            Some(true) => Serving::Serving,
            Some(false) => Serving::NotServing,
            None => Serving::ServiceUnknown,
        }
    }

    /// Answers an encoded request of `Check` with an encoded response.
    ///
    /// # Errors
    /// When the bytes are no request, and when there is nothing of that name.
    pub fn check(&self, request: &[u8]) -> Result<Vec<u8>, HealthError> {
        let CheckRequest { service } = decode(request)?;
        match self.serving(&service) {
            Serving::ServiceUnknown => Err(HealthError::NoService { service }),
            serving => Ok(CheckResponse::from(serving).encode_to_vec()),
        }
    }

    /// Answers an encoded request of `List` with an encoded response.
    ///
    /// # Errors
    /// When the bytes are no request, and when there are more services than [`LIST_MAX`].
    pub fn list(&self, request: &[u8]) -> Result<Vec<u8>, HealthError> {
        let ListRequest {} = decode(request)?;
        let names = || self.services.keys().map(String::as_str).filter(|name| !name.is_empty());
        let services = names().count() + 1;
        if services > LIST_MAX {
            return Err(HealthError::TooMany { services });
        }
        let status = |name: &str| (name.to_owned(), self.serving(name).into());
        let statuses = [""].into_iter().chain(names()).map(status).collect();
        Ok(ListResponse { statuses }.encode_to_vec())
    }
}

/// One stream of `Watch`.
#[derive(Clone, Debug)]
pub struct Watch {
    service: String,
    /// What was said last.
    said: Option<Serving>,
}

impl Watch {
    /// Begins a stream from its encoded request.
    ///
    /// # Errors
    /// When the bytes are no request. A name that there is not may come later.
    pub fn new(request: &[u8]) -> Result<Self, HealthError> {
        let CheckRequest { service } = decode(request)?;
        Ok(Self { service, said: None })
    }

    /// The name it is about.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The encoded response that tells what is new; the first time there is always one.
    pub fn update(&mut self, health: &Health) -> Option<Vec<u8>> {
        let serving = health.serving(&self.service);
        if self.said == Some(serving) {
            return None;
        }
        self.said = Some(serving);
        Some(CheckResponse::from(serving).encode_to_vec())
    }
}

fn decode<M: Message + Default>(request: &[u8]) -> Result<M, HealthError> {
    if request.len() > REQUEST_BYTES_MAX {
        return Err(HealthError::TooLarge { bytes: request.len() });
    }
    M::decode(request).map_err(|error| HealthError::Malformed { reason: error.to_string() })
}

#[cfg(test)]
mod tests;
