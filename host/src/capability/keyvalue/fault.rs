//! How operations fail, and what of it guests are told.

use std::borrow::Cow;

use wasmtime::component::ResourceTableError;

use crate::store::Error;

/// Why an operation has no result.
#[allow(unreachable_pub, reason = "the bindings name it in a `pub use`")]
#[derive(Debug)]
pub enum Fault {
    /// The manifest does not grant storage.
    AccessDenied,
    /// Anything else, in words for the guest's log.
    Other(Cow<'static, str>),
    /// The guest broke the rules of handles, or the host is at fault: the instance ends.
    Trap(wasmtime::Error),
}

impl From<&'static str> for Fault {
    fn from(text: &'static str) -> Self {
        Self::Other(Cow::Borrowed(text))
    }
}

impl From<wasmtime::Error> for Fault {
    fn from(error: wasmtime::Error) -> Self {
        Self::Trap(error)
    }
}

impl From<ResourceTableError> for Fault {
    fn from(error: ResourceTableError) -> Self {
        Self::Trap(error.into())
    }
}

/// What a guest is told of a failure of the store. The host's files are not its business; whether the write may have
/// happened is.
pub(super) fn text(error: &Error) -> Cow<'static, str> {
    let fixed = match error {
        // These name their place in a batch, which means nothing to a guest that wrote one key.
        Error::NotANumber { .. } => "the stored value is not a decimal integer of 64 bits",
        Error::Overflow { .. } => "the sum does not fit 64 bits",
        Error::Conflict { .. } => "the key was changed by someone else",
        Error::ValueTooLarge { len_bytes, max_bytes, .. } => {
            return format!("a value has {len_bytes} bytes, more than {max_bytes}").into();
        }
        Error::QuotaKeys { keys_max, .. } => {
            return format!("the service would hold more keys than its quota of {keys_max}").into();
        }
        Error::QuotaBytes { bytes_max, .. } => {
            return format!("the service would hold more bytes than its quota of {bytes_max}").into();
        }
        error if error.is_callers() => return error.to_string().into(),
        Error::Unsettled { .. } => "the write was interrupted and may have been applied",
        Error::Full { .. } => "the host has no space left; nothing was written",
        Error::Closed => "the host is stopping; nothing was written",
        error if error.is_retryable() => "the storage does not answer; try again later",
        _ => "the storage failed",
    };
    fixed.into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn guests_learn_what_to_do_and_nothing_of_the_host() {
        let source: crate::store::Cause = Arc::new(std::io::Error::other("sector 7 of sda1"));
        let path = || std::path::PathBuf::from("/var/lib/hostel/kv.redb");
        let hosts = [
            Error::Full { path: path(), source: source.clone() },
            Error::Io { action: "read", path: path(), source: source.clone() },
            Error::Unsettled { path: path(), source: source.clone() },
            Error::Unavailable { path: path(), source: source.clone() },
            Error::Corrupt { path: path(), source },
            Error::Closed,
        ];
        for error in &hosts {
            let text = text(error);
            assert!(!text.contains("kv.redb") && !text.contains("sector"), "{text}");
        }
        assert!(text(&hosts[2]).contains("may have been applied"));
        let large = Error::ValueTooLarge { op: 0, len_bytes: 11, max_bytes: 10 };
        assert_eq!(text(&large), "a value has 11 bytes, more than 10");
        let long = Error::KeyTooLong { len_bytes: 2000, max_bytes: 1024 };
        assert_eq!(text(&long), "the key has 2000 bytes, more than 1024");
    }
}
