//! The cluster's CA, the certificates of its nodes, and the tokens that bring them there.
//!
//! `init` makes a cluster: a folder with the CA's certificate and key, and the first key of the gossip. Whoever holds that
//! folder can let nodes in. A *token* is what a new node needs, in one line: a certificate and key made for its name, the
//! CA's certificate, the gossip keys, and seeds to begin with.
//!
//! A token is a secret like a password, and stays one after it was used: nothing is asked when a node joins, so nothing can
//! tell a second use from the first, or forbid it. Whoever has it can be that node until its certificate expires. Give it
//! as short a life as is convenient, bring it over a channel you trust, and delete it. A node whose key got out is shut
//! out by a new CA and new gossip keys; there are no revocation lists.
//!
//! The folder of a node holds `node.pem` (its key and certificate, in one file so that both are replaced at once), `ca.pem`
//! (one or, while the CA is being replaced, several certificates), `gossip.keys` (base64, one key a line, the first of
//! which encrypts; see [`keys`]), and `seeds` (`HOST:PORT`, one a line).

mod files;
mod issue;
pub mod keys;
#[cfg(test)]
mod tests;
mod token;

use std::io;
use std::path::PathBuf;

use super::{ClusterName, NodeName, PeerIdentity};

pub(super) use files::{NodeFiles, check_own, read_node};
pub use files::{check_cluster, gossip_keys, join, verify};
#[cfg(test)]
pub(super) use issue::node_params;
pub use issue::{Issuing, init, issue};
pub use token::{Seeds, Token};

/// A key of the gossip: what its packets are sealed with.
pub type GossipKey = [u8; 32];

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file cannot be read or written.
    #[error("{}", .file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A folder lacks what makes it a cluster's, or a node's.
    #[error("{} is missing: {reason}", .file.display())]
    Missing {
        /// Which file.
        file: PathBuf,
        /// What the folder is instead, and which command makes the file.
        reason: String,
    },
    /// There is a cluster in the folder already.
    #[error("{} exists; a cluster is made once, and making another one would lock its nodes out", .0.display())]
    Exists(PathBuf),
    /// Others may read a secret.
    #[error("{} can be read by others (mode {mode:04o}); run `chmod 600` on it, and consider the key known", .file.display())]
    Readable {
        /// Which file.
        file: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A certificate, or what belongs to it, is no good.
    #[error("{}: {reason}", .file.display())]
    Certificate {
        /// Which file.
        file: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A token does not belong into a folder that is somebody else's.
    #[error("{}: {reason}", .dir.display())]
    Taken {
        /// Which folder.
        dir: PathBuf,
        /// Whose it is, and what to do.
        reason: String,
    },
    /// A text that should be a token is none.
    #[error("this is no join token: {0}")]
    Token(&'static str),
    /// The credentials on disk have become those of another node.
    #[error("the certificate on disk is that of `{found}`, and this node is `{is}`; restart to become another node")]
    OtherNode {
        /// Who this node is.
        is: NodeName,
        /// Whose certificate it is.
        found: NodeName,
    },
    /// A certificate cannot be made.
    #[error("a certificate cannot be made: {0}")]
    Issue(String),
}

/// The URI of a node in its certificate.
fn node_uri(identity: &PeerIdentity) -> String {
    format!("hostel://{}/node/{}", identity.cluster, identity.node)
}

/// The URI of a cluster in the certificate of its CA.
fn cluster_uri(cluster: &ClusterName) -> String {
    format!("hostel://{cluster}")
}

/// Reads a node's URI.
pub(super) fn parse_identity(uri: &str) -> Option<PeerIdentity> {
    let (cluster, node) = uri.strip_prefix("hostel://")?.split_once("/node/")?;
    Some(PeerIdentity { cluster: ClusterName::new(cluster).ok()?, node: NodeName::new(node).ok()? })
}

fn parse_cluster(uri: &str) -> Option<ClusterName> {
    ClusterName::new(uri.strip_prefix("hostel://")?).ok()
}
