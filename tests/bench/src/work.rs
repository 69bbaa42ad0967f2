//! What is compared with what.

use serde::Serialize;

/// Who serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Side {
    /// The front and the greeter as native processes.
    Native,
    /// The same as modules with the lean door, in one host.
    Lean,
    /// The same as modules with the standard door, in one host.
    Standard,
}

impl Side {
    pub(crate) const ALL: [Self; 3] = [Self::Native, Self::Lean, Self::Standard];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Lean => "lean door",
            Self::Standard => "standard door",
        }
    }
}

/// What is asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Work {
    /// `GET` of a route that answers by itself.
    Hello,
    /// `GET` of a route that makes one unary gRPC call to the greeter.
    Via,
    /// As `Hello`, on an instance made for the request.
    Fresh,
}

impl Work {
    pub(crate) const ALL: [Self; 3] = [Self::Hello, Self::Fresh, Self::Via];

    pub(crate) const EXPECT: &str = "hello world";

    /// The header by which hosts choose the module. Native servers get it too: the bytes are the same for all.
    pub(crate) fn host(self) -> &'static str {
        match self {
            Self::Hello | Self::Via => FRONT_HOST,
            Self::Fresh => "fresh-front.localhost",
        }
    }

    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Hello | Self::Fresh => "/hello/world",
            Self::Via => "/via/world",
        }
    }

    /// Instances are a matter of hosts, and starting one costs the same behind both doors.
    pub(crate) fn is_for(self, side: Side) -> bool {
        match self {
            Self::Hello | Self::Via => true,
            Self::Fresh => side == Side::Lean,
        }
    }
}

pub(crate) const FRONT_HOST: &str = "bench-front.localhost";

/// Calls of one request to `/loop`: enough that the request itself does not show, few enough to stay within the CPU
/// time that a host gives to a call.
pub(crate) const SEQUENCE_CALLS: u32 = 1000;

/// What is started, from nothing to its first response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Start {
    /// The native front.
    Native,
    /// A host without modules; its response is that there is none.
    Empty,
    /// A host that has the front, compiled by an earlier run.
    Cached,
    /// A host that has the front and must compile it.
    Cold,
}

impl Start {
    pub(crate) const ALL: [Self; 4] = [Self::Native, Self::Empty, Self::Cold, Self::Cached];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Native => "native axum",
            Self::Empty => "host without modules",
            Self::Cold => "host that compiles one module",
            Self::Cached => "host with one module in its cache",
        }
    }
}
