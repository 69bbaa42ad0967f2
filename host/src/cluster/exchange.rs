//! Full state, exchanged in pairs.
//!
//! Gossip leaves stragglers, so each node now and then compares all it knows with some other node: over the peer link,
//! whose messages these are. The one who begins says which members it knows and how much of their records
//! (`Summary`). The other answers with what is missing there, and asks for what is missing here (`Answer`); the
//! first sends it (`Message::Push`). Summaries are 24 bytes a node, so two nodes that agree have little to say.
//!
//! A message has at most [`MESSAGE_BYTES_MAX`] bytes, and mostly far less, since making and reading it is the work of the
//! task that answers probes too. What does not fit is left out, and said to be (`more`); the one who began then begins
//! again at once.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;

use super::catalogue::delta::Delta;
use super::node::{Node, NodeId};
use super::swim::codec::{full, put_full};
use super::swim::{Identity, State};
use super::wire::{Reader, WireError, put_id, put_varint};

/// Largest message, in bytes: below the 4 MiB that gRPC permits by default.
pub const MESSAGE_BYTES_MAX: usize = 3 << 20;

const FORMAT: u8 = 1;
const SUMMARY: u8 = 1;
const ANSWER: u8 = 2;
const PUSH: u8 = 3;
const DONE: u8 = 4;

/// Carries exchange messages: the peer link, or a fake.
pub trait Exchange: Send + Sync + 'static {
    /// Sends `request` to `node`, whose [`Handle::answer`](super::Handle::answer) is to answer it, and returns the
    /// answer.
    ///
    /// # Errors
    /// [`ExchangeError`] when there is no answer. It need not have a time-out.
    fn exchange(&self, node: &Node, request: Bytes) -> BoxFuture<'static, Result<Bytes, ExchangeError>>;

    /// What can be found out, for people, about a seed that does not answer gossip. Nothing, if there is no way to.
    fn explain(&self, _seed: SocketAddr) -> BoxFuture<'static, Option<String>> {
        Box::pin(std::future::ready(None))
    }
}

/// Why an exchange did not take place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    #[error("the node cannot be reached: {0}")]
    Unreachable(String),
    #[error("the message makes no sense")]
    Malformed(#[from] WireError),
    #[error("this node is not running")]
    Stopped,
}

/// A member, and up to which number its record is known.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item {
    pub(super) id: NodeId,
    pub(super) epoch: u64,
    pub(super) synced: u64,
}

/// What one side of an exchange knows.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Summary {
    pub(super) sender: Identity,
    /// The sender holds the receiver for down, in the epoch given.
    pub(super) down: Option<u64>,
    /// Only the nodes listed are asked about.
    pub(super) only: bool,
    pub(super) items: Vec<Item>,
}

/// Members and records.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Batch {
    pub(super) members: Vec<(Identity, u16)>,
    pub(super) records: Vec<Delta>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) sender: Identity,
    pub(super) down: Option<u64>,
    pub(super) batch: Batch,
    /// Nodes that the receiver has for members and the sender holds for down, and the epochs.
    pub(super) downs: Vec<Item>,
    /// Nodes of which the receiver knows more, and up to which number the sender knows theirs.
    pub(super) wants: Vec<Item>,
    pub(super) more: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Message {
    Summary(Summary),
    Answer(Answer),
    Push { sender: Identity, batch: Batch },
    Done,
}

impl Message {
    pub(super) fn encode(&self) -> Bytes {
        let mut to = vec![FORMAT];
        match self {
            Self::Summary(summary) => {
                to.push(SUMMARY);
                put_full(&mut to, &summary.sender);
                put_option(&mut to, summary.down);
                to.push(u8::from(summary.only));
                put_items(&mut to, &summary.items);
            }
            Self::Answer(answer) => {
                to.push(ANSWER);
                put_full(&mut to, &answer.sender);
                put_option(&mut to, answer.down);
                put_batch(&mut to, &answer.batch);
                put_items(&mut to, &answer.downs);
                put_items(&mut to, &answer.wants);
                to.push(u8::from(answer.more));
            }
            Self::Push { sender, batch } => {
                to.push(PUSH);
                put_full(&mut to, sender);
                put_batch(&mut to, batch);
            }
            Self::Done => to.push(DONE),
        }
        to.into()
    }

    /// `state` shares descriptions of nodes that are known already.
    pub(super) fn decode(bytes: &[u8], state: &mut State) -> Result<Self, WireError> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(WireError::Large);
        }
        let mut reader = Reader::new(bytes);
        if reader.u8()? != FORMAT {
            return Err(WireError::Kind);
        }
        let message = match reader.u8()? {
            SUMMARY => Self::Summary(Summary {
                sender: full(&mut reader, state)?,
                down: option(&mut reader)?,
                only: reader.u8()? == 1,
                items: items(&mut reader)?,
            }),
            ANSWER => Self::Answer(Answer {
                sender: full(&mut reader, state)?,
                down: option(&mut reader)?,
                batch: batch(&mut reader, state)?,
                downs: items(&mut reader)?,
                wants: items(&mut reader)?,
                more: reader.u8()? == 1,
            }),
            PUSH => Self::Push { sender: full(&mut reader, state)?, batch: batch(&mut reader, state)? },
            DONE => Self::Done,
            _ => return Err(WireError::Kind),
        };
        reader.end()?;
        Ok(message)
    }
}

fn put_option(to: &mut Vec<u8>, value: Option<u64>) {
    put_varint(to, value.map_or(0, |value| value.saturating_add(1)));
}

fn option(reader: &mut Reader<'_>) -> Result<Option<u64>, WireError> {
    Ok(reader.varint()?.checked_sub(1))
}

fn put_items(to: &mut Vec<u8>, items: &[Item]) {
    put_varint(to, items.len() as u64);
    for item in items {
        put_id(to, item.id);
        put_varint(to, item.epoch);
        put_varint(to, item.synced);
    }
}

fn items(reader: &mut Reader<'_>) -> Result<Vec<Item>, WireError> {
    let count = reader.count(18)?;
    let item =
        |reader: &mut Reader<'_>| Ok(Item { id: reader.id()?, epoch: reader.varint()?, synced: reader.varint()? });
    (0..count).map(|_| item(reader)).collect()
}

fn put_batch(to: &mut Vec<u8>, batch: &Batch) {
    put_varint(to, batch.members.len() as u64);
    for (id, incarnation) in &batch.members {
        put_full(to, id);
        to.extend_from_slice(&incarnation.to_be_bytes());
    }
    put_varint(to, batch.records.len() as u64);
    for record in &batch.records {
        record.put(to);
    }
}

fn batch(reader: &mut Reader<'_>, state: &mut State) -> Result<Batch, WireError> {
    let count = reader.count(30)?;
    let mut members = Vec::with_capacity(count);
    for _ in 0..count {
        members.push((full(reader, state)?, reader.u16()?));
    }
    let count = reader.count(20)?;
    let records = (0..count).map(|_| Delta::read(reader)).collect::<Result<Vec<_>, _>>()?;
    Ok(Batch { members, records })
}

/// Whom to ask, and what.
#[derive(Clone, Debug)]
pub struct Request {
    pub with: Arc<Node>,
    pub bytes: Bytes,
}
