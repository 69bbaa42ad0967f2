//! How values become bytes and back. Reading is total: whatever the bytes, it ends in a value or in an error.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::node::{Node, NodeId};
use crate::call::ServiceName;

/// Longest name of a version, in bytes.
pub(super) const VERSION_BYTES_MAX: usize = 64;

/// Why bytes are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    #[error("the message ends too early")]
    Short,
    #[error("the message has bytes after its end")]
    Trailing,
    #[error("a number is out of its range")]
    Number,
    #[error("a text is too long or has characters it may not have")]
    Text,
    #[error("an unknown kind of message or value")]
    Kind,
    #[error("an address nobody can send to")]
    Address,
    #[error("the message is too large")]
    Large,
    #[error("there is no room for another member, or somebody else goes by its id")]
    Room,
}

/// Reads values from the front of some bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// # Errors
    /// Unless everything has been read.
    pub(super) fn end(&self) -> Result<(), WireError> {
        if self.rest.is_empty() { Ok(()) } else { Err(WireError::Trailing) }
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], WireError> {
        let (head, rest) = self.rest.split_at_checked(count).ok_or(WireError::Short)?;
        self.rest = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(WireError::Short)?;
        self.rest = rest;
        Ok(*head)
    }

    pub(super) fn u8(&mut self) -> Result<u8, WireError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub(super) fn u16(&mut self) -> Result<u16, WireError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, WireError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, WireError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub(super) fn digest(&mut self) -> Result<[u8; 8], WireError> {
        self.array()
    }

    /// A number in base 128, lowest digits first (LEB128).
    pub(super) fn varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let digits = u64::from(byte & 0x7f);
            if shift == 63 && digits > 1 {
                return Err(WireError::Number);
            }
            value |= digits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(WireError::Number)
    }

    /// How many items follow, each of which takes at least `least` bytes: never more than there can be.
    pub(super) fn count(&mut self, least: usize) -> Result<usize, WireError> {
        let count = usize::try_from(self.varint()?).map_err(|_| WireError::Number)?;
        if count > self.remaining() / least.max(1) { Err(WireError::Short) } else { Ok(count) }
    }

    pub(super) fn text(&mut self, most: usize) -> Result<&'a str, WireError> {
        let length = usize::from(self.u8()?);
        if length > most {
            return Err(WireError::Text);
        }
        std::str::from_utf8(self.bytes(length)?).map_err(|_| WireError::Text)
    }

    pub(super) fn id(&mut self) -> Result<NodeId, WireError> {
        Ok(NodeId::from_u128(u128::from_be_bytes(self.array()?)))
    }

    pub(super) fn address(&mut self) -> Result<SocketAddr, WireError> {
        let ip = match self.u8()? {
            4 => IpAddr::from(Ipv4Addr::from(self.array::<4>()?)),
            6 => IpAddr::from(Ipv6Addr::from(self.array::<16>()?)),
            _ => return Err(WireError::Kind),
        };
        Ok(SocketAddr::new(ip, self.u16()?))
    }

    /// See [`put_node`].
    pub(super) fn node(&mut self) -> Result<Node, WireError> {
        let id = self.id()?;
        let gossip = self.address()?;
        let peer = match self.u8()? {
            0 => SocketAddr::new(gossip.ip(), self.u16()?),
            1 => self.address()?,
            _ => return Err(WireError::Kind),
        };
        let name = self.text(super::node::NODE_NAME_BYTES_MAX)?;
        let zone = self.text(super::node::ZONE_BYTES_MAX)?;
        Node::new(id, name, gossip, peer, zone).map_err(|error| match error {
            super::node::NodeError::Address { .. } => WireError::Address,
            _ => WireError::Text,
        })
    }

    pub(super) fn service(&mut self) -> Result<ServiceName, WireError> {
        ServiceName::new(self.text(63)?).map_err(|_| WireError::Text)
    }

    pub(super) fn version(&mut self) -> Result<&'a str, WireError> {
        let text = self.text(VERSION_BYTES_MAX)?;
        if version_is_valid(text) { Ok(text) } else { Err(WireError::Text) }
    }
}

pub(super) fn version_is_valid(text: &str) -> bool {
    (1..=VERSION_BYTES_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

pub(super) fn put_varint(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

/// Texts longer than 255 bytes are cut: no caller has one, the limits are checked where values are made.
pub(super) fn put_text(to: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let length = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
    to.push(length);
    to.extend(bytes.iter().take(usize::from(length)));
}

pub(super) fn put_id(to: &mut Vec<u8>, id: NodeId) {
    to.extend_from_slice(&id.as_u128().to_be_bytes());
}

pub(super) fn put_address(to: &mut Vec<u8>, address: SocketAddr) {
    match address.ip() {
        IpAddr::V4(ip) => {
            to.push(4);
            to.extend_from_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            to.push(6);
            to.extend_from_slice(&ip.octets());
        }
    }
    to.extend_from_slice(&address.port().to_be_bytes());
}

/// The address of the peer link is given by its port alone when its host is that of the gossip.
pub(super) fn put_node(to: &mut Vec<u8>, node: &Node) {
    put_id(to, node.id());
    put_address(to, node.gossip());
    if node.peer().ip() == node.gossip().ip() {
        to.push(0);
        to.extend_from_slice(&node.peer().port().to_be_bytes());
    } else {
        to.push(1);
        put_address(to, node.peer());
    }
    put_text(to, node.name());
    put_text(to, node.zone());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_come_back(value: u64) {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.varint(), Ok(value));
            prop_assert_eq!(reader.end(), Ok(()));
        }

        #[test]
        fn nodes_come_back(id: u128, ip: [u8; 4], six: [u8; 16], port in 1..u16::MAX, same: bool) {
            let v4 = SocketAddr::new(IpAddr::from(ip), port);
            let v6 = SocketAddr::new(IpAddr::from(six), port);
            let Ok(node) = Node::new(NodeId::from_u128(id), "n-1", v4, if same { v4 } else { v6 }, "eu") else {
                return Ok(());
            };
            let mut bytes = Vec::new();
            put_node(&mut bytes, &node);
            prop_assert_eq!(Reader::new(&bytes).node(), Ok(node));
            for end in 0..bytes.len() {
                prop_assert!(Reader::new(&bytes[..end]).node().is_err());
            }
        }

        #[test]
        fn garbage_is_an_error_or_a_value(bytes: Vec<u8>) {
            let _ = Reader::new(&bytes).node();
            let _ = Reader::new(&bytes).varint();
            let _ = Reader::new(&bytes).service();
            let _ = Reader::new(&bytes).version();
        }
    }

    #[test]
    fn a_number_of_more_than_64_bits_and_a_count_beyond_the_bytes_are_refused() {
        assert_eq!(Reader::new(&[0xff; 10]).varint(), Err(WireError::Number));
        assert_eq!(Reader::new(&[0xff, 0xff, 0x7f, 1, 2]).count(1), Err(WireError::Short));
    }
}
