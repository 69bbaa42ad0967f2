//! What travels with a call besides the request itself.

use std::fmt;
use std::sync::Arc;

use super::{Deadline, ServiceName, TraceContext};

/// Who makes a call. The host establishes it; guests and clients cannot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Caller {
    /// Somebody outside, through a listener.
    Edge,
    /// A service of this host.
    Service(ServiceName),
    /// The host itself: health probes.
    Host,
}

impl Caller {
    /// The text guests see in `hostel-caller`. Neither `edge` nor `hostel` can be the name of a service.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Edge => "edge",
            Self::Service(name) => name.as_str(),
            Self::Host => "hostel",
        }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The context of one call: by when, on whose behalf, as part of which trace, and how deep.
#[derive(Clone, Debug)]
pub struct CallContext {
    /// By when the caller needs the answer. Callees can only shorten it.
    pub deadline: Deadline,
    /// The span that makes the call.
    pub trace: TraceContext,
    /// Who makes the call.
    pub caller: Caller,
    /// How many service-to-service calls led here; 0 at the edge.
    pub depth: u32,
    /// The template of the route that matched, for labels; never a path. `None` when only the service is known.
    pub route: Option<Arc<str>>,
}

impl CallContext {
    /// The context of a call that a guest of `service` makes while it handles this one.
    pub fn nested(&self, service: ServiceName) -> Self {
        Self {
            deadline: self.deadline,
            trace: self.trace.child(),
            caller: Caller::Service(service),
            depth: self.depth.saturating_add(1),
            route: None,
        }
    }
}
