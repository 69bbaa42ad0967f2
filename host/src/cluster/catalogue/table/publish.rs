//! The owner's side: what this node serves.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use super::super::delta::Delta;
use super::super::record::{Held, Key, Record, entry_bytes};
use super::super::{Endpoint, Service};
use super::{TOMBSTONE_FACTOR, Table};
use crate::cluster::wire::version_is_valid;

/// Why services were not published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    #[error("an empty set of services was published while some are; to withdraw them all is a call of its own")]
    Empty,
    #[error("{service} is published twice with version {version}")]
    Twice { service: String, version: String },
    #[error("the version of {service} must have from 1 to 64 printable characters without spaces")]
    Version { service: String },
    #[error("a node may publish {most} services and versions, not {count}")]
    Many { count: usize, most: usize },
    #[error("what a node publishes may take {most} bytes, not {bytes}")]
    Large { bytes: usize, most: usize },
}

impl Table {
    /// Makes `services` what this node serves. Returns what changed, if anything did.
    ///
    /// # Errors
    /// [`PublishError`]; then nothing changed.
    pub fn publish(&mut self, now: Duration, services: Vec<Service>) -> Result<Option<Delta>, PublishError> {
        let own = self.own();
        if services.is_empty() && own.served > 0 {
            return Err(PublishError::Empty);
        }
        if services.len() > self.services_max {
            return Err(PublishError::Many { count: services.len(), most: self.services_max });
        }
        let mut wanted = BTreeMap::new();
        let mut bytes = 0;
        for offer in services {
            if !version_is_valid(&offer.version) {
                return Err(PublishError::Version { service: offer.service.to_string() });
            }
            let key = (offer.service.clone(), Arc::clone(&offer.version));
            bytes += entry_bytes(&key);
            let Entry::Vacant(vacant) = wanted.entry(key) else {
                let (service, version) = (offer.service.to_string(), offer.version.to_string());
                return Err(PublishError::Twice { service, version });
            };
            vacant.insert(offer);
        }
        if bytes > self.bytes_max {
            return Err(PublishError::Large { bytes, most: self.bytes_max });
        }
        Ok(self.replace_own(now, wanted))
    }

    /// Withdraws all that this node serves. Returns what changed, if anything did.
    pub fn withdraw_all(&mut self, now: Duration) -> Option<Delta> {
        self.replace_own(now, BTreeMap::new())
    }

    /// Somebody says to know this node's record up to `number`. See [`Table::reassert`].
    pub fn contest(&mut self, number: u64) {
        if number > self.own().synced {
            self.contested = self.contested.max(number);
        }
    }

    /// If somebody claims numbers that this node never gave: gives higher ones to all that it serves, so that the truth
    /// wins wherever the claim is believed. Returns the complete record then.
    pub fn reassert(&mut self) -> Option<Delta> {
        let (contested, id) = (std::mem::take(&mut self.contested), self.me.node().id());
        let own = self.own();
        if contested <= own.synced {
            return None;
        }
        own.synced = contested + 1;
        own.entries.retain(|_, (_, held)| matches!(held, Held::Served(_)));
        for (number, _) in own.entries.values_mut() {
            own.synced += 1;
            *number = own.synced;
        }
        (own.heard, own.purged) = (own.synced, own.synced);
        Some(own.since(id, 0))
    }

    /// What this node serves.
    #[must_use]
    pub fn offers(&self) -> Vec<Service> {
        let own = self.records.get(&self.me.node().id());
        let held = own.into_iter().flat_map(|own| own.entries.values());
        held.filter_map(|(_, held)| match held {
            Held::Served(endpoint) => Some(endpoint.offer.clone()),
            Held::Withdrawn { .. } => None,
        })
        .collect()
    }

    fn own(&mut self) -> &mut Record {
        self.records.entry(self.me.node().id()).or_default()
    }

    fn replace_own(&mut self, now: Duration, wanted: BTreeMap<Key, Service>) -> Option<Delta> {
        let (me, id) = (Arc::clone(&self.me), self.me.node().id());
        let services_max = self.services_max;
        let own = self.own();
        let from = own.synced;
        let same = |key: &Key, offer: &Service| match own.entries.get(key) {
            Some((_, Held::Served(held))) => held.offer == *offer,
            _ => false,
        };
        let added: Vec<_> = wanted.iter().filter(|(key, offer)| !same(key, offer)).collect();
        let removed: Vec<Key> = own
            .entries
            .iter()
            .filter(|(key, (_, held))| matches!(held, Held::Served(_)) && !wanted.contains_key(*key))
            .map(|(key, _)| key.clone())
            .collect();
        // Additions get the lower numbers: see the rules.
        for (key, offer) in added {
            own.synced += 1;
            let held = Held::Served(Arc::new(Endpoint { presence: Arc::clone(&me), offer: offer.clone() }));
            own.entries.insert(key.clone(), (own.synced, held));
        }
        for key in removed {
            own.synced += 1;
            own.entries.insert(key, (own.synced, Held::Withdrawn { since: now }));
        }
        own.heard = own.synced;
        own.served = wanted.len();
        if own.entries.len() > TOMBSTONE_FACTOR * services_max {
            own.purge(now, Duration::ZERO);
        }
        (own.synced > from).then(|| own.since(id, from))
    }
}
