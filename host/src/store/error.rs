//! What can go wrong, one variant per cause.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Entry, NAMESPACE_BYTES_MAX};

/// The error below an [`Error`]. Shared, because one failed commit is the answer to every batch that was in it.
pub type Cause = Arc<dyn StdError + Send + Sync + 'static>;

/// Why the store did not do what it was asked. `Display` never prints the source: walk the chain where it is logged.
///
/// Positions in a batch (`op`) count from 0. Keys and values never appear in the text: they may be personal data.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not a namespace.
    #[error("a namespace has 1 to {NAMESPACE_BYTES_MAX} bytes and no control characters")]
    NamespaceInvalid,
    /// A bucket name above [`super::BUCKET_BYTES_MAX`].
    #[error("the bucket name has {len_bytes} bytes, more than {max_bytes}")]
    BucketTooLong { len_bytes: usize, max_bytes: usize },
    /// A key above [`super::KEY_BYTES_MAX`].
    #[error("the key has {len_bytes} bytes, more than {max_bytes}")]
    KeyTooLong { len_bytes: usize, max_bytes: usize },
    /// A value above [`super::Quota::value_bytes_max`] or [`super::VALUE_BYTES_MAX`].
    #[error("operation {op}: the value has {len_bytes} bytes, more than {max_bytes}")]
    ValueTooLarge { op: usize, len_bytes: usize, max_bytes: usize },
    /// More operations than [`super::BATCH_LEN_MAX`].
    #[error("the batch has {len} operations, more than {len_max}")]
    BatchTooLong { len: usize, len_max: usize },
    /// More keys and values than [`super::BATCH_BYTES_MAX`].
    #[error("the batch has {len_bytes} bytes, more than {max_bytes}")]
    BatchTooLarge { len_bytes: usize, max_bytes: usize },
    /// More keys than [`super::READ_LEN_MAX`] asked for at once.
    #[error("{len} keys asked for at once, more than {len_max}")]
    ReadTooLong { len: usize, len_max: usize },
    /// More values than [`super::READ_BYTES_MAX`] asked for at once.
    #[error("the values asked for at once have more than {max_bytes} bytes")]
    ReadTooLarge { max_bytes: usize },
    /// The batch would leave the namespace with more keys than its quota.
    #[error("the namespace would hold {keys} keys, more than its quota of {keys_max}")]
    QuotaKeys { keys: u64, keys_max: u64 },
    /// The batch would leave the namespace with more bytes than its quota.
    #[error("the namespace would hold {bytes} bytes, more than its quota of {bytes_max}")]
    QuotaBytes { bytes: u64, bytes_max: u64 },
    /// An increment of something that is not the decimal text of a 64-bit integer.
    #[error("operation {op}: the stored value is not a decimal integer of 64 bits")]
    NotANumber { op: usize },
    /// An increment past what 64 bits hold.
    #[error("operation {op}: the sum does not fit 64 bits")]
    Overflow { op: usize },
    /// A key is not as the batch expected it; `current` is what it holds instead.
    #[error("operation {op}: the key was changed by someone else")]
    Conflict { op: usize, current: Option<Entry> },

    /// The disk, or the user's share of it, is full. Nothing was applied. Reads go on, and so do writes when there is
    /// room again.
    #[error("no space left on the disk of {}", path.display())]
    Full { path: PathBuf, source: Cause },
    /// The storage failed. Nothing was applied.
    #[error("cannot {action} {}", path.display())]
    Io { action: &'static str, path: PathBuf, source: Cause },
    /// The storage failed at the moment of the commit. The batch may have been applied.
    #[error("the write to {} was interrupted and may have been applied", path.display())]
    Unsettled { path: PathBuf, source: Cause },
    /// The storage failed a moment ago and is being opened again. Nothing was applied.
    #[error("{} is being recovered", path.display())]
    Unavailable { path: PathBuf, source: Cause },
    /// The store has been closed. Nothing was applied.
    #[error("the store is closed")]
    Closed,

    /// A value of the configuration is out of range.
    #[error("store.{key} {reason}")]
    Config { key: &'static str, reason: String },
    /// Another process has the data directory. `holder` is what it wrote about itself, such as `pid 4711`.
    #[error("another hostel uses the data directory {} ({holder})", dir.display())]
    InUse { dir: PathBuf, holder: String },
    /// The directory or a file in it belongs to someone else.
    #[error("no permission to {action} {}", path.display())]
    Permission { action: &'static str, path: PathBuf, source: Cause },
    /// The file is not one of ours, or is damaged.
    #[error("{} is damaged or not a hostel key-value file; restore a backup or move it away", path.display())]
    Corrupt { path: PathBuf, source: Cause },
    /// The file was written by a newer release.
    #[error(
        "{} has format {found} and this hostel knows formats up to {known}: run the newer hostel again, or restore \
         a backup from before the upgrade", path.display()
    )]
    NewerFormat { path: PathBuf, found: u64, known: u64 },
}

impl Error {
    /// Whether the caller, not the store, has to change something: a size, a quota, a number, a conflict. The text of
    /// such an error is fit for a guest; that of any other names the host's files and is for the operator.
    pub fn is_callers(&self) -> bool {
        match self {
            Self::NamespaceInvalid
            | Self::BucketTooLong { .. }
            | Self::KeyTooLong { .. }
            | Self::ValueTooLarge { .. }
            | Self::BatchTooLong { .. }
            | Self::BatchTooLarge { .. }
            | Self::ReadTooLong { .. }
            | Self::ReadTooLarge { .. }
            | Self::QuotaKeys { .. }
            | Self::QuotaBytes { .. }
            | Self::NotANumber { .. }
            | Self::Overflow { .. }
            | Self::Conflict { .. } => true,
            Self::Full { .. }
            | Self::Io { .. }
            | Self::Unsettled { .. }
            | Self::Unavailable { .. }
            | Self::Closed
            | Self::Config { .. }
            | Self::InUse { .. }
            | Self::Permission { .. }
            | Self::Corrupt { .. }
            | Self::NewerFormat { .. } => false,
        }
    }

    /// Whether the same batch may simply be tried again later: it was not applied, and the reason may pass.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::Io { .. } | Self::Unavailable { .. })
    }

    /// The error of a file operation, by what the system said.
    pub(super) fn from_io(action: &'static str, path: impl Into<PathBuf>, error: io::Error) -> Self {
        let path = path.into();
        let kind = error.kind();
        let source: Cause = Arc::new(error);
        match kind {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path, source },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::Permission { action, path, source }
            }
            // Files that are too short, or begin with something else.
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Self::Corrupt { path, source },
            _ => Self::Io { action, path, source },
        }
    }

    /// What lies below, for an error that is to be wrapped anew; the error itself where nothing does.
    pub(super) fn into_cause(self) -> Cause {
        match self {
            Self::Full { source, .. }
            | Self::Io { source, .. }
            | Self::Unsettled { source, .. }
            | Self::Unavailable { source, .. }
            | Self::Permission { source, .. }
            | Self::Corrupt { source, .. } => source,
            other => Arc::new(other),
        }
    }
}
