//! The part of the configuration that the store owns.

use std::path::PathBuf;

use serde::Deserialize;

use super::{BATCH_BYTES_MAX, Error};

/// How the store keeps its data and how much may wait. Unknown keys are errors; every key has a default.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Directory of `kv.redb` and `kv.lock`; made when missing. Default `data`.
    pub dir: PathBuf,
    /// Most bytes of pages kept in memory, 1 MiB or more. Default 64 MiB.
    pub cache_bytes_max: usize,
    /// Most batches accepted and not yet acknowledged; further writers wait. Default 1024.
    pub queue_len_max: usize,
    /// Most bytes of such batches, keys and values, no less than [`BATCH_BYTES_MAX`]. Default 64 MiB.
    pub queue_bytes_max: usize,
    /// Most batches written by one commit. Larger shares one flush among more writers and makes each of them wait
    /// longer for it. Default 256.
    pub group_len_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("data"),
            cache_bytes_max: 64 << 20,
            queue_len_max: 1024,
            queue_bytes_max: 64 << 20,
            group_len_max: 256,
        }
    }
}

impl Config {
    /// Checks what the types do not say.
    ///
    /// # Errors
    /// [`Error::Config`] names the key and what it takes.
    pub fn validate(&self) -> Result<(), Error> {
        const CACHE_BYTES_MIN: usize = 1 << 20;
        const LEN_MAX: usize = 1 << 20;
        // The bound in bytes is counted in KiB by a semaphore that takes 32 bits at a time.
        const QUEUE_BYTES_MAX: usize = u32::MAX as usize;
        let refuse = |key, reason: String| Err(Error::Config { key, reason });
        if self.cache_bytes_max < CACHE_BYTES_MIN {
            return refuse("cache_bytes_max", format!("must be {CACHE_BYTES_MIN} or more"));
        }
        for (key, len) in [("queue_len_max", self.queue_len_max), ("group_len_max", self.group_len_max)] {
            if !(1..=LEN_MAX).contains(&len) {
                return refuse(key, format!("must be between 1 and {LEN_MAX}"));
            }
        }
        if !(BATCH_BYTES_MAX..=QUEUE_BYTES_MAX).contains(&self.queue_bytes_max) {
            return refuse(
                "queue_bytes_max",
                format!("must be between {BATCH_BYTES_MAX}, the largest batch, and {QUEUE_BYTES_MAX}"),
            );
        }
        Ok(())
    }
}
