//! Compiling, in two tiers: baseline code so that new content serves soon, then optimised code so that it serves fast.
//!
//! Baseline code takes half as long to compile and is somewhat slower. It serves until the other is there, and is never kept:
//! what is in the cache is optimised, and used at once.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::Component;
use wasmtime::{Config, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, RegallocAlgorithm};

use super::cache::Cache;
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
    pub(super) component: Component,
    unoptimised: Option<Source>,
}

/// What it takes to compile a module again.
#[derive(Clone)]
struct Source {
    bytes: Arc<[u8]>,
    digest: Arc<str>,
}

impl Compiled {
    /// Whether it is baseline code, which [`Engine::optimise`](super::Engine::optimise) replaces.
    pub fn is_baseline(&self) -> bool {
        self.unoptimised.is_some()
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
        let module = Source { bytes, digest: digest.into() };
        let me = self.clone();
        let work = move || {
            if let Some(component) = me.cached(&module.digest) {
                return Ok(Compiled { component, unoptimised: None });
            }
            if me.tiered {
                return Ok(Compiled { component: me.baseline(&module)?, unoptimised: Some(module.clone()) });
            }
            Ok(Compiled { component: me.optimised(&module)?, unoptimised: None })
        };
        self.first.run(work).await
    }

    /// Optimised code for what has baseline code, if that is still wanted when its turn has come.
    pub(super) async fn again(
        &self,
        compiled: Compiled,
        wanted: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Result<Option<Compiled>, Error> {
        let Some(module) = compiled.unoptimised else { return Ok(Some(compiled)) };
        let me = self.clone();
        let work = move || {
            if !wanted() {
                return Ok(None);
            }
            // The same content may have come under two names.
            let component = me.cached(&module.digest).map_or_else(|| me.optimised(&module), Ok)?;
            Ok(Some(Compiled { component, unoptimised: None }))
        };
        // When a host starts with many modules, all are to serve before any gets faster.
        self.first.done().await?;
        self.again.run(work).await
    }

    fn cached(&self, digest: &str) -> Option<Component> {
        self.cache.as_ref()?.find(digest).and_then(|path| load(&self.engine, &path))
    }

    fn baseline(&self, module: &Source) -> Result<Component, Error> {
        let mut config = base();
        config.cranelift_opt_level(OptLevel::None).cranelift_regalloc_algorithm(RegallocAlgorithm::SinglePass);
        let compile = || wasmtime::Engine::new(&config)?.precompile_component(&module.bytes);
        let compiled = compile().map_err(|error| Error::Compile(format!("{error:#}")))?;
        // SAFETY: these bytes were made by `precompile_component` just now. That both engines agree on what matters to
        // compiled code is checked there.
        #[allow(unsafe_code, reason = "there is no other way for code from one engine to another")]
        let loaded = unsafe { Component::deserialize(&self.engine, compiled) };
        loaded.map_err(|error| Error::Compile(format!("{error:#}")))
    }

    fn optimised(&self, module: &Source) -> Result<Component, Error> {
        let component = Component::from_binary(&self.engine, &module.bytes)
            .map_err(|error| Error::Compile(format!("{error:#}")))?;
        let Some(cache) = &self.cache else { return Ok(component) };
        match component.serialize() {
            // From the file rather than from the compiler's memory: see `cache`.
            Ok(compiled) => {
                let path = cache.store(&module.digest, &compiled);
                Ok(path.and_then(|path| load(&self.engine, &path)).unwrap_or(component))
            }
            Err(error) => {
                tracing::warn!(digest = &*module.digest, %error, "cannot serialise a compiled module");
                Ok(component)
            }
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

#[cfg(test)]
mod tests {
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
        let dir = tempfile::tempdir().unwrap();
        let bytes = component();
        let compiler = compiler(Some(dir.path()), true);
        let baseline = compiler.compile(bytes.clone(), "sha256:ab").await.unwrap();
        assert!(baseline.is_baseline());
        assert!(compiler.compile(bytes.clone(), "sha256:ab").await.unwrap().is_baseline());
        assert!(compiler.again(baseline.clone(), || false).await.unwrap().is_none());
        assert!(!compiler.again(baseline, || true).await.unwrap().unwrap().is_baseline());
        assert!(!compiler.compile(bytes, "sha256:ab").await.unwrap().is_baseline());
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
