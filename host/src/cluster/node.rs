//! Who a node is.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Longest name of a node, in bytes.
pub const NODE_NAME_BYTES_MAX: usize = 64;
/// Longest name of a zone, in bytes. The empty zone means "not said".
pub const ZONE_BYTES_MAX: usize = 32;

/// One run of one node: 128 random bits made at each start of the process.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(u128);

impl NodeId {
    /// A new one, from the system's randomness.
    ///
    /// # Errors
    /// [`NodeError::Randomness`] when the system has none.
    pub fn random() -> Result<Self, NodeError> {
        let mut bytes = [0; 16];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| NodeError::Randomness)?;
        Ok(Self(u128::from_be_bytes(bytes)))
    }

    #[must_use]
    pub const fn from_u128(value: u128) -> Self {
        Self(value)
    }

    #[must_use]
    pub const fn as_u128(self) -> u128 {
        self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Why something cannot identify a node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    #[error("a {what} has from {least} to {most} characters, this one has {length}")]
    Length { what: &'static str, least: usize, most: usize, length: usize },
    #[error("a {what} consists of letters, digits, `.`, `_` and `-`")]
    Character { what: &'static str },
    #[error("the {what} address must be one that others can send to, and is {address}")]
    Address { what: &'static str, address: SocketAddr },
    #[error("the system gave no random bytes")]
    Randomness,
}

/// A node as others see it. It never changes while the process lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    id: NodeId,
    name: Box<str>,
    gossip: SocketAddr,
    peer: SocketAddr,
    zone: Box<str>,
}

impl Node {
    /// `gossip` and `peer` are the addresses that others send to: no wildcard, no port 0.
    ///
    /// # Errors
    /// [`NodeError`] names the part that is wrong.
    pub fn new(id: NodeId, name: &str, gossip: SocketAddr, peer: SocketAddr, zone: &str) -> Result<Self, NodeError> {
        check_name(name)?;
        check_zone(zone)?;
        check_address("gossip", gossip)?;
        check_address("peer", peer)?;
        Ok(Self { id, name: name.into(), gossip: plain(gossip), peer: plain(peer), zone: zone.into() })
    }

    /// Somebody at `gossip` of whom nothing else is known or matters.
    pub(super) fn nameless(id: NodeId, gossip: SocketAddr) -> Self {
        Self { id, name: "".into(), gossip: plain(gossip), peer: gossip, zone: "".into() }
    }

    #[must_use]
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// What the operator calls it; not necessarily unique.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it takes gossip (UDP).
    #[must_use]
    pub fn gossip(&self) -> SocketAddr {
        self.gossip
    }

    /// Where it takes peer links (TCP).
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    #[must_use]
    pub fn zone(&self) -> &str {
        &self.zone
    }
}

/// Flow labels and scopes mean nothing on another machine, and would make equal addresses differ.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Whether a node may be called `name`.
pub(super) fn check_name(name: &str) -> Result<(), NodeError> {
    check_text("node name", name, 1, NODE_NAME_BYTES_MAX)
}

/// Whether `zone` can name a zone, or says that there is none.
pub(super) fn check_zone(zone: &str) -> Result<(), NodeError> {
    check_text("zone", zone, 0, ZONE_BYTES_MAX)
}

/// Whether others can send to `address`. `what` is the kind of address.
pub(super) fn check_address(what: &'static str, address: SocketAddr) -> Result<(), NodeError> {
    if address.ip().is_unspecified() || address.ip().is_multicast() || address.port() == 0 {
        return Err(NodeError::Address { what, address });
    }
    Ok(())
}

fn check_text(what: &'static str, text: &str, least: usize, most: usize) -> Result<(), NodeError> {
    if !(least..=most).contains(&text.len()) {
        return Err(NodeError::Length { what, least, most, length: text.len() });
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')) {
        return Err(NodeError::Character { what });
    }
    Ok(())
}

/// A node in the catalogue, and whether connections to it work as far as this process knows.
///
/// The flag is shared by all endpoints of the node in all snapshots, so that a failed connection is news for every
/// reader at once, whatever snapshot it holds.
#[derive(Debug)]
pub struct Presence {
    node: Arc<Node>,
    unreachable: AtomicBool,
    /// How often such a flag has changed, of all nodes in the catalogue.
    changes: Arc<AtomicU64>,
}

impl Presence {
    pub(super) fn new(node: Arc<Node>, changes: Arc<AtomicU64>) -> Self {
        Self { node, unreachable: AtomicBool::new(false), changes }
    }

    #[must_use]
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// False from a reported failure until the node is heard from again.
    #[must_use]
    pub fn is_reachable(&self) -> bool {
        !self.unreachable.load(Ordering::Relaxed)
    }

    pub(super) fn set_reachable(&self, reachable: bool) {
        if self.unreachable.swap(!reachable, Ordering::Relaxed) == reachable {
            // After the flag, and so that whoever sees the new number sees the flag too.
            self.changes.fetch_add(1, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_checked_when_it_is_made() {
        let id = NodeId::random().unwrap();
        let good: SocketAddr = "10.0.0.1:7946".parse().unwrap();
        let make = |name: &str, gossip: &str, zone: &str| Node::new(id, name, gossip.parse().unwrap(), good, zone);
        assert!(make("a.b_c-9", "127.0.0.1:1", "").is_ok());
        assert!(matches!(make("", "127.0.0.1:1", ""), Err(NodeError::Length { what: "node name", .. })));
        assert!(matches!(make(&"n".repeat(65), "127.0.0.1:1", ""), Err(NodeError::Length { length: 65, .. })));
        assert!(matches!(make("a\u{1b}", "127.0.0.1:1", ""), Err(NodeError::Character { .. })));
        assert!(matches!(make("a", "127.0.0.1:1", "z z"), Err(NodeError::Character { what: "zone" })));
        for address in ["0.0.0.0:1", "127.0.0.1:0", "[::]:1", "224.0.0.1:1"] {
            assert!(matches!(make("a", address, ""), Err(NodeError::Address { what: "gossip", .. })), "{address}");
        }
    }

    #[test]
    fn only_a_flag_that_becomes_another_is_counted() {
        let address: SocketAddr = "10.0.0.1:7946".parse().unwrap();
        let node = Arc::new(Node::new(NodeId::from_u128(1), "a", address, address, "").unwrap());
        let changes = Arc::<AtomicU64>::default();
        let presence = Presence::new(node, Arc::clone(&changes));
        for (reachable, count) in [(true, 0), (false, 1), (false, 1), (true, 2), (true, 2)] {
            presence.set_reachable(reachable);
            assert_eq!(presence.is_reachable(), reachable);
            assert_eq!(changes.load(Ordering::Relaxed), count);
        }
    }

    #[test]
    fn ids_differ_and_mapped_addresses_are_one() {
        assert_ne!(NodeId::random().unwrap(), NodeId::random().unwrap());
        let mapped: SocketAddr = "[::ffff:10.0.0.1]:5".parse().unwrap();
        let node = Node::new(NodeId::from_u128(1), "a", mapped, mapped, "").unwrap();
        assert_eq!(node.gossip(), "10.0.0.1:5".parse().unwrap());
        assert_eq!(NodeId::from_u128(255).to_string(), format!("{:0>32}", "ff"));
    }
}
