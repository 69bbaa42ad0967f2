//! What is compared with what.

use serde::Serialize;

use crate::rows::Rows;

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
    /// The front with the standard door, in `wasmtime serve`.
    Wasmtime,
}

impl Side {
    pub(crate) const ALL: [Self; 4] = [Self::Native, Self::Lean, Self::Standard, Self::Wasmtime];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Lean => "lean door",
            Self::Standard => "standard door",
            Self::Wasmtime => "wasmtime serve",
        }
    }

    /// Whether the front can reach the greeter, and everything else that takes more than one component.
    pub(crate) fn is_whole(self) -> bool {
        self != Self::Wasmtime
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
    /// The same of a component for WASI 0.2 that knows of neither host, on an instance made for the request.
    FreshP2,
}

impl Work {
    pub(crate) const ALL: [Self; 4] = [Self::Hello, Self::Fresh, Self::FreshP2, Self::Via];

    pub(crate) const EXPECT: &str = "hello world";

    /// The header by which hosts choose the module. Native servers get it too: the bytes are the same for all.
    pub(crate) fn host(self) -> &'static str {
        match self {
            Self::Hello | Self::Via => FRONT_HOST,
            Self::Fresh => "fresh-front.localhost",
            Self::FreshP2 => "wstd-hello.localhost",
        }
    }

    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Hello | Self::Fresh | Self::FreshP2 => "/hello/world",
            Self::Via => "/via/world",
        }
    }

    /// Native servers have no instances, starting one costs the same behind both doors of ours, and of
    /// `wasmtime serve` each process has one component.
    pub(crate) fn is_for(self, side: Side) -> bool {
        match self {
            Self::Hello => true,
            Self::Via => side.is_whole(),
            Self::Fresh => side == Side::Lean,
            Self::FreshP2 => matches!(side, Side::Standard | Side::Wasmtime),
        }
    }

    /// The rows it belongs to.
    pub(crate) fn rows(self) -> Rows {
        match self {
            Self::Hello | Self::Fresh | Self::FreshP2 => Rows::Get,
            Self::Via => Rows::Via,
        }
    }

    /// What a native server does in its place.
    pub(crate) fn native(self) -> Self {
        match self {
            Self::Hello | Self::Fresh | Self::FreshP2 => Self::Hello,
            Self::Via => Self::Via,
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
