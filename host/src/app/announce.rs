//! Tells where the host listens: to people on standard output, to programs in a file.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use serde::Serialize;

/// Where a host listens.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Announcement {
    /// Calls.
    pub edge: SocketAddr,
    /// Operators.
    pub admin: SocketAddr,
    /// Other nodes of the cluster, if it is a node of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<SocketAddr>,
}

impl Announcement {
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
