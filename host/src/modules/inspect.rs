//! What a module is, read from its bytes without compiling or running it.
//!
//! The bytes may be anything: a half-written file, a core module, something hostile. Every answer is either an
//! [`Inspection`] or an [`Error`] that tells the developer what was found instead, and memory stays within a small
//! multiple of the limits stated here. Whether the code inside is valid is for the engine to say.

mod descriptors;
mod digest;
mod interface;
mod walk;

use std::collections::BTreeSet;
use std::fmt;

pub use descriptors::{GrpcMethod, GrpcService, Idempotency};
pub use digest::{Digest, ParseDigestError};

/// The largest module that is read, in bytes.
pub const MODULE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// How deep components and modules may be nested in each other.
pub const NESTING_MAX: usize = 16;

/// Imports, exports and producers a module may name, each.
pub const NAMES_MAX: usize = 10_000;

/// Protobuf descriptors a module may carry, in bytes, all sections together.
pub const DESCRIPTORS_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The custom section that holds the manifest, as TOML.
pub const MANIFEST_SECTION: &str = "hostel:manifest";

/// The custom section that holds an encoded `google.protobuf.FileDescriptorSet`.
pub const DESCRIPTORS_SECTION: &str = "hostel:descriptors";

/// What a component is and says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    pub digest: Digest,
    /// In bytes.
    pub size: usize,
    /// How the host can call the module, in the order of preference. Empty: it cannot, the module is no service.
    pub doors: Vec<Door>,
    /// Names of what the component imports, such as `wasi:io/streams@0.2.6`, in the order of the file.
    pub imports: Vec<String>,
    pub exports: Vec<String>,
    /// Versions of the WASI packages (`wasi:cli`, `wasi:http`, ...) the module names. Those of proposals such as
    /// `wasi:keyvalue`, which are versioned on their own, are not among them.
    pub wasi_versions: BTreeSet<String>,
    /// The manifest embedded in the module, not parsed yet. One on the component itself wins over those of the
    /// modules inside.
    pub manifest: Option<String>,
    /// A `FileDescriptorSet`, encoded: that of all descriptor sections one after the other, which is how protobuf
    /// merges them. A file may occur more than once, always with the same services.
    pub descriptors: Vec<u8>,
    /// The services of those descriptors, by name. They are the ones the module *knows*: a client of another
    /// service usually carries that one's description too.
    pub services: Vec<GrpcService>,
    /// Source languages, such as `Rust`, as far as the tool chain left a note.
    pub languages: BTreeSet<String>,
    /// Tools that made the module, such as `rustc 1.95.0`, as far as they left a note.
    pub tools: BTreeSet<String>,
}

impl Inspection {
    /// The imports the host does not offer. `offered` gets names such as `wasi:io/streams@0.2.6`.
    #[must_use]
    pub fn missing_imports(&self, offered: &dyn Fn(&str) -> bool) -> Vec<&str> {
        let names = self.imports.iter().map(String::as_str);
        names.filter(|name| !offered(name)).collect()
    }
}

/// An interface through which the host can call a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Door {
    /// `hostel:service/handler@0.2.x`
    Lean,
    /// `wasi:http/handler@0.3.x`
    Http03,
    /// `wasi:http/incoming-handler@0.2.x`
    Http02,
}

impl Door {
    /// A stable name for output and labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lean => "lean",
            Self::Http03 => "http-0.3",
            Self::Http02 => "http-0.2",
        }
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why bytes are not a component that can be looked at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("the file is empty")]
    Empty,
    #[error("not a WebAssembly component: this is {found}")]
    NotWasm { found: &'static str },
    #[error(
        "a core WebAssembly module, not a component; build it with `hostel build`, or for the target wasm32-wasip2"
    )]
    CoreModule,
    /// The bytes end before what they announce, as those of a file that is still being written do.
    #[error("the file is cut off: it ends after {size} bytes, in the middle of a section")]
    Truncated { size: usize },
    #[error("not a valid component: {message} (at byte {offset})")]
    Malformed { message: String, offset: u64 },
    #[error("the module has {size} bytes, at most {MODULE_BYTES_MAX} are taken")]
    TooLarge { size: usize },
    #[error("components are nested more than {NESTING_MAX} deep")]
    TooDeep,
    #[error("the module names more than {NAMES_MAX} {what}")]
    TooMany { what: &'static str },
    #[error("custom section `{MANIFEST_SECTION}`: {reason}")]
    Manifest { reason: &'static str },
    #[error("custom section `{DESCRIPTORS_SECTION}`: {reason}")]
    Descriptors { reason: String },
}

/// Looks at a module.
///
/// # Errors
/// When `bytes` are not a component, exceed a limit, or carry a custom section of ours that cannot be read.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, Error> {
    if bytes.len() > MODULE_BYTES_MAX {
        return Err(Error::TooLarge { size: bytes.len() });
    }
    let found = walk::walk(bytes)?;
    let services = descriptors::services(&found.descriptors).map_err(|reason| Error::Descriptors { reason })?;
    let instances = found.instances.iter();
    let mut doors: Vec<Door> = instances.filter_map(|name| interface::door(name)).collect();
    doors.sort_unstable();
    doors.dedup();
    let names = found.imports.iter().chain(&found.exports);
    let wasi_versions = names.filter_map(|name| interface::wasi_version(name));
    Ok(Inspection {
        digest: Digest::of(bytes),
        size: bytes.len(),
        doors,
        wasi_versions: wasi_versions.map(str::to_owned).collect(),
        imports: found.imports,
        exports: found.exports,
        manifest: found.manifest,
        descriptors: found.descriptors,
        services,
        languages: found.languages,
        tools: found.tools,
    })
}

#[cfg(test)]
mod tests;
