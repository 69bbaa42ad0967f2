//! What happens to the membership, in the log.

use tokio::sync::broadcast::error::RecvError;

use crate::cluster::{Handle, Notice};

/// Logs who comes and goes, until the node runs no more.
pub(super) async fn log(handle: Handle) {
    let mut notices = handle.notices();
    // It would keep the node running.
    drop(handle);
    loop {
        match notices.recv().await {
            Ok(Notice::MemberUp(node)) => {
                tracing::info!(node = node.name(), id = %node.id(), address = %node.peer(), "a node is there");
            }
            Ok(Notice::MemberDown(node)) => {
                tracing::warn!(node = node.name(), id = %node.id(), address = %node.peer(), "a node is gone: it left, or does not answer");
            }
            Ok(Notice::Rejoined) => {
                tracing::warn!("others held this node for dead, and it made itself known anew");
            }
            Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "more nodes came and went than could be logged"),
            Err(RecvError::Closed) => return,
        }
    }
}
