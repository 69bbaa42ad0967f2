//! Entries as a transaction sees and changes them.

use std::ops::Bound;

use ::redb::{Database, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable, Table, WriteTransaction};
use bytes::Bytes;

use super::schema::{
    Fault, INDEX, INLINE_BYTES_MAX, IndexKey, IndexValue, META, META_SEQUENCE, USAGE, VALUES, put_usage,
};
use crate::store::plan::{Change, Stored, View};
use crate::store::{Entry, Namespace, Usage, Version};

/// The committed state of one moment.
pub(super) struct ReadView {
    txn: ReadTransaction,
    index: ReadOnlyTable<IndexKey, IndexValue>,
}

impl ReadView {
    pub(super) fn new(db: &Database) -> Result<Self, Fault> {
        let txn = db.begin_read()?;
        let index = txn.open_table(INDEX)?;
        Ok(Self { txn, index })
    }

    pub(super) fn find(&self, namespace: &Namespace, bucket: &str, key: &str) -> Result<Option<Stored>, Fault> {
        find(&self.index, namespace, bucket, key)
    }

    pub(super) fn entry(&self, stored: Stored) -> Result<Entry, Fault> {
        let value = match stored.inline {
            Some(value) => value,
            None => large_value(&self.txn.open_table(VALUES)?, stored.version)?,
        };
        Ok(Entry { value, version: Version(stored.version) })
    }

    /// Offers `take` the keys of a bucket behind `after`, in order, until it returns `false`.
    pub(super) fn keys(
        &self,
        namespace: &Namespace,
        bucket: &str,
        after: Option<&str>,
        mut take: impl FnMut(&str) -> bool,
    ) -> Result<(), Fault> {
        let (namespace, bucket) = (namespace.as_str().as_bytes(), bucket.as_bytes());
        let at = (namespace, bucket, after.unwrap_or_default().as_bytes());
        let from = match after {
            Some(_) => Bound::Excluded(at),
            None => Bound::Included(at),
        };
        let rest = (from, Bound::Unbounded);
        for entry in self.index.range::<(&[u8], &[u8], &[u8])>(rest)? {
            let (at, _) = entry?;
            let at = at.value();
            if (at.0, at.1) != (namespace, bucket) {
                break;
            }
            let key = str::from_utf8(at.2).map_err(|_| Fault::Damaged("a key is not text"))?;
            if !take(key) {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn usage(&self, namespace: &Namespace) -> Result<Usage, Fault> {
        usage(&self.txn.open_table(USAGE)?, namespace)
    }

    /// How many namespaces hold anything, and what they hold together.
    pub(super) fn totals(&self) -> Result<(u64, Usage), Fault> {
        let mut namespaces = 0;
        let mut sum = Usage::default();
        for row in self.txn.open_table(USAGE)?.iter()? {
            let (_, row) = row?;
            let (keys, bytes) = row.value();
            namespaces += 1;
            sum = sum.plus(Usage { keys, bytes });
        }
        Ok((namespaces, sum))
    }
}

/// The tables of a transaction that writes.
pub(super) struct Tables<'t> {
    meta: Table<'t, &'static str, u64>,
    index: Table<'t, IndexKey, IndexValue>,
    values: Table<'t, u64, &'static [u8]>,
    usage: Table<'t, &'static [u8], (u64, u64)>,
}

impl<'t> Tables<'t> {
    pub(super) fn open(txn: &'t WriteTransaction) -> Result<Self, Fault> {
        Ok(Self {
            meta: txn.open_table(META)?,
            index: txn.open_table(INDEX)?,
            values: txn.open_table(VALUES)?,
            usage: txn.open_table(USAGE)?,
        })
    }

    /// One namespace as the transaction has it so far.
    pub(super) fn view<'a>(&'a self, namespace: &'a Namespace) -> WriteView<'a, 't> {
        WriteView { tables: self, namespace }
    }

    pub(super) fn usage(&self, namespace: &Namespace) -> Result<Usage, Fault> {
        usage(&self.usage, namespace)
    }

    pub(super) fn put_usage(&mut self, namespace: &Namespace, usage: Usage) -> Result<(), Fault> {
        put_usage(&mut self.usage, namespace.as_str().as_bytes(), usage)
    }

    pub(super) fn put_sequence(&mut self, sequence: u64) -> Result<(), Fault> {
        self.meta.insert(META_SEQUENCE, sequence)?;
        Ok(())
    }

    pub(super) fn put(&mut self, namespace: &Namespace, change: &Change<'_>) -> Result<(), Fault> {
        let at = (namespace.as_str().as_bytes(), change.bucket.as_bytes(), change.key.as_bytes());
        if let Some(before) = &change.before
            && before.inline.is_none()
        {
            self.values.remove(before.version)?;
        }
        let Some(after) = &change.after else {
            self.index.remove(at)?;
            return Ok(());
        };
        let version = after.version.get();
        let inline: &[u8] = if after.value.len() <= INLINE_BYTES_MAX {
            &after.value
        } else {
            self.values.insert(version, &*after.value)?;
            &[]
        };
        let len_bytes = after.value.len() as u64;
        self.index.insert(at, (version, len_bytes, inline))?;
        Ok(())
    }
}

pub(super) struct WriteView<'a, 't> {
    tables: &'a Tables<'t>,
    namespace: &'a Namespace,
}

impl View for WriteView<'_, '_> {
    type Fault = Fault;

    fn find(&self, bucket: &str, key: &str) -> Result<Option<Stored>, Fault> {
        find(&self.tables.index, self.namespace, bucket, key)
    }

    fn value(&self, stored: &Stored) -> Result<Bytes, Fault> {
        match &stored.inline {
            Some(value) => Ok(value.clone()),
            None => large_value(&self.tables.values, stored.version),
        }
    }
}

fn find(
    index: &impl ReadableTable<IndexKey, IndexValue>,
    namespace: &Namespace,
    bucket: &str,
    key: &str,
) -> Result<Option<Stored>, Fault> {
    let at = (namespace.as_str().as_bytes(), bucket.as_bytes(), key.as_bytes());
    Ok(index.get(at)?.map(|found| {
        let (version, len_bytes, inline) = found.value();
        Stored {
            version,
            len_bytes,
            // The empty value is in the index, a large one leaves nothing there.
            inline: (inline.len() as u64 == len_bytes).then(|| Bytes::copy_from_slice(inline)),
        }
    }))
}

fn large_value(values: &impl ReadableTable<u64, &'static [u8]>, version: u64) -> Result<Bytes, Fault> {
    let found = values.get(version)?;
    let found = found.ok_or(Fault::Damaged("a value is missing"))?;
    Ok(Bytes::copy_from_slice(found.value()))
}

fn usage(table: &impl ReadableTable<&'static [u8], (u64, u64)>, namespace: &Namespace) -> Result<Usage, Fault> {
    let found = table.get(namespace.as_str().as_bytes())?;
    Ok(found.map_or(Usage::default(), |row| {
        let (keys, bytes) = row.value();
        Usage { keys, bytes }
    }))
}
