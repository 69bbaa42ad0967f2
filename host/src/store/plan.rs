//! What a batch means, as a pure function: from the state before it to the changes it makes.
//!
//! A batch is planned in full before anything of it is written, so one that fails leaves no trace in a transaction it
//! shares with others, and there is nothing to undo.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;

use bytes::Bytes;

use super::{Action, Effect, Entry, Error, Expected, Op, Outcome, Quota, Usage, Version};

/// What a store knows of an entry without reading a large value.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) version: u64,
    pub(super) len_bytes: u64,
    /// The value, when the store keeps it beside the key; small ones always are.
    pub(super) inline: Option<Bytes>,
}

/// The state a batch is planned against: one namespace, with all batches before this one applied.
pub(super) trait View {
    /// How looking fails; what is wrong with the batch travels in it too.
    type Fault: From<Error>;

    fn find(&self, bucket: &str, key: &str) -> Result<Option<Stored>, Self::Fault>;
    /// The value of an entry that [`View::find`] returned.
    fn value(&self, stored: &Stored) -> Result<Bytes, Self::Fault>;
}

/// A key's net change. `before` and `after` are never both `None`.
#[derive(Debug)]
pub(super) struct Change<'a> {
    pub(super) bucket: &'a str,
    pub(super) key: &'a str,
    pub(super) before: Option<Stored>,
    pub(super) after: Option<Entry>,
}

/// What applying a batch comes down to.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    /// In the order of buckets and keys.
    pub(super) changes: Vec<Change<'a>>,
    pub(super) outcome: Outcome,
    pub(super) usage: Usage,
    /// The last number taken from the sequence. To be kept even when `changes` is empty: a batch that makes a key and
    /// removes it again has told its caller a version, which must not come back.
    pub(super) sequence: u64,
}

/// A key while its batch is planned.
struct Pending {
    before: Option<Stored>,
    now: Now,
}

enum Now {
    AsBefore,
    Deleted,
    Set(Entry),
}

impl Pending {
    fn version(&self) -> Option<Version> {
        match &self.now {
            Now::AsBefore => self.before.as_ref().map(|stored| Version(stored.version)),
            Now::Deleted => None,
            Now::Set(entry) => Some(entry.version),
        }
    }

    fn entry<V: View>(&self, view: &V) -> Result<Option<Entry>, V::Fault> {
        match &self.now {
            Now::AsBefore => self.before_entry(view),
            Now::Deleted => Ok(None),
            Now::Set(entry) => Ok(Some(entry.clone())),
        }
    }

    fn before_entry<V: View>(&self, view: &V) -> Result<Option<Entry>, V::Fault> {
        let Some(stored) = &self.before else {
            return Ok(None);
        };
        Ok(Some(Entry { value: view.value(stored)?, version: Version(stored.version) }))
    }
}

/// Plans `batch` for a namespace that uses `used`, taking versions after `sequence`.
///
/// # Errors
/// Those of the batch (conflict, quota, not a number, overflow), which concern it alone, and those of `view`.
pub(super) fn plan<'a, V: View>(
    view: &V,
    batch: &'a [Op],
    used: Usage,
    quota: &Quota,
    sequence: u64,
) -> Result<Plan<'a>, V::Fault> {
    let mut keys: BTreeMap<(&'a str, &'a str), Pending> = BTreeMap::new();
    let mut next = sequence;
    let mut effects = Vec::with_capacity(batch.len());
    for (op, Op { bucket, key, action }) in batch.iter().enumerate() {
        let pending = match keys.entry((bucket, key)) {
            Slot::Occupied(slot) => slot.into_mut(),
            Slot::Vacant(slot) => slot.insert(Pending { before: view.find(bucket, key)?, now: Now::AsBefore }),
        };
        let effect = match action {
            Action::Set(value) => {
                let version = take(&mut next);
                let value = value.clone();
                pending.now = Now::Set(Entry { value, version });
                Effect::Set(version)
            }
            Action::Delete => {
                let existed = pending.version().is_some();
                if existed {
                    take(&mut next);
                    pending.now = Now::Deleted;
                }
                Effect::Deleted { existed }
            }
            Action::Increment(delta) => {
                let number = match pending.entry(view)? {
                    Some(entry) => parse_number(&entry.value).ok_or(Error::NotANumber { op })?,
                    None => 0,
                };
                let value = number.checked_add(*delta).ok_or(Error::Overflow { op })?;
                let version = take(&mut next);
                pending.now = Now::Set(Entry { value: value.to_string().into(), version });
                Effect::Incremented { value, version }
            }
            Action::Expect(expected) => {
                let as_expected = match expected {
                    Expected::Absent => pending.version().is_none(),
                    Expected::Version(version) => pending.version() == Some(*version),
                };
                if !as_expected {
                    // What was there before the batch: what the batch itself wrote will never have existed.
                    let current = pending.before_entry(view)?;
                    return Err(Error::Conflict { op, current }.into());
                }
                Effect::AsExpected
            }
        };
        effects.push(effect);
    }

    let changes: Vec<_> =
        keys.into_iter().filter_map(|((bucket, key), pending)| net_change(bucket, key, pending)).collect();
    let usage = usage_after(used, &changes);
    check_quota(used, usage, quota)?;
    Ok(Plan { changes, outcome: Outcome { effects }, usage, sequence: next })
}

fn take(next: &mut u64) -> Version {
    // 2^64 writes at a million a second take half a million years.
    *next += 1;
    Version(*next)
}

fn net_change<'a>(bucket: &'a str, key: &'a str, pending: Pending) -> Option<Change<'a>> {
    let after = match pending.now {
        Now::AsBefore => return None,
        Now::Deleted => None,
        Now::Set(entry) => Some(entry),
    };
    if pending.before.is_none() && after.is_none() {
        return None;
    }
    Some(Change { bucket, key, before: pending.before, after })
}

fn usage_after(used: Usage, changes: &[Change<'_>]) -> Usage {
    let mut usage = used;
    for change in changes {
        if let Some(before) = &change.before {
            usage.keys = usage.keys.saturating_sub(1);
            usage.bytes = usage.bytes.saturating_sub(change.key.len() as u64 + before.len_bytes);
        }
        if let Some(after) = &change.after {
            usage.keys += 1;
            usage.bytes += (change.key.len() + after.value.len()) as u64;
        }
    }
    usage
}

/// Refuses growth past the quota, and only growth: a namespace that is over its quota must be able to delete.
fn check_quota(used: Usage, usage: Usage, quota: &Quota) -> Result<(), Error> {
    if usage.keys > quota.keys_max && usage.keys > used.keys {
        return Err(Error::QuotaKeys { keys: usage.keys, keys_max: quota.keys_max });
    }
    if usage.bytes > quota.bytes_max && usage.bytes > used.bytes {
        return Err(Error::QuotaBytes { bytes: usage.bytes, bytes_max: quota.bytes_max });
    }
    Ok(())
}

/// The number that a value is the decimal text of: an optional sign and digits, 20 characters at most.
fn parse_number(value: &[u8]) -> Option<i64> {
    const NUMBER_BYTES_MAX: usize = 20;
    if value.len() > NUMBER_BYTES_MAX {
        return None;
    }
    str::from_utf8(value).ok()?.parse().ok()
}
