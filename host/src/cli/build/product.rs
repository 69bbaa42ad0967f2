//! Checks what cargo made and puts it where the host looks.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::cargo::Product;
use super::{Built, Change};
use crate::modules::inspect::{Inspection, inspect};
use crate::modules::manifest::Manifest;

/// A product that is a service.
#[derive(Debug)]
pub(super) struct Checked {
    name: String,
    bytes: Vec<u8>,
    inspection: Inspection,
    elapsed: Duration,
}

/// Reads the products and checks that each is a service with a manifest that can be used.
pub(super) fn check(products: Vec<Product>) -> anyhow::Result<Vec<Checked>> {
    let mut checked: Vec<Checked> = Vec::new();
    for product in products {
        let name = product.name;
        if checked.iter().any(|other| other.name == name) {
            bail!("two crates are called `{name}`");
        }
        let bytes = fs::read(&product.file).with_context(|| product.file.display().to_string())?;
        let inspection = inspect(&bytes).with_context(|| format!("`{name}` cannot be used"))?;
        if inspection.doors.is_empty() {
            bail!(
                "`{name}` exports nothing the host can call; with the SDK, `hostel_sdk::serve!` does. Its exports: {}",
                match inspection.exports.as_slice() {
                    [] => "none".to_owned(),
                    exports => exports.join(", "),
                }
            );
        }
        let manifest = inspection.manifest.as_deref().unwrap_or_default();
        Manifest::parse(manifest, &format!("manifest of `{name}`"), Some(&name))?;
        checked.push(Checked { name, bytes, inspection, elapsed: product.elapsed });
    }
    Ok(checked)
}

impl Checked {
    /// Puts the module into the folder `out`, which is made when absent.
    pub(super) fn write(self, out: &Path) -> anyhow::Result<Built> {
        fs::create_dir_all(out).with_context(|| out.display().to_string())?;
        let path = out.join(format!("{}.wasm", self.name));
        let change = replace(&path, &self.bytes).with_context(|| path.display().to_string())?;
        Ok(Built {
            name: self.name,
            path,
            size: self.inspection.size,
            digest: self.inspection.digest,
            doors: self.inspection.doors,
            change,
            elapsed: self.elapsed,
        })
    }
}

/// Gives the file this content in one step: who looks sees the old content or the new, whole.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<Change> {
    let same_size = fs::metadata(path).is_ok_and(|old| usize::try_from(old.len()) == Ok(bytes.len()));
    if same_size && fs::read(path)? == bytes {
        return Ok(Change::Unchanged);
    }
    let temporary = beside(path);
    let written = write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&temporary);
    }
    written.map(|()| Change::Written)
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    file.write_all(bytes)?;
    // Otherwise the name may reach the disk before the content.
    file.sync_all()
}

/// A name in the same folder, and so on the same disk, that is not taken for a module.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.tmp", std::process::id()))
}

#[cfg(test)]
mod tests;
