//! Checking configuration and modules without starting anything.

use std::path::Path;

use super::config::Config;
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

/// Names in `modules.only` that no module has.
pub fn unknown(config: &Config) -> Vec<String> {
    let found = scan(&config.modules.dir);
    found.map(|mut found| select(&mut found, &config.modules.only).into_iter().collect()).unwrap_or_default()
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
