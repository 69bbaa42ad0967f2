//! Packets that do not open, in the log: whoever has just started a node with the wrong key should not have to guess.

use std::net::SocketAddr;

use crate::cluster::seal::SealError;
use crate::observe::seldom::Seldom;

/// Tells of packets that were refused, each sender seldom: anybody can send as many as they like.
#[derive(Default)]
pub(super) struct Strangers(Seldom);

impl Strangers {
    pub(super) fn refused(&self, from: SocketAddr, error: SealError) {
        let Some(why) = why(error) else { return };
        if self.0.may_say(&format!("{from} {error}")) {
            tracing::warn!(address = %from, why, "gossip was refused, and is told of at most once a minute");
        }
    }
}

/// What is wrong and what to do. Nothing of packets that no node sends, and of those that were only late.
fn why(error: SealError) -> Option<&'static str> {
    match error {
        SealError::Key => Some(
            "it is sealed with a gossip key that this node has not: compare `hostel cluster keys list` on both, unless it is \
             another cluster's",
        ),
        SealError::Forged => Some("it is of a cluster with another name and the same gossip key, or damaged"),
        SealError::Clock => Some("its time is too far from the one here: set the clocks right"),
        _ => None,
    }
}
