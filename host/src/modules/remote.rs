//! A service that this host knows of, and others run.

use std::sync::Arc;

use super::described::{Described, Speech};
use super::description::Description;
use crate::call::ServiceName;
use crate::policy::settings::{PerCall, Settings};
use crate::transcode::contract::Contract;

/// A service that this host does not run itself, as another host describes it.
pub struct RemoteService(Described);

impl RemoteService {
    /// The service of a description, and of its descriptors if it has any.
    #[must_use]
    pub fn new(description: &Description, contract: Option<Arc<Contract>>) -> Self {
        Self(Described::new(description, contract))
    }

    /// Its name.
    pub fn service(&self) -> &ServiceName {
        self.0.service()
    }

    /// What is done to calls on their way to it.
    pub fn policy(&self) -> &Arc<Settings> {
        self.0.policy()
    }

    /// How calls on no route are treated: those of other services, and those that come in by the defaults.
    pub fn treatment(&self) -> &Arc<PerCall> {
        self.0.treatment()
    }

    /// Whether calls of a gRPC method, given by its path, may be sent again although their outcome is unknown: what the
    /// method's option `idempotency_level` says. `None` when it says nothing.
    pub fn method_idempotent(&self, path: &str) -> Option<bool> {
        self.0.method_idempotent(path)
    }

    /// What it offers in other protocols.
    pub fn speech(&self) -> &Speech {
        self.0.speech()
    }

    pub(super) fn described(&self) -> &Described {
        &self.0
    }
}
