//! One node's record, as far as it is known here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Endpoint;
use super::delta::{Change, Delta};
use crate::call::ServiceName;
use crate::cluster::node::NodeId;

/// The number of the empty record that every node begins with.
pub(super) const EMPTY: u64 = 1;

/// Ranges beyond a gap that are remembered until the gap is filled.
const AHEAD_LEN_MAX: usize = 16;

#[derive(Clone, Debug)]
pub(super) enum Held {
    Served(Arc<Endpoint>),
    Withdrawn { since: Duration },
}

pub(super) type Key = (ServiceName, Arc<str>);

#[derive(Debug, Default)]
pub(super) struct Record {
    /// All changes up to this number are in `entries`.
    pub(super) synced: u64,
    /// The highest number heard of.
    pub(super) heard: u64,
    /// Tombstones up to this number may be gone.
    pub(super) purged: u64,
    /// What is known beyond `synced`, as (from, to).
    pub(super) ahead: Vec<(u64, u64)>,
    pub(super) entries: BTreeMap<Key, (u64, Held)>,
    pub(super) served: usize,
    pub(super) bytes: usize,
    /// Since when the node is no member, if it is none.
    pub(super) hidden: Option<Duration>,
}

/// Roughly what an entry takes on the wire.
pub(super) fn entry_bytes(key: &Key) -> usize {
    key.0.as_str().len() + key.1.len() + 16
}

impl Record {
    /// From where on changes follow without a gap: whoever knows nothing knows the empty record.
    pub(super) fn reached(&self) -> u64 {
        self.synced.max(EMPTY)
    }

    /// Numbers from `from` to `to` have been applied completely.
    pub(super) fn advance(&mut self, from: u64, to: u64) {
        if from > self.reached() {
            if to > from && self.ahead.len() < AHEAD_LEN_MAX && !self.ahead.contains(&(from, to)) {
                self.ahead.push((from, to));
            }
            return;
        }
        self.synced = self.synced.max(to);
        while let Some(at) = self.ahead.iter().position(|(from, _)| *from <= self.synced) {
            let (_, to) = self.ahead.swap_remove(at);
            self.synced = self.synced.max(to);
        }
    }

    /// Whether something is known to be missing.
    pub(super) fn lacks(&self) -> bool {
        self.heard > self.synced || self.synced == 0
    }

    /// What changed after `from`; everything when tombstones of that time are gone.
    pub(super) fn since(&self, node: NodeId, from: u64) -> Delta {
        let full = from < self.purged;
        let from = if full { 0 } else { from };
        let mut changes: Vec<_> = self
            .entries
            .iter()
            .filter(|(_, (number, _))| *number > from)
            .filter_map(|(key, (number, held))| match held {
                Held::Served(endpoint) => Some((*number, Change::Serve(endpoint.offer.clone()))),
                Held::Withdrawn { .. } if full => None,
                Held::Withdrawn { .. } => {
                    Some((*number, Change::Withdraw { service: key.0.clone(), version: Arc::clone(&key.1) }))
                }
            })
            .collect();
        changes.sort_by_key(|(number, _)| *number);
        Delta { node, from, to: self.synced, full, emptied: full && changes.is_empty(), changes }
    }

    /// Drops tombstones older than `age`.
    pub(super) fn purge(&mut self, now: Duration, age: Duration) {
        if self.entries.len() == self.served {
            return;
        }
        let mut purged = self.purged;
        self.entries.retain(|_, (number, held)| match held {
            Held::Withdrawn { since } if now.saturating_sub(*since) >= age => {
                purged = purged.max(*number);
                false
            }
            _ => true,
        });
        self.purged = purged;
    }
}
