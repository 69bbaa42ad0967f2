//! Changes of the catalogue that travel on SWIM's packets.

use foca::{BroadcastHandler, Invalidates};

use super::{Identity, Shared};
use crate::cluster::catalogue::delta::Delta;
use crate::cluster::catalogue::table::Applied;
use crate::cluster::node::NodeId;
use crate::cluster::wire::WireError;

/// Most pieces of news a node passes on at a time. foca looks at all of them for each packet it sends.
pub(in crate::cluster) const BACKLOG_MAX: usize = 256;

/// Which piece of news something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cluster) struct Key {
    node: NodeId,
    from: u64,
    to: u64,
}

impl Invalidates for Key {
    fn invalidates(&self, other: &Self) -> bool {
        // A mere hint (`from == to`) replaces older hints, changes replace what they include.
        let hints = self.from == self.to && other.from == other.to;
        self.node == other.node && self.to >= other.to && (hints || self.from <= other.from)
    }
}

/// Applies what comes in, and says whether to pass it on.
#[derive(Debug)]
pub(in crate::cluster) struct Handler(pub(in crate::cluster) Shared);

impl BroadcastHandler<Identity> for Handler {
    type Key = Key;
    type Error = WireError;

    fn receive_item(&mut self, data: &[u8], sender: Option<&Identity>) -> Result<Option<Key>, WireError> {
        let delta = Delta::decode(data)?;
        let key = Key { node: delta.node, from: delta.from, to: delta.to };
        let Some(sender) = sender else {
            // This node's own news, which its catalogue knows.
            return Ok(Some(key));
        };
        let mut state = self.0.lock();
        let now = state.now;
        if state.catalogue.apply(now, delta, sender.id()) != Applied::News || state.backlog >= BACKLOG_MAX {
            return Ok(None);
        }
        state.backlog += 1;
        Ok(Some(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_replaces_what_it_includes_and_nothing_else() {
        let key = |node, from, to| Key { node: NodeId::from_u128(node), from, to };
        assert!(key(1, 0, 9).invalidates(&key(1, 3, 5)));
        assert!(key(1, 3, 5).invalidates(&key(1, 3, 5)));
        assert!(!key(1, 5, 9).invalidates(&key(1, 0, 5)), "the first part is still needed");
        assert!(key(1, 9, 9).invalidates(&key(1, 5, 5)));
        assert!(!key(1, 9, 9).invalidates(&key(1, 3, 5)), "a hint is no replacement for changes");
        assert!(!key(2, 0, 9).invalidates(&key(1, 3, 5)));
    }
}
