//! The folder of a node's credentials.
//!
//! `cluster.dir` is either the folder that `hostel cluster join` made, which holds the node's own certificate, or that of
//! `hostel cluster init`, which holds the CA. Beside the CA a node needs no token: it issues itself a certificate, into the
//! data directory, at each start and whenever that comes closer to its end.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::Error;
use crate::cluster::Settings;
use crate::peer::pki::{self, Issuing, PkiError};
use crate::peer::{Credentials, NodeName};

/// How long a certificate is good for that a node issues itself.
const VALID: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long before its end it is renewed.
const RENEWED_BEFORE: Duration = Duration::from_secs(10 * 24 * 3600);

pub(super) struct Folder {
    own: PathBuf,
    /// Where the CA is, and the name to issue for, if this node issues its own.
    issuer: Option<(PathBuf, NodeName)>,
}

impl Folder {
    /// Finds out which of the two it is, and issues a certificate where that can be done.
    pub(super) fn prepare(settings: &Settings, data_dir: &Path) -> Result<Self, Error> {
        let dir = &settings.dir;
        if !dir.is_dir() {
            let message = format!(
                "there is no folder {}: make a cluster with `hostel cluster init`, or join one with `hostel cluster join`",
                dir.display()
            );
            return Err(Error::Config(message));
        }
        let joined = dir.join("node.pem").exists();
        if !joined && dir.join("ca.key").exists() {
            let name = NodeName::new(&settings.node).map_err(|error| {
                Error::Config(format!("name this node with --node NAME, or `node` in [cluster]: {error}"))
            })?;
            let own = data_dir.join("cluster").join(name.as_str());
            let folder = Self { own, issuer: Some((dir.clone(), name)) };
            folder.issue()?;
            return Ok(folder);
        }
        let folder = Self { own: dir.clone(), issuer: None };
        let is = Credentials::load(dir)?.identity().node;
        if !settings.node.is_empty() && settings.node != is.as_str() {
            let message = format!(
                "the certificate in {} is that of `{is}`, and --node says `{}`; leave --node out, or join with a token for it",
                dir.display(),
                settings.node
            );
            return Err(Error::Config(message));
        }
        Ok(folder)
    }

    /// The folder with the node's certificate.
    pub(super) fn path(&self) -> &Path {
        &self.own
    }

    /// Seeds that came with a token. It need not be there.
    pub(super) fn seeds_file(&self) -> PathBuf {
        let file = self.own.join("seeds");
        if file.exists() { file } else { PathBuf::new() }
    }

    /// The files that are worth reading again when they change.
    pub(super) fn watched(&self) -> Vec<PathBuf> {
        let dir = self.issuer.as_ref().map_or(&self.own, |(dir, _)| dir);
        ["node.pem", "ca.pem", "ca.key", "gossip.keys"].iter().map(|name| dir.join(name)).collect()
    }

    /// Whether the certificate is one of this node's own that should be renewed.
    pub(super) fn is_due(&self, not_after: SystemTime) -> bool {
        self.issuer.is_some() && SystemTime::now() + RENEWED_BEFORE >= not_after
    }

    /// Issues a certificate, if that can be done here.
    pub(super) fn issue(&self) -> Result<(), PkiError> {
        let Some((ca, name)) = &self.issuer else { return Ok(()) };
        let token = pki::issue(ca, Issuing { node: name.clone(), valid: VALID, seeds: Vec::new() })?;
        pki::join(&self.own, &token)
    }
}
