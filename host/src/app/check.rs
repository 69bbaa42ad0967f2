//! Checking configuration and modules without starting anything.

use std::path::Path;

use super::config::Config;
use crate::modules::{self, Deployments, Error, Source, scan};

/// What a module came to.
pub struct Checked {
    /// The file's name.
    pub file: String,
    /// The service it would be, or why it would not serve.
    pub outcome: Result<String, Error>,
}

/// Checks all modules in the configured directory: files, manifests, doors, imports, and that no two of them want the
/// same service or route.
///
/// # Errors
///
/// When the directory cannot be read.
pub fn check(config: &Config) -> std::io::Result<Vec<Checked>> {
    check_dir(&config.modules.dir, u32::try_from(config.engine.memory_mib_max).unwrap_or(u32::MAX))
}

/// Manifests in the directory of modules that belong to no module.
pub fn orphans(config: &Config) -> Vec<String> {
    let dir = &config.modules.dir;
    scan(dir).map(|found| modules::orphans(dir, &found).into_iter().collect()).unwrap_or_default()
}

fn check_dir(dir: &Path, memory_mib_max: u32) -> std::io::Result<Vec<Checked>> {
    let mut accepted: Vec<Source> = Vec::new();
    let mut all = Vec::new();
    for found in scan(dir)?.values() {
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
