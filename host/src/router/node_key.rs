//! What endpoints are told apart by.

use std::hash::{Hash, Hasher};

use crate::cluster::{Node, NodeId};
use crate::policy::balance::hash_key::stable;

/// A node as an endpoint. Two starts of a node are two endpoints, but they hash alike, by the node's name: what calls are
/// bound to by a hash finds its way back to a node that was restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeKey {
    /// The start of the node.
    pub id: NodeId,
    name: u64,
}

impl NodeKey {
    pub(super) fn new(id: NodeId, name: &str) -> Self {
        Self { id, name: stable(name) }
    }

    pub(super) fn of(node: &Node) -> Self {
        Self::new(node.id(), node.name())
    }
}

impl Hash for NodeKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::balance::ring::Ring;

    #[test]
    fn a_restart_moves_no_keys() {
        let key = |id, name| NodeKey::new(NodeId::from_u128(id), name);
        let before = [key(1, "a"), key(2, "b"), key(3, "c")];
        let after = [key(1, "a"), key(9, "b"), key(3, "c")];
        assert_ne!(before, after);
        let owner = |keys: &[NodeKey], hash| Ring::new(keys).from(hash).next();
        for n in 0..1_000_u64 {
            let hash = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            assert_eq!(owner(&before, hash), owner(&after, hash));
        }
    }
}
