//! What lies in the directory of modules.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What tells that a file may have changed without reading it. Links are followed, so that a directory whose links
/// are switched (as Kubernetes does it) shows a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint {
    device: u64,
    inode: u64,
    size: u64,
    modified_ns: i128,
    changed_ns: i128,
}

impl Fingerprint {
    /// # Errors
    ///
    /// When the file cannot be looked at.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let data = fs::metadata(path)?;
        let nanos = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
        Ok(Self {
            device: data.dev(),
            inode: data.ino(),
            size: data.size(),
            modified_ns: nanos(data.mtime(), data.mtime_nsec()),
            changed_ns: nanos(data.ctime(), data.ctime_nsec()),
        })
    }
}

/// A module file and the manifest beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The component.
    pub wasm: PathBuf,
    /// The manifest, when there is one.
    pub manifest: Option<PathBuf>,
    /// Of the component; `None` when it cannot be looked at, which reading it will explain.
    wasm_print: Option<Fingerprint>,
    manifest_print: Option<Fingerprint>,
}

impl Found {
    /// One module file, and the manifest beside it when there is one.
    pub fn at(wasm: &Path) -> Self {
        let manifest = wasm.with_extension("toml");
        // A link that leads nowhere is a manifest that cannot be read, not one that is absent.
        let manifest = manifest.symlink_metadata().is_ok().then_some(manifest);
        Self {
            wasm_print: Fingerprint::of(wasm).ok(),
            manifest_print: manifest.as_deref().and_then(|path| Fingerprint::of(path).ok()),
            wasm: wasm.to_owned(),
            manifest,
        }
    }

    /// The name a service has when its manifest gives none.
    pub fn stem(&self) -> String {
        self.wasm.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The file's name, for messages.
    pub fn file_name(&self) -> String {
        self.wasm.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Whether the component changed within the last `age`.
    pub(super) fn is_fresh(&self, age: Duration) -> bool {
        let changed = fs::metadata(&self.wasm).and_then(|data| data.modified());
        changed.is_ok_and(|changed| changed.elapsed().is_ok_and(|since| since < age))
    }

    /// Whether the files are still the ones that were found.
    pub fn is_current(&self) -> bool {
        *self == Self::at(&self.wasm)
    }
}

/// All modules in a directory, by stem. Hidden files are left out: editors and copying tools write under such names
/// before they rename.
///
/// # Errors
///
/// When the directory cannot be read. That is never to be taken for an empty one.
pub fn scan(dir: &Path) -> io::Result<BTreeMap<String, Found>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if hidden || path.extension().is_none_or(|extension| extension != "wasm") || path.is_dir() {
            continue;
        }
        let module = Found::at(&path);
        found.insert(module.stem(), module);
    }
    Ok(found)
}

/// Leaves of `found` what `only` names by stem; nothing named means all. Returns the names that are of no module. `_`
/// and `-` are the same, since cargo calls the product of `my-shop` `my_shop.wasm`.
pub fn select(found: &mut BTreeMap<String, Found>, only: &[String]) -> BTreeSet<String> {
    let same = |a: &str, b: &str| a.replace('_', "-") == b.replace('_', "-");
    let unknown = only.iter().filter(|name| !found.keys().any(|stem| same(stem, name))).cloned().collect();
    if !only.is_empty() {
        found.retain(|stem, _| only.iter().any(|name| same(stem, name)));
    }
    unknown
}

/// Manifests in a directory that lie beside no module. Best effort: what cannot be read has been told of.
pub fn orphans(dir: &Path, found: &BTreeMap<String, Found>) -> BTreeSet<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    entries
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        // The directory of modules can be a cargo workspace too.
        .filter(|path| path.file_name().is_some_and(|name| name != "Cargo.toml" && name != "rust-toolchain.toml"))
        .filter(|path| path.file_stem().is_some_and(|stem| !found.contains_key(&*stem.to_string_lossy())))
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .filter(|name| !name.starts_with('.'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_modules_are_found_and_changes_show() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.wasm", "a.toml", ".b.wasm", "c.wasm.tmp", "d.toml"] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        fs::create_dir(dir.path().join("e.wasm")).unwrap();
        let found = scan(dir.path()).unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), ["a"]);
        let a = &found["a"];
        assert!(a.manifest.is_some() && a.is_current());
        fs::write(dir.path().join("a.toml"), "longer than before").unwrap();
        assert!(!a.is_current());
    }

    #[test]
    fn modules_are_selected_by_their_stems() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["orders.wasm", "my_shop.wasm", "users.wasm"] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        for (only, left, unknown) in [
            (&[][..], &["my_shop", "orders", "users"][..], &[][..]),
            (&["orders"], &["orders"], &[]),
            (&["my-shop", "users"], &["my_shop", "users"], &[]),
            (&["my_shop", "order"], &["my_shop"], &["order"]),
            (&["a", "b"], &[], &["a", "b"]),
        ] {
            let only: Vec<String> = only.iter().map(ToString::to_string).collect();
            let mut found = scan(dir.path()).unwrap();
            assert_eq!(select(&mut found, &only).into_iter().collect::<Vec<_>>(), unknown, "{only:?}");
            assert_eq!(found.into_keys().collect::<Vec<_>>(), left, "{only:?}");
        }
    }

    #[test]
    fn a_directory_that_is_gone_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        assert!(scan(&dir.path().join("gone")).is_err());
    }
}
