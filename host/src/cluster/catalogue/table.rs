//! All records, who is a member, and the snapshot made of both.

mod publish;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::delta::{Change, Delta};
use super::record::{EMPTY, Held, Key, Record, entry_bytes};
use super::view::View;
use super::{Endpoint, Reader, Service};
use crate::cluster::node::{Node, NodeId, Presence};
use crate::cluster::settings::Settings;

pub use self::publish::PublishError;

/// A record may have this many times as many entries, with tombstones, as it may have served ones.
const TOMBSTONE_FACTOR: usize = 3;

/// What came of something that was said about a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is worth telling others.
    News,
    /// It was known, or made no sense.
    Stale,
    /// It is about somebody who is no member, as far as is known here.
    Stranger,
}

/// The catalogue of one node.
#[derive(Debug)]
pub struct Table {
    me: Arc<Presence>,
    services_max: usize,
    bytes_max: usize,
    entries_max: usize,
    tombstone: Duration,
    records: HashMap<NodeId, Record>,
    presences: HashMap<NodeId, Arc<Presence>>,
    view: View,
    published: Arc<ArcSwap<super::Snapshot>>,
    reachability: Arc<AtomicU64>,
    /// Served entries of all records, hidden ones too.
    entries: usize,
    /// Members whose record is incomplete, and who may have the rest, if not they themselves.
    wanted: BTreeMap<NodeId, Option<NodeId>>,
    versions: HashSet<Arc<str>>,
    names: HashSet<crate::call::ServiceName>,
    refused: u64,
    /// The highest number that somebody claimed for this node's own record, if it never gave it.
    contested: u64,
}

impl Table {
    #[must_use]
    pub fn new(me: Arc<Node>, settings: &Settings) -> Self {
        let view = View::new();
        let published = Arc::new(ArcSwap::from_pointee(view.snapshot()));
        let reachability = Arc::<AtomicU64>::default();
        // `EMPTY` is the empty record, so that a node which serves nothing can be told from one not heard of.
        let own = Record { synced: EMPTY, heard: EMPTY, ..Record::default() };
        Self {
            records: HashMap::from([(me.id(), own)]),
            me: Arc::new(Presence::new(me, Arc::clone(&reachability))),
            services_max: settings.services_per_node_max,
            bytes_max: settings.node_bytes_max,
            entries_max: settings.entries_max,
            tombstone: Duration::from_millis(settings.tombstone_ms),
            presences: HashMap::new(),
            view,
            published,
            reachability,
            entries: 0,
            wanted: BTreeMap::new(),
            versions: HashSet::new(),
            names: HashSet::new(),
            refused: 0,
            contested: 0,
        }
    }

    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader { published: Arc::clone(&self.published), reachability: Arc::clone(&self.reachability) }
    }

    /// Lets readers see what has changed.
    pub fn show(&mut self) {
        if self.view.take_changed() {
            self.published.store(Arc::new(self.view.snapshot()));
        }
    }

    /// Entries that limits kept out, so far.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Members whose record is incomplete, and from whom the rest may be had.
    #[must_use]
    pub fn wanted(&self) -> &BTreeMap<NodeId, Option<NodeId>> {
        &self.wanted
    }

    /// Applies what somebody said about some node's record. `via` is who said it.
    pub fn apply(&mut self, now: Duration, delta: Delta, via: NodeId) -> Applied {
        let id = delta.node;
        if id == self.me.node().id() {
            // Nobody else can know more about this run of this process.
            self.contest(delta.to);
            return Applied::Stale;
        }
        let Some(presence) = self.presences.get(&id).cloned() else { return Applied::Stranger };
        if delta.full && delta.changes.is_empty() && !delta.emptied {
            self.refused += 1;
            return Applied::Stale;
        }
        if delta.full && delta.to <= self.synced(id) {
            // It says nothing that is not known, unless it is damaged: then it must not remove anything.
            return Applied::Stale;
        }
        let mut record = self.records.remove(&id).unwrap_or_default();
        let mut news = delta.to > record.heard;
        record.heard = record.heard.max(delta.to);
        let contiguous = delta.full || delta.from <= record.reached();
        if contiguous && delta.to > record.synced {
            news = true;
        }
        // All changes up to `synced` are known: an entry of that time that is not here has been withdrawn since.
        let fresh = |record: &Record, key: &Key, number: u64| {
            record.entries.get(key).map_or(record.synced, |(held, _)| *held) < number
        };
        let mut mentioned = HashSet::new();
        let (mut removals, mut crowded) = (Vec::new(), Vec::new());
        for (number, change) in delta.changes {
            record.heard = record.heard.max(number);
            match change {
                Change::Withdraw { service, version } => removals.push((number, (service, version))),
                Change::Serve(mut offer) => {
                    self.intern(&mut offer);
                    let key = (offer.service.clone(), Arc::clone(&offer.version));
                    if fresh(&record, &key, number) {
                        if self.has_room(&record, &key) {
                            self.serve(&mut record, &presence, key.clone(), number, offer);
                            news = true;
                        } else {
                            crowded.push((number, key.clone(), offer));
                        }
                    }
                    if delta.full {
                        mentioned.insert(key);
                    }
                }
            }
        }
        let removes = !removals.is_empty();
        if delta.full {
            let unmentioned = |(key, (number, held)): (&Key, &(u64, Held))| {
                let gone = matches!(held, Held::Served(_)) && *number <= delta.to && !mentioned.contains(key);
                gone.then(|| (delta.to, key.clone()))
            };
            removals.extend(record.entries.iter().filter_map(unmentioned).collect::<Vec<_>>());
            record.purged = record.purged.max(delta.to.min(record.heard));
        }
        if contiguous {
            for (number, key) in removals {
                if record.entries.get(&key).is_none_or(|(held, _)| *held <= number) {
                    self.withdraw(&mut record, id, key, number, now);
                }
            }
        }
        // What has gone may have made room.
        let mut all_fit = true;
        for (number, key, offer) in crowded {
            if self.has_room(&record, &key) {
                self.serve(&mut record, &presence, key, number, offer);
                news = true;
            } else {
                (self.refused, all_fit) = (self.refused + 1, false);
            }
        }
        if delta.full {
            record.synced = record.synced.max(delta.to);
        } else if contiguous || !removes && all_fit {
            record.advance(delta.from, delta.to);
        }
        // Too many tombstones go early; `purged` then makes others ask for the complete record.
        if record.entries.len() > TOMBSTONE_FACTOR * self.services_max {
            record.purge(now, Duration::ZERO);
        }
        if record.lacks() {
            self.wanted.insert(id, Some(via).filter(|via| *via != id));
        } else {
            self.wanted.remove(&id);
        }
        self.records.insert(id, record);
        if news { Applied::News } else { Applied::Stale }
    }

    /// Shares the texts among all entries that have the same.
    fn intern(&mut self, offer: &mut Service) {
        if self.versions.len() + self.names.len() > self.entries_max {
            self.versions.clear();
            self.names.clear();
        }
        match self.versions.get(&offer.version) {
            Some(known) => offer.version = Arc::clone(known),
            None => drop(self.versions.insert(Arc::clone(&offer.version))),
        }
        match self.names.get(&offer.service) {
            Some(known) => offer.service = known.clone(),
            None => drop(self.names.insert(offer.service.clone())),
        }
    }

    /// Whether an entry fits. A record may be twice as large as its owner may publish: when everything is replaced, what
    /// is new comes before what is old goes.
    fn has_room(&self, record: &Record, key: &Key) -> bool {
        matches!(record.entries.get(key), Some((_, Held::Served(_))))
            || record.served < 2 * self.services_max
                && record.bytes + entry_bytes(key) <= 2 * self.bytes_max
                && self.entries < self.entries_max
    }

    fn serve(&mut self, record: &mut Record, at: &Arc<Presence>, key: Key, number: u64, offer: Service) {
        if !matches!(record.entries.get(&key), Some((_, Held::Served(_)))) {
            record.bytes += entry_bytes(&key);
            record.served += 1;
            self.entries += 1;
        }
        let endpoint = Arc::new(Endpoint { presence: Arc::clone(at), offer });
        if record.hidden.is_none() {
            self.view.put(&endpoint);
        }
        record.entries.insert(key, (number, Held::Served(endpoint)));
    }

    fn withdraw(&mut self, record: &mut Record, id: NodeId, key: Key, number: u64, now: Duration) {
        self.view.remove(id, key.0.as_str(), &key.1);
        let bytes = entry_bytes(&key);
        match record.entries.entry(key) {
            Entry::Occupied(mut held) => {
                if matches!(held.get().1, Held::Served(_)) {
                    record.served -= 1;
                    record.bytes = record.bytes.saturating_sub(bytes);
                    self.entries -= 1;
                }
                held.insert((number, Held::Withdrawn { since: now }));
            }
            // A tombstone for what never was here keeps an older fragment from bringing it.
            Entry::Vacant(vacant) => drop(vacant.insert((number, Held::Withdrawn { since: now }))),
        }
    }

    /// `node` is a member from now on.
    pub fn up(&mut self, node: &Arc<Node>) {
        let id = node.id();
        if id == self.me.node().id() || self.presences.contains_key(&id) {
            return;
        }
        let presence = Arc::new(Presence::new(Arc::clone(node), Arc::clone(&self.reachability)));
        self.presences.insert(id, Arc::clone(&presence));
        self.view.add_node(Arc::clone(&presence));
        let record = self.records.entry(id).or_default();
        record.hidden = None;
        for (_, held) in record.entries.values_mut() {
            if let Held::Served(endpoint) = held {
                let offer = endpoint.offer.clone();
                *endpoint = Arc::new(Endpoint { presence: Arc::clone(&presence), offer });
                self.view.put(endpoint);
            }
        }
        if record.lacks() {
            self.wanted.insert(id, None);
        }
    }

    /// The node is no member any more: its entries go at once, and are kept aside for a while unless `for_good`.
    pub fn down(&mut self, now: Duration, id: NodeId, for_good: bool) {
        if id == self.me.node().id() {
            return;
        }
        self.wanted.remove(&id);
        if let Some(presence) = self.presences.remove(&id) {
            // Whoever still holds a snapshot should not call it either.
            presence.set_reachable(false);
            self.view.remove_node(id);
        }
        let Some(record) = self.records.get_mut(&id) else { return };
        if record.hidden.is_none() {
            record.hidden = Some(now);
            for (key, (_, held)) in &record.entries {
                if matches!(held, Held::Served(_)) {
                    self.view.remove(id, key.0.as_str(), &key.1);
                }
            }
        }
        if for_good {
            self.forget(id);
        }
    }

    fn forget(&mut self, id: NodeId) {
        if let Some(record) = self.records.remove(&id) {
            self.entries -= record.served;
        }
    }

    /// Drops what is older than it is kept for.
    pub fn expire(&mut self, now: Duration) {
        let age = self.tombstone;
        let old = |record: &Record| record.hidden.is_some_and(|since| now.saturating_sub(since) >= age);
        let gone: Vec<_> = self.records.iter().filter(|(_, record)| old(record)).map(|(id, _)| *id).collect();
        for id in gone {
            self.forget(id);
        }
        for record in self.records.values_mut() {
            record.purge(now, age);
        }
    }

    /// How large the tables are: of nodes, of members, of entries with tombstones, of shared texts.
    #[cfg(test)]
    pub(in crate::cluster) fn sizes(&self) -> [usize; 4] {
        let entries = self.records.values().map(|record| record.entries.len()).sum();
        [self.records.len(), self.presences.len(), entries, self.versions.len() + self.names.len()]
    }

    #[must_use]
    pub fn presence(&self, id: NodeId) -> Option<&Arc<Presence>> {
        self.presences.get(&id)
    }

    /// Up to which number the record of `id` is known.
    #[must_use]
    pub fn synced(&self, id: NodeId) -> u64 {
        self.records.get(&id).map_or(0, |record| record.synced)
    }

    /// Whether `delta` begins where the record is known to, or before.
    #[must_use]
    pub fn follows(&self, delta: &Delta) -> bool {
        delta.full || delta.from <= self.records.get(&delta.node).map_or(EMPTY, Record::reached)
    }

    /// What changed in the record of `id` after `from`; `None` when nothing did that is known here.
    #[must_use]
    pub fn since(&self, id: NodeId, from: u64) -> Option<Delta> {
        let record = self.records.get(&id).filter(|record| record.synced > from)?;
        Some(record.since(id, from))
    }
}
