//! The tables of an index: files, symbols and extensions of all modules.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::HOST;
use super::scan::{self, Declared, Fields, Head, Malformed, Value};

/// Descriptors of a module, in bytes.
pub const SET_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Files of a module, with those that come twice.
pub const FILES_MAX: usize = 2000;

/// Names that all files of a module define, together, and the extensions that are among them once more.
pub const SYMBOLS_MAX: usize = 200_000;

/// Imports of all files of a module, together.
pub const IMPORTS_MAX: usize = 100_000;

/// What stands for a name: two hashes, seeded at random, so that a name takes 16 bytes however long it is. That two names
/// have the same can be left out of account.
pub(super) type Key = [u64; 2];

#[derive(Default)]
pub(super) struct Keys(RandomState, RandomState);

impl Keys {
    pub(super) fn of(&self, name: &str) -> Key {
        [self.0.hash_one(name), self.1.hash_one(name)]
    }
}

/// A file of a module.
pub(super) struct File {
    pub(super) module: u32,
    pub(super) name: Arc<str>,
    pub(super) package: Box<str>,
    /// The name it is shown under instead, when another module has something else under its own.
    pub(super) shown: Option<Arc<str>>,
    /// Encoded, as it came.
    pub(super) bytes: Bytes,
    /// Of what the file means, see [`digest`].
    pub(super) digest: [u8; 32],
    /// Those that are there.
    pub(super) imports: Box<[u32]>,
}

/// A name that is defined.
pub(super) struct Symbol {
    pub(super) key: Key,
    pub(super) file: u32,
    /// Where its descriptor is in the file.
    start: u32,
    length: u32,
    /// Whether its full name is that of the package and its own.
    pub(super) top: bool,
}

impl Symbol {
    /// The encoded descriptor.
    pub(super) fn descriptor<'f>(&self, file: &'f File) -> &'f [u8] {
        let start = self.start as usize;
        file.bytes.get(start..start + self.length as usize).unwrap_or_default()
    }
}

/// A field that is added to a message.
pub(super) struct Extension {
    pub(super) extendee: Key,
    pub(super) number: i32,
    pub(super) file: u32,
}

#[derive(Default)]
pub(super) struct Tables {
    pub(super) files: Vec<File>,
    /// Until they are sorted: by file, see `spans`.
    pub(super) symbols: Vec<Symbol>,
    pub(super) extensions: Vec<Extension>,
    /// Where the symbols of each file are.
    spans: Vec<Range<usize>>,
    /// The files of the host.
    host: HashMap<Arc<str>, u32>,
}

impl Tables {
    /// Adds the files of a module; none, when one of them cannot be read.
    pub(super) fn add(&mut self, keys: &Keys, module: u32, set: &Bytes) -> Result<(), Malformed> {
        let lengths = (self.files.len(), self.symbols.len(), self.extensions.len());
        let added = self.try_add(keys, module, set);
        if added.is_err() {
            self.files.truncate(lengths.0);
            self.spans.truncate(lengths.0);
            self.symbols.truncate(lengths.1);
            self.extensions.truncate(lengths.2);
        }
        added
    }

    fn try_add(&mut self, keys: &Keys, module: u32, set: &Bytes) -> Result<(), Malformed> {
        if set.len() > SET_BYTES_MAX {
            return Err(too_much("bytes", SET_BYTES_MAX));
        }
        let names_max = self.symbols.len() + self.extensions.len() + SYMBOLS_MAX;
        let mut heads = Vec::new();
        let mut ids: HashMap<&str, u32> = HashMap::new();
        let mut files = 0;
        let mut imports = 0;
        for field in Fields::of(set) {
            let Some((file, start)) = field?.bytes(1) else { continue };
            files += 1;
            if files > FILES_MAX {
                return Err(too_much("files", FILES_MAX));
            }
            let head = scan::head(file)?;
            imports += head.imports.len();
            if imports > IMPORTS_MAX {
                return Err(too_much("imports", IMPORTS_MAX));
            }
            if head.name.is_empty() {
                return Err(Malformed("a file has no name".to_owned()));
            }
            // What the parts of a module were made from may contain the same file.
            if ids.contains_key(head.name) {
                continue;
            }
            let id = self.file(keys, module, &head, set.slice(start..start + file.len()), names_max);
            let id = id.map_err(|error| Malformed(format!("the file `{}`: {error}", head.name.escape_debug())))?;
            ids.insert(head.name, id);
            heads.push((id, head));
        }
        for (id, head) in heads {
            let found = head.imports.iter().filter_map(|&import| ids.get(import).or_else(|| self.host.get(import)));
            let found = found.copied().collect();
            if let Some(file) = self.files.get_mut(id as usize) {
                file.imports = found;
            }
        }
        if module == HOST {
            self.host = ids.into_iter().map(|(name, id)| (name.into(), id)).collect();
        }
        Ok(())
    }

    fn file(
        &mut self,
        keys: &Keys,
        module: u32,
        head: &Head<'_>,
        bytes: Bytes,
        names_max: usize,
    ) -> Result<u32, Malformed> {
        let id = u32::try_from(self.files.len()).map_err(|_| too_much("files", u32::MAX as usize))?;
        let before = self.symbols.len();
        scan::declarations(&bytes, head.package, &mut |declared| {
            match declared {
                Declared::Symbol { name, start, descriptor, top } => {
                    let key = keys.of(name);
                    // A set is far smaller than what 32 bits can count.
                    let (start, length) = (start as u32, descriptor.len() as u32);
                    self.symbols.push(Symbol { key, file: id, start, length, top });
                }
                Declared::Extension { extendee, number } => {
                    self.extensions.push(Extension { extendee: keys.of(extendee), number, file: id });
                }
            }
            if self.symbols.len() + self.extensions.len() > names_max {
                return Err(too_much("names", SYMBOLS_MAX));
            }
            Ok(())
        })?;
        let digest = digest(&bytes)?;
        self.files.push(File {
            module,
            name: head.name.into(),
            package: head.package.into(),
            shown: None,
            bytes,
            digest,
            imports: Box::default(),
        });
        self.spans.push(before..self.symbols.len());
        Ok(id)
    }

    /// The symbols of a file, as long as they are not sorted.
    pub(super) fn of(&self, file: u32) -> &[Symbol] {
        let span = self.spans.get(file as usize).cloned();
        span.and_then(|span| self.symbols.get(span)).unwrap_or_default()
    }

    /// Makes symbols and extensions ready to be found.
    pub(super) fn sort(&mut self) {
        self.spans = Vec::new();
        self.symbols.sort_unstable_by_key(|symbol| (symbol.key, symbol.file, symbol.start));
        self.symbols.shrink_to_fit();
        self.extensions.sort_unstable_by_key(|extension| (extension.extendee, extension.number, extension.file));
        self.extensions.shrink_to_fit();
    }
}

fn too_much(what: &str, max: usize) -> Malformed {
    Malformed(format!("more than {max} {what}"))
}

/// The first option of a file that is more than advice to compilers: `features`. Custom options come after it.
const OPTIONS_THAT_MATTER: u32 = 50;

/// A digest of what a file means: the same when only comments differ, or options such as Java's names of packages, which
/// tools add.
fn digest(file: &[u8]) -> Result<[u8; 32], Malformed> {
    let mut digest = Sha256::new();
    for field in Fields::of(file) {
        let field = field?;
        match (field.tag, field.value) {
            (8, Value::Bytes(options)) => {
                for option in Fields::of(options) {
                    let option = option?;
                    if option.tag >= OPTIONS_THAT_MATTER {
                        digest.update(option.whole);
                    }
                }
            }
            // Comments, and where in the text things are.
            (9, _) => {}
            _ => digest.update(field.whole),
        }
    }
    Ok(digest.finalize().into())
}
