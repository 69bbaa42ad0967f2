//! A module's files, read and checked, but not compiled; and everything that can keep a module from serving.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::description::{DESCRIPTION_BYTES_MAX, Description};
use super::directory::Found;
use super::inspect::{self, Inspection, MODULE_BYTES_MAX};
use super::manifest::{self, Manifest};
use crate::engine;

/// Why a module does not serve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("{file}: cannot be read: {source}")]
    Read { file: String, source: io::Error },
    /// Reading takes too long: a stalled file system.
    #[error("{file}: cannot be read within {} ms", .within.as_millis())]
    Slow { file: String, within: Duration },
    /// A file changed while it was read; it will be read again.
    #[error("{file}: changed while it was read")]
    Changing { file: String },
    /// The bytes are no component.
    #[error("{file}: {source}")]
    Inspect { file: String, source: inspect::Error },
    /// The manifest is wrong. The message names file and line.
    #[error("{0}")]
    Manifest(#[from] manifest::Error),
    /// The manifest asks for more than the host gives.
    #[error("{file}: {reason}")]
    Beyond { file: String, reason: String },
    /// The module imports what the host does not offer.
    #[error("{file}: imports {missing}, which this host does not offer")]
    Imports { file: String, missing: String },
    /// The engine refuses it.
    #[error("{file}: {source}")]
    Engine { file: String, source: engine::Error },
    /// The probe of the new version failed.
    #[error("{file}: the health probe GET {path} {reason}")]
    Health { file: String, path: String, reason: String },
    /// Another module has the service or the route already.
    #[error("{file}: {reason}")]
    Conflict { file: String, reason: String },
}

impl Error {
    /// Whether the file looks as if it were still being written.
    pub fn looks_unfinished(&self) -> bool {
        matches!(self, Self::Inspect { source: inspect::Error::Truncated { .. } | inspect::Error::Empty, .. })
    }

    /// Whether trying again can help although the files stay the same.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Conflict { .. } | Self::Changing { .. } | Self::Slow { .. })
            || matches!(self, Self::Engine { source: engine::Error::TooManyInstances, .. })
    }
}

/// A module's files, read and understood, but not compiled.
pub struct Source {
    /// The component; empty once it has been compiled.
    pub bytes: Arc<[u8]>,
    /// Where it was read from.
    wasm: PathBuf,
    /// What it is.
    pub inspection: Inspection,
    /// What it says about itself.
    pub manifest: Manifest,
    /// The file's name.
    pub file: String,
    /// Changes with everything that matters: component and manifest.
    pub identity: String,
}

impl Source {
    /// Reads and checks a module's files.
    ///
    /// # Errors
    ///
    /// For the first thing that is wrong.
    pub fn read(found: &Found) -> Result<Self, Error> {
        let file = found.file_name();
        let bytes: Arc<[u8]> = read(&found.wasm, MODULE_BYTES_MAX)?.into();
        let text = found.manifest.as_deref().map(read_manifest).transpose()?;
        if !found.is_current() {
            return Err(Error::Changing { file });
        }
        let inspection = inspect::inspect(&bytes).map_err(|source| Error::Inspect { file: file.clone(), source })?;
        let stem = found.stem();
        let manifest = match (&text, &inspection.manifest) {
            (Some((origin, text)), _) => Manifest::parse(text, origin, Some(&stem))?,
            (None, Some(text)) => Manifest::parse(text, &format!("manifest embedded in {file}"), Some(&stem))?,
            (None, None) => Manifest::parse("", &file, Some(&stem))?,
        };
        let identity = format!("{}\n{:?}", inspection.digest, text.map(|(_, text)| text));
        Ok(Self { bytes, wasm: found.wasm.clone(), inspection, manifest, file, identity })
    }

    /// The component again; `None` when the file is gone or another one by now.
    pub fn read_again(&self) -> Option<Arc<[u8]>> {
        let bytes = read(&self.wasm, MODULE_BYTES_MAX).ok()?;
        (inspect::Digest::of(&bytes) == self.inspection.digest).then(|| bytes.into())
    }

    /// Checks what does not need the engine: that there is a door, and that every import is offered.
    ///
    /// # Errors
    ///
    /// For the first thing that is wrong.
    pub fn check(&self, memory_mib_max: u32) -> Result<(), Error> {
        let missing = self.inspection.missing_imports(&engine::provides);
        if !missing.is_empty() {
            return Err(Error::Imports { file: self.file.clone(), missing: missing.join(", ") });
        }
        if self.inspection.doors.is_empty() {
            return Err(Error::Engine { file: self.file.clone(), source: engine::Error::NoDoor });
        }
        let asked = self.manifest.limits.memory_bytes_max;
        if asked > u64::from(memory_mib_max) << 20 {
            let reason = format!(
                "asks for {} MiB per instance, and `memory_mib_max` in [engine] allows {memory_mib_max}",
                asked >> 20
            );
            return Err(Error::Beyond { file: self.file.clone(), reason });
        }
        let told = Description::of(&self.manifest, &self.inspection).encode().len();
        if told > DESCRIPTION_BYTES_MAX {
            let reason = format!(
                "has more routes than other hosts can be told of: {told} bytes, at most {DESCRIPTION_BYTES_MAX} are read"
            );
            return Err(Error::Beyond { file: self.file.clone(), reason });
        }
        Ok(())
    }
}

fn read(path: &Path, bytes_max: usize) -> Result<Vec<u8>, Error> {
    use std::io::Read;
    let file = || path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut bytes = Vec::new();
    // Opening a pipe would wait until somebody writes to it.
    let regular = std::fs::metadata(path)
        .and_then(|data| if data.is_file() { Ok(()) } else { Err(io::Error::other("it is not a regular file")) });
    regular
        .and_then(|()| std::fs::File::open(path))
        .and_then(|opened| opened.take(bytes_max as u64 + 1).read_to_end(&mut bytes))
        .map_err(|source| Error::Read { file: file(), source })?;
    Ok(bytes)
}

fn read_manifest(path: &Path) -> Result<(String, String), Error> {
    let origin = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let bytes = read(path, manifest::MANIFEST_BYTES_MAX)?;
    let text = String::from_utf8(bytes).map_err(|_| Error::Read {
        file: origin.clone(),
        source: io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"),
    })?;
    Ok((origin, text))
}
