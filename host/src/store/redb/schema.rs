//! The tables in `kv.redb`, how entries are laid out in them, and the format's version.
//!
//! Format 1:
//!
//! | table | key | value |
//! |---|---|---|
//! | `meta` | `format`, `sequence` | a number |
//! | `kv.index` | namespace, bucket, key | version, length of the value, the value when it is small |
//! | `kv.values` | version | the value when it is not |
//! | `kv.usage` | namespace | keys, bytes |
//!
//! Large values live apart because redb keeps a value in the leaf of its key: a listing would read every value it
//! passes, and a write would copy those of its neighbours. Names are stored as bytes, so comparing them is `memcmp`
//! rather than a UTF-8 check for every step down the tree.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use ::redb::{
    Database, Durability, ReadableDatabase, ReadableTable, Table, TableDefinition, TableError, WriteTransaction,
};

use crate::store::{Error, Usage};

/// The format this release writes, and the newest it reads.
pub(super) const FORMAT: u64 = 1;
/// Largest value kept in the index, in bytes: several entries to a page of 4 KiB.
pub(super) const INLINE_BYTES_MAX: usize = 1024;

pub(super) type IndexKey = (&'static [u8], &'static [u8], &'static [u8]);
pub(super) type IndexValue = (u64, u64, &'static [u8]);

pub(super) const META: TableDefinition<'static, &'static str, u64> = TableDefinition::new("meta");
const META_FORMAT: &str = "format";
pub(super) const META_SEQUENCE: &str = "sequence";
pub(super) const INDEX: TableDefinition<'static, IndexKey, IndexValue> = TableDefinition::new("kv.index");
pub(super) const VALUES: TableDefinition<'static, u64, &'static [u8]> = TableDefinition::new("kv.values");
pub(super) const USAGE: TableDefinition<'static, &'static [u8], (u64, u64)> = TableDefinition::new("kv.usage");

/// What goes wrong below this module's surface, not yet tied to a file.
#[derive(Debug)]
pub(super) enum Fault {
    Redb(::redb::Error),
    /// The file breaks our own rules rather than redb's.
    Damaged(&'static str),
    /// The format is newer than ours.
    Newer(u64),
    /// What is wrong with a batch or a read.
    Store(Error),
}

impl<E: Into<::redb::Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Redb(error.into())
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl Fault {
    /// The error to report. `action` completes "cannot ...".
    pub(super) fn at(self, action: &'static str, path: &Path) -> Error {
        let path = path.to_path_buf();
        let error = match self {
            Self::Redb(error) => error,
            Self::Damaged(what) => {
                return Error::Corrupt { path, source: Arc::new(io::Error::new(io::ErrorKind::InvalidData, what)) };
            }
            Self::Newer(found) => {
                return Error::NewerFormat { path, found, known: FORMAT };
            }
            Self::Store(error) => return error,
        };
        use ::redb::Error as Redb;
        match error {
            Redb::Io(error) => Error::from_io(action, path, error),
            Redb::DatabaseAlreadyOpen => {
                Error::InUse { dir: path.parent().unwrap_or(&path).to_path_buf(), holder: "unknown process".to_owned() }
            }
            // redb refuses everything after an I/O error until it is opened anew.
            Redb::PreviousIo | Redb::DatabaseClosed | Redb::LockPoisoned(_) => {
                Error::Unavailable { path, source: Arc::new(error) }
            }
            Redb::Corrupted(_)
            | Redb::TableDoesNotExist(_)
            | Redb::TableTypeMismatch { .. }
            | Redb::TableIsMultimap(_)
            | Redb::TypeDefinitionChanged { .. }
            | Redb::UpgradeRequired(_) => Error::Corrupt { path, source: Arc::new(error) },
            error => Error::Io { action, path, source: Arc::new(error) },
        }
    }
}

/// Makes the tables in a new database, checks the format of any other. Returns the last number of the sequence.
pub(super) fn prepare(db: &Database) -> Result<u64, Fault> {
    let read = db.begin_read()?;
    let meta = match read.open_table(META) {
        Ok(meta) => meta,
        Err(TableError::TableDoesNotExist(_)) => {
            if read.list_tables()?.next().is_some() {
                return Err(Fault::Damaged("the database is of another program"));
            }
            return create(db);
        }
        Err(error) => return Err(error.into()),
    };
    let number = |name| -> Result<u64, Fault> {
        let found = meta.get(name)?;
        let found = found.ok_or(Fault::Damaged("the database lacks its meta data"))?;
        Ok(found.value())
    };
    let found = number(META_FORMAT)?;
    if found > FORMAT {
        return Err(Fault::Newer(found));
    }
    number(META_SEQUENCE)
}

fn create(db: &Database) -> Result<u64, Fault> {
    let txn = begin(db)?;
    {
        let mut meta = txn.open_table(META)?;
        meta.insert(META_FORMAT, FORMAT)?;
        meta.insert(META_SEQUENCE, 0)?;
        txn.open_table(INDEX)?;
        txn.open_table(VALUES)?;
        txn.open_table(USAGE)?;
    }
    txn.commit()?;
    Ok(0)
}

/// A transaction whose commit returns when the data is on disk.
pub(super) fn begin(db: &Database) -> Result<WriteTransaction, Fault> {
    let mut txn = db.begin_write()?;
    txn.set_durability(Durability::Immediate)?;
    Ok(txn)
}

/// Counts anew what every namespace holds and corrects what is recorded. Returns how many namespaces were wrong, which
/// is none unless the file was damaged or we have a fault: the records change in the transactions that they describe.
pub(super) fn recount(db: &Database) -> Result<u64, Fault> {
    let read = db.begin_read()?;
    let mut counted: BTreeMap<Vec<u8>, Usage> = BTreeMap::new();
    for entry in read.open_table(INDEX)?.iter()? {
        let (key, value) = entry?;
        let (namespace, _, key) = key.value();
        let usage = Usage { keys: 1, bytes: key.len() as u64 + value.value().1 };
        match counted.get_mut(namespace) {
            Some(sum) => *sum = sum.plus(usage),
            None => {
                counted.insert(namespace.to_vec(), usage);
            }
        }
    }
    let mut wrong: BTreeMap<Vec<u8>, Usage> = counted.clone();
    for row in read.open_table(USAGE)?.iter()? {
        let (namespace, usage) = row?;
        let (keys, bytes) = usage.value();
        let counted = counted.get(namespace.value()).copied().unwrap_or_default();
        if counted == (Usage { keys, bytes }) {
            wrong.remove(namespace.value());
        } else {
            wrong.insert(namespace.value().to_vec(), counted);
        }
    }
    if !wrong.is_empty() {
        let txn = begin(db)?;
        {
            let mut table = txn.open_table(USAGE)?;
            for (namespace, usage) in &wrong {
                put_usage(&mut table, namespace, *usage)?;
            }
        }
        txn.commit()?;
    }
    Ok(wrong.len() as u64)
}

pub(super) fn put_usage(
    table: &mut Table<'_, &'static [u8], (u64, u64)>,
    namespace: &[u8],
    usage: Usage,
) -> Result<(), Fault> {
    if usage == Usage::default() {
        table.remove(namespace)?;
    } else {
        table.insert(namespace, (usage.keys, usage.bytes))?;
    }
    Ok(())
}
