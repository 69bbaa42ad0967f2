//! Compiled modules on disk, so that a restart does not compile again.
//!
//! An entry is named by the digest of the component and by everything about the engine that matters to compiled code.
//! A checksum lies beside it, because what is in it will be executed: an entry that is torn, stale or foreign is compiled
//! anew, never trusted. The entry itself is mapped and not read, so that of a module's code only what runs takes memory;
//! entries are replaced and removed, never changed.

use std::fs;
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

/// Entries kept; the oldest go first. A module of 0.5 MB compiles to some 2 MB.
const ENTRIES_MAX: usize = 1024;
/// The extension of the file with an entry's checksum.
const CHECKSUM: &str = "sha256";
/// Read at once to check an entry.
const CHUNK_BYTES: usize = 256 * 1024;

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

    /// Where the compiled component with this digest is, when it is there and whole.
    pub(super) fn find(&self, digest: &str) -> Option<PathBuf> {
        let path = self.path(digest);
        let mut file = fs::File::open(&path).ok()?;
        if fs::read(path.with_extension(CHECKSUM)).ok() != checksum(&mut file).ok().map(|sum| sum.to_vec()) {
            tracing::warn!(path = %path.display(), "a compiled module is damaged; compiling it again");
            return None;
        }
        // The time of last use decides what is removed first. Failing to note it costs only that.
        let _ = file.set_modified(SystemTime::now());
        Some(path)
    }

    /// Keeps compiled bytes and says where. A cache that cannot be written is a slow start, not a failure.
    pub(super) fn store(&self, digest: &str, compiled: &[u8]) -> Option<PathBuf> {
        let path = self.path(digest);
        // The checksum last: without it the entry does not count.
        let sum = Sha256::digest(compiled);
        let stored = write(&path, compiled).and_then(|()| write(&path.with_extension(CHECKSUM), &sum));
        if let Err(error) = &stored {
            tracing::warn!(dir = %self.dir.display(), %error, "cannot keep a compiled module; the next start will compile it again");
        }
        self.prune();
        stored.is_ok().then_some(path)
    }

    fn prune(&self) {
        let Ok(entries) = fs::read_dir(&self.dir) else { return };
        let mut entries: Vec<_> = entries
            .flatten()
            .map(|entry| (entry.metadata(), entry.path()))
            .filter(|(_, path)| path.extension().is_none_or(|extension| extension != CHECKSUM))
            .filter_map(|(metadata, path)| Some((metadata.ok()?.modified().ok()?, path)))
            .collect();
        if entries.len() <= ENTRIES_MAX {
            return;
        }
        entries.sort_unstable();
        for (_, path) in entries.iter().take(entries.len() - ENTRIES_MAX) {
            let _ = fs::remove_file(path);
            let _ = fs::remove_file(path.with_extension(CHECKSUM));
        }
    }
}

/// Writes a file that is either there as a whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_added_extension(format!("{}.tmp", std::process::id()));
    let mut options = fs::OpenOptions::new();
    let opened = options.write(true).create(true).truncate(true).mode(0o600).open(&unfinished);
    let written = opened.and_then(|mut file| file.write_all(bytes)).and_then(|()| fs::rename(&unfinished, path));
    if written.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    written
}

fn checksum(file: &mut fs::File) -> io::Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = file.read(&mut chunk)?;
        let Some(bytes) = chunk.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        hasher.update(bytes);
    }
    Ok(hasher.finalize().into())
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
        let path = cache.store("sha256:ab", b"compiled").unwrap();
        assert_eq!(cache.find("sha256:ab"), Some(path.clone()));
        assert_eq!(fs::read(&path).unwrap(), b"compiled");
        for damaged in [path.clone(), path.with_extension(CHECKSUM)] {
            let good = fs::read(&damaged).unwrap();
            for cut in 0..good.len() {
                fs::write(&damaged, &good[..cut]).unwrap();
                assert_eq!(cache.find("sha256:ab"), None, "cut at {cut}");
            }
            for at in 0..good.len() {
                let mut bad = good.clone();
                bad[at] ^= 1;
                fs::write(&damaged, &bad).unwrap();
                assert_eq!(cache.find("sha256:ab"), None, "flipped at {at}");
            }
            fs::remove_file(&damaged).unwrap();
            assert_eq!(cache.find("sha256:ab"), None);
            fs::write(&damaged, &good).unwrap();
        }
        assert_eq!(cache.find("sha256:ab"), Some(path));
    }
}
