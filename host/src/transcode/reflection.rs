//! gRPC server reflection over all modules of an edge at once: what services there are, and what their messages look
//! like.
//!
//! Each module brings the descriptors of all its files along, those of others that it calls included. So one file may be
//! there many times, and not always the same. Modules are kept apart: an answer consists of files of one module, the file
//! that was asked for first and all it imports after it, and which module that is follows from what the client asked
//! before, see [`Conversation`]. Two files that have nothing in common but their name are shown under two names, so that
//! a client which collects everything can have both. What differs is reported, see [`Clash`].
//!
//! Descriptors are answered as they came, byte by byte, whatever edition of protobuf they are written in. They are not
//! decoded: an index has the places of names in them.
//!
//! Source: gRPC's server reflection protocol.

mod clash;
mod conversation;
mod platform;
mod rename;
mod scan;
mod tables;
mod wire;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;

pub use self::clash::{CLASHES_MAX, Clash, What};
pub use self::conversation::{Conversation, REQUEST_BYTES_MAX, RequestError};
pub use self::platform::{SERVICES, set as platform_set};
pub use self::scan::{NAME_BYTES_MAX, NESTING_MAX};
pub use self::tables::{FILES_MAX, IMPORTS_MAX, SET_BYTES_MAX, SYMBOLS_MAX};
use self::tables::{File, Key, Keys, Tables};

/// Files in one answer, in bytes: gRPC's libraries take messages of 4 MiB. A larger file is sent alone, and files that do
/// not fit can be asked for.
pub const ANSWER_BYTES_MAX: usize = 3 * 1024 * 1024 + 512 * 1024;

/// The module that comes first in every index: the host itself.
const HOST: u32 = 0;

/// The descriptors of a module.
#[derive(Clone, Debug)]
pub struct Source<'a> {
    /// The module, by the name of its service.
    pub service: &'a str,
    /// An encoded `FileDescriptorSet`. The index keeps it.
    pub set: Bytes,
    /// Full names of the gRPC services that calls reach in this module. The set may describe more.
    pub served: Vec<&'a str>,
}

/// A module whose descriptors cannot be shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("reflection has no descriptors of the module `{service}`: {reason}")]
pub struct Unread {
    /// The module.
    pub service: String,
    /// What is wrong with them.
    pub reason: String,
}

/// All descriptors of an edge at one moment.
pub struct Index {
    /// Names of modules. The first is the host.
    modules: Vec<Arc<str>>,
    /// Sorted by module.
    files: Vec<File>,
    /// Files by name, and by the name they are shown under.
    names: BTreeMap<Arc<str>, Vec<u32>>,
    keys: Keys,
    /// Sorted by name, then file.
    symbols: Vec<tables::Symbol>,
    /// Sorted by extended message, then number, then file.
    extensions: Vec<tables::Extension>,
    /// Services, and which module serves each.
    served: BTreeMap<String, u32>,
    clashes: Vec<Clash>,
    unread: Vec<Unread>,
}

impl Index {
    /// Builds the index of some modules, whose order does not matter. A module with descriptors that cannot be read is
    /// among [`Index::unread`], and its services are listed all the same.
    pub fn new<'a>(sources: impl IntoIterator<Item = Source<'a>>) -> Self {
        let mut sources: Vec<_> = sources.into_iter().collect();
        sources.sort_by(|a, b| a.service.cmp(b.service));
        let host = Source { service: platform::NAME, set: platform::set(), served: SERVICES.to_vec() };
        let mut tables = Tables::default();
        let mut index = Self {
            modules: Vec::new(),
            files: Vec::new(),
            names: BTreeMap::new(),
            keys: Keys::default(),
            symbols: Vec::new(),
            extensions: Vec::new(),
            served: BTreeMap::new(),
            clashes: Vec::new(),
            unread: Vec::new(),
        };
        for (module, source) in (HOST..).zip([host].into_iter().chain(sources)) {
            index.modules.push(source.service.into());
            for name in source.served {
                index.served.entry(name.to_owned()).or_insert(module);
            }
            if let Err(reason) = tables.add(&index.keys, module, &source.set) {
                index.unread.push(Unread { service: source.service.to_owned(), reason: reason.to_string() });
            }
        }
        for (id, file) in (0..).zip(&tables.files) {
            index.names.entry(file.name.clone()).or_default().push(id);
        }
        clash::namesakes(&mut tables, &mut index.names, &index.modules, &mut index.clashes);
        tables.sort();
        clash::symbols(&tables, &index.modules, &mut index.clashes);
        index.files = tables.files;
        index.symbols = tables.symbols;
        index.extensions = tables.extensions;
        index
    }

    /// Names that modules define differently, at most [`CLASHES_MAX`]. Copies of what the host describes itself, such as
    /// `google/protobuf/timestamp.proto`, are of all ages and not among them.
    #[must_use]
    pub fn clashes(&self) -> &[Clash] {
        &self.clashes
    }

    /// Modules whose descriptors cannot be shown.
    #[must_use]
    pub fn unread(&self) -> &[Unread] {
        &self.unread
    }

    /// The gRPC services of all modules and of the host, sorted, each once.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        self.served.keys().map(String::as_str)
    }

    /// Answers an encoded `ServerReflectionRequest` that nothing was asked before, with an encoded
    /// `ServerReflectionResponse`.
    ///
    /// # Errors
    /// When the bytes are no such request, or too many. What is not found is an answer.
    pub fn answer(&self, request: &[u8]) -> Result<Vec<u8>, RequestError> {
        Conversation::new().answer(self, request)
    }

    /// The files with this name, or shown under it.
    fn named(&self, name: &str) -> impl Iterator<Item = u32> {
        self.names.get(name).into_iter().flatten().copied()
    }

    /// The files that define a symbol, each at least once.
    fn defining(&self, symbol: &str) -> impl Iterator<Item = u32> {
        let key = self.keys.of(symbol);
        run(&self.symbols, key, |symbol| symbol.key).iter().map(|symbol| symbol.file)
    }

    /// The numbers of extensions of a message, and the files they are in.
    fn extending(&self, message: &str) -> &[tables::Extension] {
        run(&self.extensions, self.keys.of(message), |extension| extension.extendee)
    }

    /// The module that serves what a symbol is part of: a service, or a method of it.
    fn serving(&self, symbol: &str) -> Option<u32> {
        let service = symbol.rsplit_once('.').map_or("", |(service, _)| service);
        self.served.get(symbol).or_else(|| self.served.get(service)).copied()
    }

    fn file(&self, id: u32) -> Option<&File> {
        self.files.get(usize::try_from(id).ok()?)
    }

    fn module(&self, file: u32) -> Option<u32> {
        self.file(file).map(|file| file.module)
    }

    /// A file and after it what it imports, and what that imports, all of one module, or of the host where the module has
    /// left them out. `shown`: under the names that no two of them share, rather than their own.
    fn with_imports(&self, first: u32, shown: bool) -> Vec<Bytes> {
        let mut found = vec![first];
        let mut seen = HashSet::from([first]);
        let mut files: Vec<Bytes> = Vec::new();
        let mut bytes_left = ANSWER_BYTES_MAX;
        let mut at = 0;
        while let Some(file) = found.get(at).and_then(|&id| self.file(id)) {
            at += 1;
            let bytes = if shown { rename::shown(file, |id| self.file(id)) } else { file.bytes.clone() };
            match bytes_left.checked_sub(bytes.len()) {
                Some(left) => bytes_left = left,
                None if files.is_empty() => bytes_left = 0,
                None => break,
            }
            files.push(bytes);
            found.extend(file.imports.iter().filter(|&&id| seen.insert(id)));
        }
        files
    }
}

/// Those of a sorted list that have this key.
fn run<T>(sorted: &[T], key: Key, of: impl Fn(&T) -> Key) -> &[T] {
    let start = sorted.partition_point(|item| of(item) < key);
    let rest = sorted.get(start..).unwrap_or_default();
    rest.get(..rest.partition_point(|item| of(item) == key)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
