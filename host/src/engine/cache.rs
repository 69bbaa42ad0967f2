//! Compiled modules on disk, so that a restart does not compile again.
//!
//! An entry is named by the digest of the component and by everything about the engine that matters to compiled code.
//! It carries a checksum of its own, because what is in it will be executed: an entry that is torn, stale or foreign
//! is compiled anew, never trusted.

use std::fs;
use std::hash::{Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

/// Entries kept; the oldest go first. A module of 0.5 MB compiles to some 2 MB.
const ENTRIES_MAX: usize = 1024;
const CHECKSUM_BYTES: usize = 32;

/// The directory of compiled modules.
pub(super) struct Cache {
    dir: PathBuf,
    engine: String,
}

impl Cache {
    /// # Errors
    ///
    /// When the directory cannot be made.
    pub(super) fn open(dir: &Path, engine: &wasmtime::Engine) -> io::Result<Self> {
        // Only this user may write what this process will execute.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let mut hasher = Hash64::default();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Ok(Self { dir: dir.to_owned(), engine: hasher.hex() })
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.dir.join(format!("{}-{}.cwasm", digest.replace(':', "-"), self.engine))
    }

    /// The compiled bytes of the component with this digest, when they are there and whole.
    pub(super) fn load(&self, digest: &str) -> Option<Vec<u8>> {
        let path = self.path(digest);
        let mut entry = fs::read(&path).ok()?;
        let whole = entry.len() > CHECKSUM_BYTES && {
            let compiled = entry.split_off(CHECKSUM_BYTES);
            let sound = Sha256::digest(&compiled).as_slice() == entry.as_slice();
            entry = compiled;
            sound
        };
        if !whole {
            tracing::warn!(path = %path.display(), "a compiled module is damaged; compiling it again");
            return None;
        }
        // The time of last use decides what is removed first. Failing to note it costs only that.
        let _ = fs::File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        Some(entry)
    }

    /// Keeps compiled bytes. A cache that cannot be written is a slow start, not a failure.
    pub(super) fn store(&self, digest: &str, compiled: &[u8]) {
        if let Err(error) = self.try_store(digest, compiled) {
            tracing::warn!(dir = %self.dir.display(), %error, "cannot keep a compiled module; the next start will compile it again");
        }
        self.prune();
    }

    fn try_store(&self, digest: &str, compiled: &[u8]) -> io::Result<()> {
        let path = self.path(digest);
        let unfinished = path.with_extension(format!("{}.tmp", std::process::id()));
        let written = (|| {
            let mut file =
                fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
            file.write_all(&Sha256::digest(compiled))?;
            file.write_all(compiled)?;
            fs::rename(&unfinished, &path)
        })();
        if written.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        written
    }

    fn prune(&self) {
        let Ok(entries) = fs::read_dir(&self.dir) else { return };
        let mut entries: Vec<_> = entries
            .flatten()
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        if entries.len() <= ENTRIES_MAX {
            return;
        }
        entries.sort_unstable();
        for (_, path) in entries.iter().take(entries.len() - ENTRIES_MAX) {
            let _ = fs::remove_file(path);
        }
    }
}

/// SHA-256 behind the hasher interface: the standard library's hashers are not stable across releases.
#[derive(Default)]
struct Hash64(Sha256);

impl Hash64 {
    fn hex(self) -> String {
        self.0.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Hasher for Hash64 {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_entry_is_not_loaded() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path(), &wasmtime::Engine::default()).unwrap();
        cache.store("sha256:ab", b"compiled");
        assert_eq!(cache.load("sha256:ab").as_deref(), Some(&b"compiled"[..]));
        let path = cache.path("sha256:ab");
        let good = fs::read(&path).unwrap();
        for cut in 0..good.len() {
            fs::write(&path, &good[..cut]).unwrap();
            assert_eq!(cache.load("sha256:ab"), None, "cut at {cut}");
        }
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, &bad).unwrap();
            assert_eq!(cache.load("sha256:ab"), None, "flipped at {at}");
        }
    }
}
