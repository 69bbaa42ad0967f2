//! Certificates and keys that change while the host runs.
//!
//! The folder is looked at every few seconds: it is small, and may lie on a network's file system, which tells of no
//! changes. What cannot be used is told once and leaves what there was.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;

use super::folder::Folder;
use super::{Error, keyring};
use crate::cluster::Handle;
use crate::peer::{Credentials, pki};

const INTERVAL: Duration = Duration::from_secs(2);
/// How often a renewal that fails is tried again.
const RETRY: Duration = Duration::from_secs(600);

/// What tells a file from what it was: when it was changed, and its size.
type Seen = Vec<Option<(SystemTime, u64)>>;

pub(super) async fn watch(folder: Folder, credentials: Arc<Credentials>, handle: Handle, stop: CancellationToken) {
    let folder = Arc::new(folder);
    let mut seen = look(folder.watched()).await;
    let mut not_before = SystemTime::UNIX_EPOCH;
    let mut told = String::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
        let now = look(folder.watched()).await;
        let changed = now != seen;
        let due = folder.is_due(credentials.not_after()) && SystemTime::now() >= not_before;
        // What could not be used may be now, without another look or time: its mode was wrong, for one.
        if !changed && !due && told.is_empty() {
            continue;
        }
        match renew(folder.clone(), credentials.clone(), &handle).await {
            Ok(()) => {
                seen = now;
                told.clear();
                tracing::info!("the cluster's certificate and keys were read again");
            }
            // A change is looked at again until it can be used: perhaps not all of the files have been copied yet.
            Err(error) => {
                not_before = SystemTime::now() + RETRY;
                let error = error.to_string();
                if error != told {
                    tracing::error!(
                        error,
                        "the cluster's certificate and keys have changed and cannot be used; those there were go on being used"
                    );
                }
                told = error;
            }
        }
    }
}

async fn renew(folder: Arc<Folder>, credentials: Arc<Credentials>, handle: &Handle) -> Result<(), Error> {
    let reading = tokio::task::spawn_blocking(move || {
        folder.issue()?;
        let keys = keyring(&pki::gossip_keys(folder.path())?)?;
        credentials.reload()?;
        Ok::<_, Error>(keys)
    });
    let keys = reading.await.map_err(|error| Error::Config(format!("cannot be read: {error}")))??;
    // A node that has left needs no keys.
    let _ = handle.set_keys(keys).await;
    Ok(())
}

async fn look(files: Vec<PathBuf>) -> Seen {
    let looking = tokio::task::spawn_blocking(move || {
        let seen = |file: &PathBuf| {
            let about = std::fs::metadata(file).ok()?;
            Some((about.modified().ok()?, about.len()))
        };
        files.iter().map(seen).collect()
    });
    looking.await.unwrap_or_default()
}
