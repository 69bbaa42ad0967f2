//! Compiling: the engine's settings, and work that must not disturb those who serve.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Once;

use wasmtime::component::Component;
use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::cache::Cache;
use super::{Error, Settings};

/// How much less than serving threads compiling threads weigh with the operating system's scheduler.
const NICENESS: i32 = 10;

/// Instance memory that stays mapped between uses, in bytes: what a small service touches, so that starting one
/// again costs a copy and no page faults.
const MEMORY_KEEP_RESIDENT: usize = 64 * 1024;
const TABLE_KEEP_RESIDENT: usize = 8 * 1024;

/// Frames of a guest's stack that are collected when it traps.
const BACKTRACE_FRAMES_MAX: Option<NonZeroUsize> = NonZeroUsize::new(16);

/// wasmtime's configuration.
pub(super) fn config(settings: &Settings) -> Config {
    let mut pool = PoolingAllocationConfig::new();
    let instances = u32::try_from(settings.instances_max).unwrap_or(u32::MAX);
    pool.total_component_instances(instances)
        // Components made of several core modules: a Rust guest has three, an interpreter dozens.
        .total_core_instances(instances.saturating_mul(32))
        .total_memories(instances.saturating_mul(2))
        .total_tables(instances.saturating_mul(8))
        .total_stacks(instances.saturating_mul(4))
        .total_gc_heaps(instances)
        .max_memory_size(settings.memory_mib_max as usize * 1024 * 1024)
        .max_tables_per_component(64)
        .max_memories_per_component(16)
        .table_elements(100_000)
        .linear_memory_keep_resident(MEMORY_KEEP_RESIDENT)
        .table_keep_resident(TABLE_KEEP_RESIDENT)
        // Where the kernel can tell which pages were written, only those are reset.
        .pagemap_scan(wasmtime::Enabled::Auto);
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .epoch_interruption(true)
        // A guest that recurses without end has a hundred thousand frames; collecting them would hold up the thread.
        .wasm_backtrace_max_frames(BACKTRACE_FRAMES_MAX)
        .wasm_component_model_async(true);
    config
}

/// Compiles a component or loads it from the cache. Runs on a thread of its own.
pub(super) fn compile(
    engine: &wasmtime::Engine,
    cache: Option<&Cache>,
    bytes: &[u8],
    digest: &str,
) -> Result<Component, Error> {
    if let Some(component) = cache.and_then(|cache| cache.find(digest)).and_then(|path| load(engine, &path)) {
        return Ok(component);
    }
    be_nice();
    let component = Component::from_binary(engine, bytes).map_err(|error| Error::Compile(format!("{error:#}")))?;
    let Some(cache) = cache else { return Ok(component) };
    match component.serialize() {
        // From the file rather than from the compiler's memory: see `cache`.
        Ok(compiled) => Ok(cache.store(digest, &compiled).and_then(|path| load(engine, &path)).unwrap_or(component)),
        Err(error) => {
            tracing::warn!(digest, %error, "cannot serialise a compiled module");
            Ok(component)
        }
    }
}

/// A compiled component from its file, which is mapped.
fn load(engine: &wasmtime::Engine, path: &Path) -> Option<Component> {
    // SAFETY: the cache names only entries whose checksum is right, in a directory that only this user can write. They
    // were made by `Component::serialize`, for this engine's compatibility hash, and are replaced but never changed.
    #[allow(unsafe_code, reason = "loading compiled code is what a cache of compiled code is for")]
    let loaded = unsafe { Component::deserialize_file(engine, path) };
    loaded
        .inspect_err(|error| {
            tracing::warn!(path = %path.display(), %error, "a compiled module does not load; compiling it again");
        })
        .ok()
}

/// Lets serving threads go first: on this thread, and on those the compiler spreads its work over.
fn be_nice() {
    static POOL: Once = Once::new();
    let lower = || {
        // On Linux, niceness belongs to the thread. Without it compiling is only less polite.
        let _ = rustix::process::setpriority_process(None, NICENESS);
    };
    POOL.call_once(|| {
        // The compiler uses rayon's global pool. Somebody else having made it already is no failure.
        let _ = rayon::ThreadPoolBuilder::new().start_handler(move |_| lower()).build_global();
    });
    lower();
}
