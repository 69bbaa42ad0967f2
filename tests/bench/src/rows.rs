//! The groups of rows that can be chosen.

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Rows {
    /// GET to one service, with warm and with fresh instances
    Get,
    /// GET to a service that makes a gRPC call to another
    Via,
    /// gRPC calls from inside a service, one after another
    Loop,
    /// POST of bodies that come back
    Bodies,
    /// Latency at half of the maximum load
    Half,
    /// A long stream through two services
    Stream,
    /// Many services in one host
    Services,
    /// GET to a service that calls one on another host, over mutual TLS
    Hop,
    /// gRPC methods in JSON, and streams of small messages
    Rest,
    /// Resident memory
    Memory,
    /// Replacing a module under load
    Swap,
    /// From the start of a process to its first response
    Start,
    /// Instructions per request; takes valgrind, and is left out unless asked for
    Instructions,
}

impl Rows {
    pub(crate) const DEFAULT: [Self; 12] = [
        Self::Get,
        Self::Via,
        Self::Loop,
        Self::Bodies,
        Self::Half,
        Self::Stream,
        Self::Services,
        Self::Hop,
        Self::Rest,
        Self::Memory,
        Self::Swap,
        Self::Start,
    ];
}
