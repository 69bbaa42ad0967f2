//! What one instance may use, and the limiter that says no.

use std::time::Duration;

use wasmtime::ResourceLimiter;

/// What instances of one version may use, and how many there may be.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Linear memory of one instance, in bytes, all its memories together.
    pub memory_bytes_max: usize,
    /// CPU time of one call.
    pub cpu: Duration,
    /// Calls in progress at once.
    pub calls_max: usize,
    /// Calls that wait for a place.
    pub queue_len_max: usize,
    /// How long a call waits for a place.
    pub queue_wait: Duration,
    /// A request body, in bytes; `None` is no limit.
    pub body_bytes_max: Option<u64>,
    /// Instances at once.
    pub instances_max: usize,
    /// Calls at once on one instance.
    pub concurrency: usize,
    /// Calls after which an instance is replaced.
    pub reuse_max: Option<u64>,
    /// How long an instance without calls is kept.
    pub idle: Duration,
}

/// Elements of all tables of an instance together. Tables hold function references: real programs have thousands.
const TABLE_ELEMENTS_MAX: usize = 1_000_000;

/// Counts what an instance has and refuses more than it may have.
pub(super) struct Limiter {
    memory_bytes_max: usize,
    memory_bytes: usize,
    table_elements: usize,
    refused: bool,
}

impl Limiter {
    pub(super) fn new(memory_bytes_max: usize) -> Self {
        Self { memory_bytes_max, memory_bytes: 0, table_elements: 0, refused: false }
    }

    /// A call begins on an instance that has no other: what was refused before has no part in what happens now.
    pub(super) fn forget_refusal(&mut self) {
        self.refused = false;
    }

    /// The linear memory the instance has.
    pub(super) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// Whether the guest was ever refused memory: what it did next is likely why it trapped.
    pub(super) fn refused(&self) -> bool {
        self.refused
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.memory_bytes.saturating_add(desired.saturating_sub(current));
        if total > self.memory_bytes_max {
            self.refused = true;
            return Ok(false);
        }
        self.memory_bytes = total;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.table_elements.saturating_add(desired.saturating_sub(current));
        if total > TABLE_ELEMENTS_MAX {
            self.refused = true;
            return Ok(false);
        }
        self.table_elements = total;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_memories_share_one_limit() {
        let mut limiter = Limiter::new(100);
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        assert!(!limiter.memory_growing(0, 41, None).unwrap());
        assert!(limiter.refused());
        assert!(limiter.memory_growing(0, 40, None).unwrap());
        assert!(!limiter.memory_growing(40, 41, None).unwrap());
        assert_eq!(limiter.memory_bytes, 100);
    }
}
