//! The data directory: one process at a time, a file that appears complete or not at all, and opening it again.

use std::any::Any;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ::redb::{Builder, Database, DatabaseError};

use super::schema::{Fault, prepare, recount};
use crate::store::{Cause, Error};

const DATA_FILE: &str = "kv.redb";
const NEW_FILE: &str = "kv.redb.new";
const LOCK_FILE: &str = "kv.lock";

/// The directory, ours until this is dropped.
///
/// redb locks its own file too, but lets go of it while it is opened again after a failure, and cannot say who holds it.
#[derive(Debug)]
pub(super) struct Directory {
    dir: PathBuf,
    _lock: File,
}

impl Directory {
    /// Makes the directory when it is missing (for its owner only: what services store is nobody else's to read), and
    /// locks it.
    pub(super) fn lock(dir: &Path) -> Result<Self, Error> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(dir).map_err(|error| Error::from_io("create", dir, error))?;

        let path = dir.join(LOCK_FILE);
        let mut lock =
            private().create(true).truncate(false).open(&path).map_err(|error| Error::from_io("open", &path, error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let known = lock.read_to_string(&mut holder).is_ok() && !holder.trim().is_empty();
                return Err(Error::InUse {
                    dir: dir.to_path_buf(),
                    holder: if known { holder.trim().to_owned() } else { "unknown process".to_owned() },
                });
            }
            // A file system without locks: redb's own attempt is what remains.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(Error::from_io("lock", &path, error)),
        }
        // Only for the text of the error above, so a full disk is no reason to fail.
        let _ =
            lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| writeln!(lock, "pid {}", std::process::id()));
        Ok(Self { dir: dir.to_path_buf(), _lock: lock })
    }

    pub(super) fn data_file(&self) -> PathBuf {
        self.dir.join(DATA_FILE)
    }

    /// Makes the data file when there is none: under another name first, so that a crash half way leaves no file that
    /// looks damaged, and with the directory flushed, so that what is acknowledged later is not lost with the name.
    pub(super) fn create_data_file(&self) -> Result<(), Error> {
        let path = self.data_file();
        let exists = path.try_exists().map_err(|error| Error::from_io("open", &path, error))?;
        if exists {
            return Ok(());
        }
        let new = self.dir.join(NEW_FILE);
        let file =
            private().create(true).truncate(true).open(&new).map_err(|error| Error::from_io("create", &new, error))?;
        let db = Builder::new().create_file(file).map_err(|error| Fault::from(error).at("create", &new))?;
        prepare(&db).map_err(|fault| fault.at("create", &new))?;
        drop(db);
        fs::rename(&new, &path).map_err(|error| Error::from_io("create", &path, error))?;
        #[cfg(unix)]
        File::open(&self.dir)
            .and_then(|dir| dir.sync_all())
            .map_err(|error| Error::from_io("flush", &self.dir, error))?;
        Ok(())
    }
}

/// Options for a file that only its owner reads.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// How redb gets at its storage; tests put storage that fails here.
pub(super) type OpenDatabase = Box<dyn Fn(&Builder) -> Result<Database, DatabaseError> + Send + Sync>;

/// Opens the database, the first time and after each failure.
pub(super) struct Opener {
    pub(super) path: PathBuf,
    pub(super) cache_bytes_max: usize,
    pub(super) open: OpenDatabase,
}

/// A database fit for use.
pub(super) struct Opened {
    pub(super) db: Database,
    /// The last number of the sequence.
    pub(super) sequence: u64,
    /// Namespaces whose recorded usage was wrong.
    pub(super) corrected: u64,
}

impl Opener {
    /// Opens and checks the database. After an unclean end redb reads all of it, and so do we to count what the
    /// namespaces hold; after a clean one neither does.
    pub(super) fn open(&self) -> Result<Opened, Error> {
        // redb has been known to panic on a damaged file. A host that cannot read its data must say so, not abort.
        match catch_unwind(AssertUnwindSafe(|| self.try_open())) {
            Ok(opened) => opened.map_err(|fault| fault.at("open", &self.path)),
            Err(panic) => Err(Error::Corrupt { path: self.path.clone(), source: panic_cause(&*panic) }),
        }
    }

    fn try_open(&self) -> Result<Opened, Fault> {
        let unclean = Arc::new(AtomicBool::new(false));
        let mut builder = Builder::new();
        builder.set_cache_size(self.cache_bytes_max);
        builder.set_repair_callback({
            let unclean = Arc::clone(&unclean);
            move |_| unclean.store(true, Ordering::Relaxed)
        });
        let db = (self.open)(&builder)?;
        let sequence = prepare(&db)?;
        let corrected = if unclean.load(Ordering::Relaxed) { recount(&db)? } else { 0 };
        Ok(Opened { db, sequence, corrected })
    }
}

/// What a panic said, as the source of an error.
pub(super) fn panic_cause(panic: &(dyn Any + Send)) -> Cause {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    Arc::new(io::Error::other(format!("panicked: {text}")))
}
