//! Goes once through the bytes of a component and the modules inside it, and collects what is of interest.

use std::collections::BTreeSet;

use wasmparser::{
    BinaryReaderError, Chunk, ComponentExternalKind, CustomSectionReader, Encoding, KnownCustom, Parser, Payload,
    ProducersSectionReader, SectionLimited,
};

use super::{DESCRIPTORS_BYTES_MAX, DESCRIPTORS_SECTION, Error, MANIFEST_SECTION, NAMES_MAX, NESTING_MAX};

/// More tools than this never worked on one module; the notes are for people.
const PRODUCERS_MAX: usize = 64;

/// The longest note of a tool that is kept, in bytes.
const PRODUCER_BYTES_MAX: usize = 128;

/// What a walk found.
#[derive(Default)]
pub(super) struct Found {
    pub(super) imports: Vec<String>,
    pub(super) exports: Vec<String>,
    /// The exports that are instances, and so may be doors.
    pub(super) instances: Vec<String>,
    pub(super) manifest: Option<String>,
    pub(super) descriptors: Vec<u8>,
    pub(super) languages: BTreeSet<String>,
    pub(super) tools: BTreeSet<String>,
}

pub(super) fn walk(bytes: &[u8]) -> Result<Found, Error> {
    check_header(bytes)?;
    let mut walk = Walk::default();
    let mut parser = Parser::new(0);
    let mut outer = Vec::new();
    let mut rest = bytes;
    let truncated = Error::Truncated { size: bytes.len() };
    loop {
        // Not saying that this is the end is what tells a cut file from a malformed one.
        let chunk = parser.parse(rest, rest.is_empty()).map_err(malformed)?;
        let Chunk::Parsed { consumed, payload } = chunk else {
            return Err(truncated);
        };
        rest = rest.get(consumed..).unwrap_or_default();
        match payload {
            Payload::ModuleSection { parser: inner, unchecked_range }
            | Payload::ComponentSection { parser: inner, unchecked_range } => {
                // Cut between two sections of the inner module, it would look complete.
                if unchecked_range.end > bytes.len() {
                    return Err(truncated);
                }
                outer.push(std::mem::replace(&mut parser, inner));
                if outer.len() > NESTING_MAX {
                    return Err(Error::TooDeep);
                }
            }
            Payload::End(_) => match outer.pop() {
                Some(parent) => parser = parent,
                None => return walk.finish(),
            },
            payload => walk.visit(&payload, outer.len())?,
        }
    }
}

/// Recognises what people mistake for a component. A valid header is left to the parser.
fn check_header(bytes: &[u8]) -> Result<(), Error> {
    const MAGIC: &[u8] = b"\0asm";
    const TEXT: [&[u8]; 4] = [b"(component", b"(module", b"(;", b";;"];
    if bytes.is_empty() {
        return Err(Error::Empty);
    }
    if bytes.starts_with(MAGIC) {
        return Ok(());
    }
    if MAGIC.starts_with(bytes) {
        return Err(Error::Truncated { size: bytes.len() });
    }
    let text = bytes.trim_ascii_start();
    let found = match bytes {
        _ if TEXT.iter().any(|start| text.starts_with(start)) => "WebAssembly text, which has to be assembled first",
        _ if bytes.starts_with(b"\x7fELF") => "a native or precompiled file",
        _ if bytes.starts_with(b"\x1f\x8b") => "gzip data, which has to be unpacked first",
        _ if bytes.iter().all(|byte| *byte == 0) => "nothing but zeros",
        _ => "something else",
    };
    Err(Error::NotWasm { found })
}

fn malformed(error: BinaryReaderError) -> Error {
    Error::Malformed {
        message: error.message().escape_debug().to_string(),
        offset: u64::try_from(error.offset()).unwrap_or(u64::MAX),
    }
}

#[derive(Default)]
struct Walk {
    found: Found,
    /// Manifests in modules and components inside, which count when the component itself has none.
    inner_manifest: Option<String>,
}

impl Walk {
    /// `depth` is 0 for the component itself.
    fn visit(&mut self, payload: &Payload<'_>, depth: usize) -> Result<(), Error> {
        match payload {
            Payload::Version { encoding, .. } if depth == 0 && *encoding == Encoding::Module => Err(Error::CoreModule),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in items(section, "imports", self.found.imports.len())? {
                    let name = import.map_err(malformed)?.name.name;
                    self.found.imports.push(name.to_owned());
                }
                Ok(())
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in items(section, "exports", self.found.exports.len())? {
                    let export = export.map_err(malformed)?;
                    let name = export.name.name.to_owned();
                    if export.kind == ComponentExternalKind::Instance {
                        self.found.instances.push(name.clone());
                    }
                    self.found.exports.push(name);
                }
                Ok(())
            }
            Payload::CustomSection(section) => self.custom(section, depth),
            _ => Ok(()),
        }
    }

    fn custom(&mut self, section: &CustomSectionReader<'_>, depth: usize) -> Result<(), Error> {
        match section.name() {
            MANIFEST_SECTION => {
                let text = std::str::from_utf8(section.data())
                    .map_err(|_| Error::Manifest { reason: "the manifest is not UTF-8" })?;
                let slot = match depth {
                    0 => &mut self.found.manifest,
                    _ => &mut self.inner_manifest,
                };
                match slot {
                    Some(earlier) if earlier != text => {
                        Err(Error::Manifest { reason: "there are two manifests, and they differ" })
                    }
                    Some(_) => Ok(()),
                    None => {
                        *slot = Some(text.to_owned());
                        Ok(())
                    }
                }
            }
            DESCRIPTORS_SECTION => {
                if self.found.descriptors.len() + section.data().len() > DESCRIPTORS_BYTES_MAX {
                    return Err(Error::Descriptors { reason: format!("more than {DESCRIPTORS_BYTES_MAX} bytes") });
                }
                self.found.descriptors.extend_from_slice(section.data());
                Ok(())
            }
            _ => {
                if let KnownCustom::Producers(producers) = section.as_known() {
                    self.producers(producers);
                }
                Ok(())
            }
        }
    }

    /// The notes of tools are a courtesy: what cannot be read of them is passed over.
    fn producers(&mut self, producers: ProducersSectionReader<'_>) {
        for field in producers.into_iter().map_while(Result::ok) {
            for value in field.values.into_iter().map_while(Result::ok) {
                let (notes, text) = match field.name {
                    "language" => (&mut self.found.languages, value.name.to_owned()),
                    _ => {
                        let text = format!("{} {}", value.name, value.version);
                        (&mut self.found.tools, text.trim_end().to_owned())
                    }
                };
                if notes.len() < PRODUCERS_MAX && text.len() <= PRODUCER_BYTES_MAX {
                    notes.insert(text);
                }
            }
        }
    }

    fn finish(self) -> Result<Found, Error> {
        let manifest = self.found.manifest.or(self.inner_manifest);
        Ok(Found { manifest, ..self.found })
    }
}

/// The entries of a section, provided they are not too many together with those `before`.
fn items<'s, T: wasmparser::FromReader<'s>>(
    section: &SectionLimited<'s, T>,
    what: &'static str,
    before: usize,
) -> Result<wasmparser::SectionLimitedIntoIter<'s, T>, Error> {
    let count = usize::try_from(section.count()).unwrap_or(usize::MAX);
    if before.saturating_add(count) > NAMES_MAX {
        return Err(Error::TooMany { what });
    }
    Ok(section.clone().into_iter())
}
