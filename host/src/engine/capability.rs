//! What guests may do beyond computing: the seam between the engine and the layers above it.

use std::any::Any;
use std::sync::Arc;

use wasmtime::component::Linker;

use super::State;
use crate::call::ServiceName;

/// Whose instances they are. Made once per version, shared by all its instances.
#[derive(Clone)]
pub struct Guest {
    /// The service.
    pub service: ServiceName,
    /// The version of the service.
    pub version: Arc<str>,
    /// What the layers above know of the version: its manifest. The engine does not look inside.
    pub profile: Arc<dyn Any + Send + Sync>,
}

impl Guest {
    /// The profile as the type it was made from.
    pub fn profile<T: 'static>(&self) -> Option<&T> {
        self.profile.downcast_ref()
    }
}

/// One thing guests may do: call a service, store a value, write a log line.
pub trait Capability: Send + Sync + 'static {
    /// For error messages.
    fn name(&self) -> &'static str;

    /// Adds the capability's imports to the linker. Runs once, when the host starts.
    ///
    /// # Errors
    ///
    /// When the linker already has one of them.
    fn link(&self, linker: &mut Linker<State>) -> wasmtime::Result<()>;

    /// Puts into an instance's state what the imports need there. Runs once per instance, so it has to be quick.
    fn prepare(&self, guest: &Guest, state: &mut State);
}
