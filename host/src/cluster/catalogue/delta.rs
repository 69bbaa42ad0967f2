//! What is said about a node's record: changes since some number, or everything.
//!
//! ```text
//! delta:  16 node, 1 flags, varint from, varint to, varint count, changes
//! change: 1 kind, varint number, text service, text version; if served: 8 digest, 2 weight
//! text:   1 length, bytes
//! ```

use std::sync::Arc;

use super::{Service, ServiceState};
use crate::call::ServiceName;
use crate::cluster::node::NodeId;
use crate::cluster::wire::{Reader, WireError, put_id, put_text, put_varint};

const FLAG_FULL: u8 = 1;
const FLAG_EMPTIED: u8 = 2;
const KIND_WITHDRAWN: u8 = 0;
const KIND_READY: u8 = 1;
const KIND_DRAINING: u8 = 2;
/// The smallest change: kind, number, and a service and a version of one character.
const CHANGE_BYTES_MIN: usize = 6;
/// No record has this many changes; an owner can always give higher numbers than somebody made up.
const NUMBER_MAX: u64 = 1 << 52;

/// The latest that was said about one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Serve(Service),
    Withdraw { service: ServiceName, version: Arc<str> },
}

/// The changes of `node`'s record whose numbers are above `from`, up to `to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    pub node: NodeId,
    /// Whoever knows the record up to here knows it up to `to` after this. With `from == to` and no changes it is but
    /// the news that there is something to fetch.
    pub from: u64,
    pub to: u64,
    /// Entries that are not mentioned do not exist.
    pub full: bool,
    /// That nothing is mentioned is meant.
    pub emptied: bool,
    pub changes: Vec<(u64, Change)>,
}

impl Delta {
    pub(in crate::cluster) fn put(&self, to: &mut Vec<u8>) {
        put_id(to, self.node);
        to.push(if self.full { FLAG_FULL } else { 0 } | if self.emptied { FLAG_EMPTIED } else { 0 });
        put_varint(to, self.from);
        put_varint(to, self.to);
        put_varint(to, self.changes.len() as u64);
        for (number, change) in &self.changes {
            put_change(to, *number, change);
        }
    }

    pub(in crate::cluster) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let node = reader.id()?;
        let flags = reader.u8()?;
        if flags & !(FLAG_FULL | FLAG_EMPTIED) != 0 {
            return Err(WireError::Kind);
        }
        let (from, to) = (reader.varint()?, reader.varint()?);
        if from > to || to > NUMBER_MAX {
            return Err(WireError::Number);
        }
        let count = reader.count(CHANGE_BYTES_MIN)?;
        let changes = (0..count).map(|_| read_change(reader)).collect::<Result<Vec<_>, _>>()?;
        if changes.iter().any(|(number, _)| *number <= from || *number > to) {
            return Err(WireError::Number);
        }
        Ok(Self { node, from, to, full: flags & FLAG_FULL != 0, emptied: flags & FLAG_EMPTIED != 0, changes })
    }

    /// A message that consists of this.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.put(&mut bytes);
        bytes
    }

    /// # Errors
    /// [`WireError`] when `bytes` are anything but one delta.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let delta = Self::read(&mut reader)?;
        reader.end()?;
        Ok(delta)
    }

    /// This as several, each of at most `bytes_max`; each stands for itself and may get lost.
    pub(in crate::cluster) fn fragments(&self, bytes_max: usize) -> Vec<Self> {
        // Id, flags, three numbers.
        const HEAD_BYTES: usize = 16 + 1 + 30;
        let mut fragments = Vec::new();
        let mut current = Self { changes: Vec::new(), ..self.clone() };
        let (mut bytes, mut scratch) = (HEAD_BYTES, Vec::new());
        for (number, change) in &self.changes {
            scratch.clear();
            put_change(&mut scratch, *number, change);
            if bytes + scratch.len() > bytes_max && !current.changes.is_empty() {
                let boundary = current.changes.last().map_or(current.from, |(last, _)| *last);
                let next = Self { from: boundary, changes: Vec::new(), ..current.clone() };
                current.to = boundary;
                fragments.push(std::mem::replace(&mut current, next));
                bytes = HEAD_BYTES;
            }
            bytes += scratch.len();
            current.changes.push((*number, change.clone()));
        }
        fragments.push(current);
        fragments
    }
}

fn put_change(to: &mut Vec<u8>, number: u64, change: &Change) {
    let (kind, service, version) = match change {
        Change::Withdraw { service, version } => (KIND_WITHDRAWN, service, version),
        Change::Serve(offer) => match offer.state {
            ServiceState::Ready => (KIND_READY, &offer.service, &offer.version),
            ServiceState::Draining => (KIND_DRAINING, &offer.service, &offer.version),
        },
    };
    to.push(kind);
    put_varint(to, number);
    put_text(to, service.as_str());
    put_text(to, version);
    if let Change::Serve(offer) = change {
        to.extend_from_slice(&offer.digest);
        to.extend_from_slice(&offer.weight.to_be_bytes());
    }
}

fn read_change(reader: &mut Reader<'_>) -> Result<(u64, Change), WireError> {
    let kind = reader.u8()?;
    let number = reader.varint()?;
    let service = reader.service()?;
    let version = Arc::from(reader.version()?);
    let state = match kind {
        KIND_WITHDRAWN => return Ok((number, Change::Withdraw { service, version })),
        KIND_READY => ServiceState::Ready,
        KIND_DRAINING => ServiceState::Draining,
        _ => return Err(WireError::Kind),
    };
    let digest = reader.digest()?;
    Ok((number, Change::Serve(Service { service, version, digest, weight: reader.u16()?, state })))
}
