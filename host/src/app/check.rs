//! Checking configuration and modules without starting anything.

use std::path::Path;

use super::config::Config;
use crate::edge::{Tls, TlsError};
use crate::modules::{self, Deployments, Error, Source, scan, select};

/// What a module came to.
pub struct Checked {
    /// The file's name.
    pub file: String,
    /// The service it would be, or why it would not serve.
    pub outcome: Result<String, Error>,
}

/// Checks all modules in the configured directory that would be served: files, manifests, doors, imports, and that no two of them want the
/// same service or route.
///
/// # Errors
///
/// When the directory cannot be read.
pub fn check(config: &Config) -> std::io::Result<Vec<Checked>> {
    let memory_mib_max = u32::try_from(config.engine.memory_mib_max).unwrap_or(u32::MAX);
    check_dir(&config.modules.dir, &config.modules.only, memory_mib_max)
}

/// Checks what the edge is given besides its settings: its certificate and key.
///
/// # Errors
///
/// [`TlsError`] when they cannot be used.
pub fn check_edge(config: &Config) -> Result<(), TlsError> {
    Tls::load(&config.edge).map(drop)
}

/// What of the directory of modules is served, by the names of the files without `.wasm`, and what is not and should be.
pub struct Selected {
    /// What there is and `modules.only` permits.
    pub served: Vec<String>,
    /// A sentence about names in `modules.only` that no module has, if there are any.
    pub missing: Option<String>,
}

/// Looks at the directory of modules. Best effort: one that cannot be read is told of by whoever loads it.
pub fn selected(config: &Config) -> Selected {
    let dir = &config.modules.dir;
    let mut found = scan(dir).unwrap_or_default();
    let there: Vec<String> = found.keys().cloned().collect();
    let unknown: Vec<String> = select(&mut found, &config.modules.only).into_iter().collect();
    let missing = (!unknown.is_empty()).then(|| {
        let there = if there.is_empty() { "no module".to_owned() } else { there.join(", ") };
        let dir = dir.display();
        format!("`only` names {}, and there is no such module in {dir}, but {there}", unknown.join(", "))
    });
    Selected { served: found.into_keys().collect(), missing }
}

/// Manifests in the directory of modules that belong to no module.
pub fn orphans(config: &Config) -> Vec<String> {
    let dir = &config.modules.dir;
    scan(dir).map(|found| modules::orphans(dir, &found).into_iter().collect()).unwrap_or_default()
}

fn check_dir(dir: &Path, only: &[String], memory_mib_max: u32) -> std::io::Result<Vec<Checked>> {
    let mut accepted: Vec<Source> = Vec::new();
    let mut all = Vec::new();
    let mut all_found = scan(dir)?;
    select(&mut all_found, only);
    for found in all_found.values() {
        let outcome = Source::read(found).and_then(|source| {
            source.check(memory_mib_max)?;
            Deployments::conflict(&source, accepted.iter())?;
            let service = source.manifest.name.to_string();
            accepted.push(source);
            Ok(service)
        });
        all.push(Checked { file: found.file_name(), outcome });
    }
    Ok(all)
}
