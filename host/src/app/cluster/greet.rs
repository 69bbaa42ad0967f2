//! A link to each node that comes, before anybody calls it: gossip and links have different credentials, so a node may be a
//! member that nobody can call. Whoever looks at the cluster should see that, and the first call should not have to find out.

use std::time::Duration;

use rand::Rng;
use tokio::sync::broadcast::error::RecvError;

use crate::cluster::{Handle, Notice};
use crate::peer::Client;
use crate::router::link_to;

/// In larger clusters links are made when there is reason to: all to all would be many.
const MEMBERS_MAX: usize = 32;
/// Within which time, drawn at random: not all nodes should connect to one that has come at the same moment.
const WITHIN: Duration = Duration::from_secs(1);

/// Makes links until the node runs no more.
pub(super) fn greet(handle: &Handle, client: Client) -> impl Future<Output = ()> + Send + use<> {
    // The handle itself would keep the node running.
    let mut notices = handle.notices();
    let mut members: usize = 0;
    async move {
        loop {
            match notices.recv().await {
                Ok(Notice::MemberUp(node)) => {
                    members += 1;
                    let Some(peer) = link_to(&node).filter(|_| members <= MEMBERS_MAX) else { continue };
                    let client = client.clone();
                    let wait = WITHIN.mul_f64(rand::rng().random_range(0.0..1.0));
                    tokio::spawn(async move {
                        tokio::time::sleep(wait).await;
                        // What fails is told of by whoever observes the links.
                        let _ = client.reach(&peer).await;
                    });
                }
                Ok(Notice::MemberDown(_)) => members = members.saturating_sub(1),
                Ok(Notice::Rejoined) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    }
}
