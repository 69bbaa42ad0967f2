//! Links between hosts: HTTP/2 over mutual TLS, long-lived and multiplexed.
//!
//! A call travels as itself (`wire`): method, path, headers, body and trailers, with the fields of the link beside
//! them, which guests can neither set nor see. [`Client`] keeps few connections to each peer, [`Server`] takes what comes
//! in and hands it, with who sent it, to an [`Incoming`] that knows local services only. Nothing here retries, and nothing
//! here times a call out: the caller's policies do, and what they need to know (did the call reach anybody?) is in the
//! error.
//!
//! Both ends use the crate `h2` and not hyper: a call needs no task, no channel and no box on the client's side then,
//! and no task of its own on the server's, which is what makes a hop cheaper than one by tonic; and h2 says which
//! streams a GOAWAY left unprocessed, which hyper does not tell apart.
//!
//! Below is a seam, [`Dial`]: mutual TLS over TCP (`tls`), and an in-memory network with faults (`fake`). Both pass one
//! conformance suite, over the same wire.

mod client;
#[cfg(test)]
mod conformance;
mod control;
pub mod fake;
mod flow;
mod incoming;
mod io;
mod keepalive;
mod name;
pub mod pki;
mod server;
mod settings;
mod tls;
mod wire;

use std::fmt;
use std::net::SocketAddr;

pub use client::{Client, ClientSnapshot, IsHeard, LinkError, LinkEvent, Observer, PeerSnapshot};
pub use control::{Control, NoControl};
pub use incoming::Incoming;
pub use io::{Connected, Dial, Io};
pub use name::{ClusterName, NameError, NodeName};
pub use server::{Server, ServerSnapshot};
pub use settings::Settings;
pub use tls::{Credentials, TlsDialer};

/// What tells one start of a node's process from the next: 128 random bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub [u8; 16]);

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A node as its certificate names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PeerIdentity {
    /// The cluster it belongs to.
    pub cluster: ClusterName,
    /// Its name in there.
    pub node: NodeName,
}

/// Whom to link to: a start of a node, its name, and where it listens for links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Which start of the node; another one that answers under the same address is refused.
    pub incarnation: Incarnation,
    /// The name that its certificate has to carry.
    pub node: NodeName,
    /// Address and port of its links.
    pub address: SocketAddr,
}
