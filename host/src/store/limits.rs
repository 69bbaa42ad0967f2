//! Where the limits on single requests are enforced, for all implementations alike.

use super::{
    Action, BATCH_BYTES_MAX, BATCH_LEN_MAX, BUCKET_BYTES_MAX, Error, KEY_BYTES_MAX, Op, Page, Quota, READ_BYTES_MAX,
    READ_LEN_MAX, VALUE_BYTES_MAX,
};

/// Checks the names that one key is found by.
pub(super) fn check_names(bucket: &str, key: &str) -> Result<(), Error> {
    if bucket.len() > BUCKET_BYTES_MAX {
        return Err(Error::BucketTooLong { len_bytes: bucket.len(), max_bytes: BUCKET_BYTES_MAX });
    }
    if key.len() > KEY_BYTES_MAX {
        return Err(Error::KeyTooLong { len_bytes: key.len(), max_bytes: KEY_BYTES_MAX });
    }
    Ok(())
}

/// Checks all of a batch that can be checked without the store, so that nothing oversized ever queues. Returns its
/// size in bytes.
pub(super) fn check_batch(batch: &[Op], quota: &Quota) -> Result<usize, Error> {
    if batch.len() > BATCH_LEN_MAX {
        return Err(Error::BatchTooLong { len: batch.len(), len_max: BATCH_LEN_MAX });
    }
    let value_bytes_max = quota.value_bytes_max.min(VALUE_BYTES_MAX);
    let mut len_bytes = 0;
    for (op, Op { bucket, key, action }) in batch.iter().enumerate() {
        check_names(bucket, key)?;
        len_bytes += key.len();
        if let Action::Set(value) = action {
            if value.len() > value_bytes_max {
                return Err(Error::ValueTooLarge { op, len_bytes: value.len(), max_bytes: value_bytes_max });
            }
            len_bytes += value.len();
        }
    }
    if len_bytes > BATCH_BYTES_MAX {
        return Err(Error::BatchTooLarge { len_bytes, max_bytes: BATCH_BYTES_MAX });
    }
    Ok(len_bytes)
}

/// Checks a read of several keys.
pub(super) fn check_read(bucket: &str, keys: &[String]) -> Result<(), Error> {
    if keys.len() > READ_LEN_MAX {
        return Err(Error::ReadTooLong { len: keys.len(), len_max: READ_LEN_MAX });
    }
    keys.iter().try_for_each(|key| check_names(bucket, key))
}

/// Adds up what a read of several keys returns.
#[derive(Debug, Default)]
pub(super) struct ReadSum {
    len_bytes: usize,
}

impl ReadSum {
    /// To be called before the value is copied.
    pub(super) fn add(&mut self, len_bytes: usize) -> Result<(), Error> {
        self.len_bytes += len_bytes;
        if self.len_bytes > READ_BYTES_MAX {
            return Err(Error::ReadTooLarge { max_bytes: READ_BYTES_MAX });
        }
        Ok(())
    }
}

/// Collects one page of a listing, and finds out whether it is the last by being offered one key more.
#[derive(Debug)]
pub(super) struct PageBuilder {
    page: Page,
    limit: usize,
}

impl PageBuilder {
    pub(super) fn new(limit: usize) -> Self {
        Self { page: Page::default(), limit: limit.clamp(1, READ_LEN_MAX) }
    }

    /// Takes a key; `false` when the page was full without it.
    pub(super) fn push(&mut self, key: &str) -> bool {
        if self.page.keys.len() == self.limit {
            self.page.next = self.page.keys.last().cloned();
            return false;
        }
        self.page.keys.push(key.to_owned());
        true
    }

    pub(super) fn finish(self) -> Page {
        self.page
    }
}
