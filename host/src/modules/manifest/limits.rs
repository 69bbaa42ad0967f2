//! How much of the machine a module may use. Every limit is enforced by the host; the defaults here are the only
//! place where they are stated.

use std::time::Duration;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// What a module may use at most: section `[limits]`. Each field names its key, unit and default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory of one instance, in bytes. Key `memory_mib` (MiB), 1 to 4096; default 128.
    pub memory_bytes_max: u64,
    /// CPU time one call may burn in the guest. Key `cpu_ms`, 1 to 3,600,000; default 1000.
    pub cpu: Duration,
    /// Time from a call's arrival to the end of its response. Key `wall_ms`, 1 to 86,400,000; default 10,000.
    pub wall: Duration,
    /// Calls in progress at once, all instances together. Key `calls_max`, 1 to 1,000,000; default 1024.
    pub calls_max: u32,
    /// Calls that wait when `calls_max` is reached. Key `queue_len_max`, 0 to 1,000,000, 0 refuses at once;
    /// default 128.
    pub queue_len_max: u32,
    /// How long a call waits in that queue. Key `queue_wait_ms`, 0 to 3,600,000; default 1000.
    pub queue_wait: Duration,
    /// A request body, in bytes, buffered or streamed; `None` does not limit it. Key `body_bytes_max`, 0 to 2^40,
    /// 0 being no limit; default 4,194,304 (4 MiB).
    pub body_bytes_max: Option<u64>,
    /// All header names and values of a request together, in bytes. Key `headers_bytes_max`, 1024 to 1,048,576;
    /// default 32,768 (32 KiB).
    pub headers_bytes_max: usize,
    /// How deep calls may nest when this module is called: 1 is a call from the edge. Key `depth_max`, 1 to 128;
    /// default 16.
    pub depth_max: u32,
    /// Keys and values the service stores, all buckets together, in bytes. Key `kv_bytes_max`, 1 to 2^40;
    /// default 268,435,456 (256 MiB).
    pub kv_bytes_max: u64,
    /// Keys the service stores, all buckets together. Key `kv_keys_max`, 1 to 1,000,000,000; default 1,000,000.
    pub kv_keys_max: u64,
    /// One stored value, in bytes. Key `kv_value_bytes_max`, 1 to 16,777,216 (16 MiB); default 1,048,576 (1 MiB).
    pub kv_value_bytes_max: usize,
    /// Log lines per second; what exceeds it is counted and dropped. Key `log_lines_per_s_max`, 0 to 1,000,000, 0
    /// drops all; default 200.
    pub log_lines_per_s_max: u32,
    /// One log line, in bytes; what is longer is cut. Key `log_line_bytes_max`, 128 to 1,048,576; default 8192.
    pub log_line_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes_max: 128 * MIB,
            cpu: Duration::from_secs(1),
            wall: Duration::from_secs(10),
            calls_max: 1024,
            queue_len_max: 128,
            queue_wait: Duration::from_secs(1),
            body_bytes_max: Some(4 * MIB),
            headers_bytes_max: 32 * 1024,
            depth_max: 16,
            kv_bytes_max: 256 * MIB,
            kv_keys_max: 1_000_000,
            kv_value_bytes_max: 1024 * 1024,
            log_lines_per_s_max: 200,
            log_line_bytes_max: 8192,
        }
    }
}

/// How many instances of a module there are and how long they live: section `[instances]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instances {
    /// Instances at once. Key `max`, 1 to 10,000; default 64.
    pub max: u32,
    /// Calls multiplexed on one instance. Modules with only the WASI 0.2 door take one at a time whatever this
    /// says. Key `concurrency`, 1 to 1024; default 16.
    pub concurrency: u32,
    /// Calls after which an instance is replaced; `None` keeps it, 1 gives every call a fresh one. Key
    /// `reuse_max`, 0 to 1,000,000,000, 0 being no bound; default 0.
    pub reuse_max: Option<u32>,
    /// How long an instance may be without a call before it is given back. Key `idle_s`, 0 to 86,400; default 60.
    pub idle: Duration,
}

impl Default for Instances {
    fn default() -> Self {
        Self { max: 64, concurrency: 16, reuse_max: None, idle: Duration::from_secs(60) }
    }
}
