//! Tells where the host listens: to people on standard output, to programs in a file.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use serde::{Serialize, Serializer, ser::SerializeStruct as _};

/// Where a host listens.
#[derive(Clone, Copy, Debug)]
pub struct Announcement {
    /// Calls.
    pub edge: SocketAddr,
    /// Whether these are to come over TLS.
    pub tls: bool,
    /// Operators.
    pub admin: SocketAddr,
    /// Other nodes of the cluster, if it is a node of one.
    pub peer: Option<SocketAddr>,
}

/// As programs read it: the addresses, and the URL of the edge, which says whether it speaks TLS.
impl Serialize for Announcement {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Announcement", 3 + usize::from(self.peer.is_some()))?;
        fields.serialize_field("edge", &self.edge)?;
        fields.serialize_field("edge_url", &self.edge_url())?;
        fields.serialize_field("admin", &self.admin)?;
        if let Some(peer) = &self.peer {
            fields.serialize_field("peer", peer)?;
        }
        fields.end()
    }
}

impl Announcement {
    /// Where calls are to be sent, without a path.
    pub fn edge_url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.edge)
    }

    /// Writes it to a file as JSON, in one step: whoever sees the file sees all of it.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let unfinished = path.with_extension(format!("{}.tmp", std::process::id()));
        std::fs::write(&unfinished, serde_json::to_vec(self)?)?;
        std::fs::rename(&unfinished, path)
    }
}
