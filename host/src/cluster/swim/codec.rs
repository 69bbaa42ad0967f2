//! The bytes of foca's packets.
//!
//! ```text
//! header: 1 kind, sender (full), 2 incarnation, receiver (short), what the kind needs
//! member: 1 state, full identity, varint incarnation; if suspect: 16 who suspects it
//! full identity:  varint epoch, node
//! short identity: varint epoch, 16 node's id, gossip address
//! ```
//!
//! Where foca only compares an identity or sends to it, the short form is enough: names would make up half a packet.

use std::sync::Arc;

use bytes::{Buf, BufMut};
use foca::{Header, Member, Message, State};

use super::{Identity, Shared, State as Known};
use crate::cluster::node::{Node, NodeId};
use crate::cluster::wire::{Reader, WireError, put_address, put_id, put_node, put_varint};

/// Encodes and decodes, and keeps account of who suspects whom, which foca does not know.
#[derive(Debug)]
pub(in crate::cluster) struct Codec {
    shared: Shared,
    scratch: Vec<u8>,
}

impl Codec {
    pub(in crate::cluster) fn new(shared: Shared) -> Self {
        Self { shared, scratch: Vec::with_capacity(256) }
    }

    /// All or nothing, as foca wants it.
    fn flush(&mut self, mut buf: impl BufMut) -> Result<(), WireError> {
        if buf.remaining_mut() < self.scratch.len() {
            return Err(WireError::Large);
        }
        buf.put_slice(&self.scratch);
        Ok(())
    }
}

impl foca::Codec<Identity> for Codec {
    type Error = WireError;

    fn encode_header(&mut self, header: &Header<Identity>, buf: impl BufMut) -> Result<(), WireError> {
        let to = &mut self.scratch;
        to.clear();
        let (kind, number, other) = parts(&header.message);
        to.push(kind);
        put_full(to, &header.src);
        to.extend_from_slice(&header.src_incarnation.to_be_bytes());
        put_short(to, &header.dst);
        to.extend(number);
        if let Some(other) = other {
            put_short(to, other);
        }
        self.flush(buf)
    }

    fn decode_header(&mut self, mut buf: impl Buf) -> Result<Header<Identity>, WireError> {
        let mut reader = Reader::new(buf.chunk());
        let mut state = self.shared.lock();
        let kind = reader.u8()?;
        let src = full(&mut reader, &mut state)?;
        let src_incarnation = reader.u16()?;
        let mut dst = short(&mut reader)?;
        if dst.is_anybody() && kind == ANNOUNCE {
            // The sender knows but an address of ours, and perhaps not the one that we go by.
            dst = state.me.clone();
        }
        if dst.id() == state.me.id() && dst.epoch() < state.me.epoch() && kind != TURN_UNDEAD {
            // The sender has not heard that we renewed our identity. It does as soon as we answer; if we did not, it
            // would hold us for dead.
            dst = state.me.clone();
        }
        let message = message(kind, &mut reader)?;
        if src.id() != state.sender {
            // The seal says who sent it.
            return Err(WireError::Kind);
        }
        if !state.admits(&src) {
            return Err(WireError::Room);
        }
        state.source = src.clone();
        let rest = reader.remaining();
        buf.advance(buf.remaining() - rest);
        Ok(Header { src, src_incarnation, dst, message })
    }

    fn encode_member(&mut self, member: &Member<Identity>, buf: impl BufMut) -> Result<(), WireError> {
        let to = &mut self.scratch;
        to.clear();
        to.push(match member.state() {
            State::Alive => 0,
            State::Suspect => 1,
            State::Down => 2,
        });
        put_full(to, member.id());
        put_varint(to, u64::from(member.incarnation()));
        if member.state() == State::Suspect {
            let mut state = self.shared.lock();
            let me = state.me.id();
            let bound = state.members_max;
            // Who has not heard of it from others is the one who suspects.
            let by = match state.suspicions.get(&member.id().id()) {
                Some(by) => *by,
                None => {
                    if state.suspicions.len() < bound {
                        state.suspicions.insert(member.id().id(), me);
                    }
                    me
                }
            };
            put_id(to, by);
        }
        self.flush(buf)
    }

    fn decode_member(&mut self, mut buf: impl Buf) -> Result<Member<Identity>, WireError> {
        let mut reader = Reader::new(buf.chunk());
        let mut state = self.shared.lock();
        let kind = reader.u8()?;
        let id = full(&mut reader, &mut state)?;
        let incarnation = u16::try_from(reader.varint()?).map_err(|_| WireError::Number)?;
        let (member_state, by) = match kind {
            0 => (State::Alive, None),
            1 => (State::Suspect, Some(reader.id()?)),
            2 => (State::Down, None),
            _ => return Err(WireError::Kind),
        };
        let rest = reader.remaining();
        buf.advance(buf.remaining() - rest);
        if !state.admits(&id) {
            // An error would make the rest of the packet void. That its sender lives is known already.
            return Ok(Member::alive(state.source.clone()));
        }
        match by {
            Some(by) => note_suspicion(&mut state, &id, by),
            None if member_state == State::Alive => drop(state.suspicions.remove(&id.id())),
            None => {}
        }
        Ok(Member::new(id, incarnation, member_state))
    }
}

fn note_suspicion(state: &mut Known, id: &Identity, by: NodeId) {
    if *id == state.me {
        state.accuser = Some(by);
    } else if state.suspicions.len() < state.members_max {
        state.suspicions.entry(id.id()).or_insert(by);
    }
}

pub(in crate::cluster) fn put_full(to: &mut Vec<u8>, id: &Identity) {
    put_varint(to, id.epoch());
    put_node(to, id.node());
}

fn put_short(to: &mut Vec<u8>, id: &Identity) {
    put_varint(to, id.epoch());
    put_id(to, id.id());
    put_address(to, id.address());
}

pub(in crate::cluster) fn full(reader: &mut Reader<'_>, state: &mut Known) -> Result<Identity, WireError> {
    let epoch = reader.varint()?;
    let node = reader.node()?;
    if node.id().as_u128() == 0 {
        return Err(WireError::Kind);
    }
    Ok(Identity::new(intern(node, state), epoch))
}

fn intern(node: Node, state: &mut Known) -> Arc<Node> {
    if let Some(known) = state.nodes.get(&node.id())
        && **known == node
    {
        return Arc::clone(known);
    }
    let (id, node) = (node.id(), Arc::new(node));
    if state.nodes.len() >= 2 * state.members_max {
        state.nodes.clear();
    }
    state.nodes.insert(id, Arc::clone(&node));
    node
}

fn short(reader: &mut Reader<'_>) -> Result<Identity, WireError> {
    let epoch = reader.varint()?;
    let id = reader.id()?;
    let address = reader.address()?;
    Ok(Identity::new(Arc::new(Node::nameless(id, address)), epoch))
}

const PING: u8 = 0;
const ACK: u8 = 1;
const PING_REQUEST: u8 = 2;
const INDIRECT_PING: u8 = 3;
const INDIRECT_ACK: u8 = 4;
const FORWARDED_ACK: u8 = 5;
const ANNOUNCE: u8 = 6;
const FEED: u8 = 7;
const GOSSIP: u8 = 8;
const BROADCAST: u8 = 9;
const TURN_UNDEAD: u8 = 10;

fn parts(message: &Message<Identity>) -> (u8, Option<u8>, Option<&Identity>) {
    match message {
        Message::Ping(number) => (PING, Some(*number), None),
        Message::Ack(number) => (ACK, Some(*number), None),
        Message::PingReq { target, probe_number } => (PING_REQUEST, Some(*probe_number), Some(target)),
        Message::IndirectPing { origin, probe_number } => (INDIRECT_PING, Some(*probe_number), Some(origin)),
        Message::IndirectAck { target, probe_number } => (INDIRECT_ACK, Some(*probe_number), Some(target)),
        Message::ForwardedAck { origin, probe_number } => (FORWARDED_ACK, Some(*probe_number), Some(origin)),
        Message::Announce => (ANNOUNCE, None, None),
        Message::Feed => (FEED, None, None),
        Message::Gossip => (GOSSIP, None, None),
        Message::Broadcast => (BROADCAST, None, None),
        Message::TurnUndead => (TURN_UNDEAD, None, None),
    }
}

fn message(kind: u8, reader: &mut Reader<'_>) -> Result<Message<Identity>, WireError> {
    Ok(match kind {
        PING => Message::Ping(reader.u8()?),
        ACK => Message::Ack(reader.u8()?),
        PING_REQUEST..=FORWARDED_ACK => {
            let probe_number = reader.u8()?;
            let other = short(reader)?;
            match kind {
                PING_REQUEST => Message::PingReq { target: other, probe_number },
                INDIRECT_PING => Message::IndirectPing { origin: other, probe_number },
                INDIRECT_ACK => Message::IndirectAck { target: other, probe_number },
                _ => Message::ForwardedAck { origin: other, probe_number },
            }
        }
        ANNOUNCE => Message::Announce,
        FEED => Message::Feed,
        GOSSIP => Message::Gossip,
        BROADCAST => Message::Broadcast,
        TURN_UNDEAD => Message::TurnUndead,
        _ => return Err(WireError::Kind),
    })
}
