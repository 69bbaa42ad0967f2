//! Compiling, in two tiers: baseline code so that new content serves soon, then optimised code so that it serves fast.
//!
//! Baseline code takes half as long to compile and is somewhat slower. It serves until the other is there, and is never kept:
//! what is in the cache is optimised, and used at once.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::Component;
use wasmtime::{Config, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, RegallocAlgorithm};

use super::cache::Cache;
use super::code::Code;
use super::tier::Tier;
use super::{Error, Settings};

/// How long whoever needs code to serve with waits for what the cores leave over.
const PATIENCE: Duration = Duration::from_secs(1);
/// The same for code that is only faster.
const PATIENCE_OPTIMISED: Duration = Duration::from_secs(30);

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
    let mut config = base();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        // A guest that recurses without end has a hundred thousand frames; collecting them would hold up the thread.
        .wasm_backtrace_max_frames(BACKTRACE_FRAMES_MAX);
    config
}

/// What compiled code depends on.
fn base() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true).wasm_component_model_async(true);
    config
}

/// A compiled module.
#[derive(Clone)]
pub struct Compiled {
    pub(super) code: Code,
    baseline: bool,
}

impl Compiled {
    /// Whether it is baseline code, which [`Engine::optimise`](super::Engine::optimise) replaces.
    pub fn is_baseline(&self) -> bool {
        self.baseline
    }
}

/// Compiles off the serving threads, so many at once. Cheap to clone.
#[derive(Clone)]
pub(super) struct Compiler {
    engine: wasmtime::Engine,
    cache: Option<Arc<Cache>>,
    /// Whoever is in it has nothing to serve with yet.
    first: Tier,
    again: Tier,
    tiered: bool,
}

impl Compiler {
    pub(super) fn new(engine: wasmtime::Engine, cache: Option<Cache>, settings: &Settings) -> Result<Self, Error> {
        let first = Tier::new(settings.compile_threads, PATIENCE)?;
        let again = Tier::new(settings.compile_threads, PATIENCE_OPTIMISED)?;
        Ok(Self { engine, cache: cache.map(Arc::new), first, again, tiered: settings.tiered_compile })
    }

    /// Compiles a component, or takes it from the cache. `digest` names its content.
    pub(super) async fn compile(&self, bytes: Arc<[u8]>, digest: &str) -> Result<Compiled, Error> {
        let (me, digest) = (self.clone(), Arc::<str>::from(digest));
        let wanted = digest.clone();
        // Not in the background: it is a matter of milliseconds.
        let found = tokio::task::spawn_blocking(move || me.cached(&wanted)).await;
        if let Ok(Some(code)) = found {
            return Ok(Compiled { code, baseline: false });
        }
        let me = self.clone();
        let work = move || {
            let code = if me.tiered { me.baseline(&bytes) } else { me.optimised(&bytes, &digest) };
            Ok(Compiled { code: code?, baseline: me.tiered })
        };
        self.first.run(work).await
    }

    /// Optimised code. `bytes` is asked when its turn has come, and may decline.
    pub(super) async fn optimise(
        &self,
        digest: &str,
        bytes: impl Fn() -> Option<Arc<[u8]>> + Send + Sync + 'static,
    ) -> Result<Option<Compiled>, Error> {
        let (me, digest) = (self.clone(), Arc::<str>::from(digest));
        let work = move || {
            let Some(bytes) = bytes() else { return Ok(None) };
            // The same content may have come under two names.
            let code = me.cached(&digest).map_or_else(|| me.optimised(&bytes, &digest), Ok)?;
            Ok(Some(Compiled { code, baseline: false }))
        };
        self.again.run(work).await
    }

    fn cached(&self, digest: &str) -> Option<Code> {
        self.cache.as_ref()?.find(digest).and_then(|path| Code::map(&self.engine, &path))
    }

    fn baseline(&self, bytes: &[u8]) -> Result<Code, Error> {
        let mut config = base();
        config.cranelift_opt_level(OptLevel::None).cranelift_regalloc_algorithm(RegallocAlgorithm::SinglePass);
        let compile = || wasmtime::Engine::new(&config)?.precompile_component(bytes);
        let compiled = compile().map_err(|error| Error::Compile(format!("{error:#}")))?;
        // SAFETY: these bytes were made by `precompile_component` just now. That both engines agree on what matters to
        // compiled code is checked there.
        #[allow(unsafe_code, reason = "there is no other way for code from one engine to another")]
        let loaded = unsafe { Component::deserialize(&self.engine, compiled) };
        loaded.map(Code::in_memory).map_err(|error| Error::Compile(format!("{error:#}")))
    }

    fn optimised(&self, bytes: &[u8], digest: &str) -> Result<Code, Error> {
        let component =
            Component::from_binary(&self.engine, bytes).map_err(|error| Error::Compile(format!("{error:#}")))?;
        let mapped = self.cache.as_ref().and_then(|cache| match component.serialize() {
            // From the file rather than from the compiler's memory: see `cache`.
            Ok(compiled) => cache.store(digest, &compiled).and_then(|path| Code::map(&self.engine, &path)),
            Err(error) => {
                tracing::warn!(digest, %error, "cannot serialise a compiled module");
                None
            }
        });
        Ok(mapped.unwrap_or_else(|| Code::in_memory(component)))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn component() -> Arc<[u8]> {
        wat::parse_str("(component (core module (func (export \"f\") (result i32) i32.const 1)))").unwrap().into()
    }

    fn compiler(cache: Option<&Path>, tiered: bool) -> Compiler {
        let settings = Settings { instances_max: 1, memory_mib_max: 1, tiered_compile: tiered, ..Settings::default() };
        let engine = wasmtime::Engine::new(&config(&settings)).unwrap();
        let cache = cache.map(|dir| Cache::open(dir, &engine).unwrap());
        Compiler::new(engine, cache, &settings).unwrap()
    }

    #[tokio::test]
    async fn baseline_code_is_replaced_and_only_optimised_code_is_kept() {
        const DIGEST: &str = "sha256:ab";
        let dir = tempfile::tempdir().unwrap();
        let compiler = compiler(Some(dir.path()), true);
        assert!(compiler.compile(component(), DIGEST).await.unwrap().is_baseline());
        assert!(compiler.compile(component(), DIGEST).await.unwrap().is_baseline());
        assert!(compiler.optimise(DIGEST, || None).await.unwrap().is_none());
        assert!(compiler.compile(component(), DIGEST).await.unwrap().is_baseline());
        assert!(!compiler.optimise(DIGEST, || Some(component())).await.unwrap().unwrap().is_baseline());
        assert!(!compiler.compile(component(), DIGEST).await.unwrap().is_baseline());
    }

    #[tokio::test]
    async fn the_baseline_tier_can_be_turned_off() {
        let bytes = component();
        assert!(!compiler(None, false).compile(bytes, "sha256:ab").await.unwrap().is_baseline());
    }

    #[tokio::test]
    async fn either_way_says_what_is_wrong() {
        for tiered in [true, false] {
            let result = compiler(None, tiered).compile((*b"\0asm\x0d\0\x01\0\xff").into(), "sha256:ab").await;
            assert!(matches!(result, Err(Error::Compile(text)) if text.contains("offset")));
        }
    }
}
