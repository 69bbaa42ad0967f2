//! Descriptors for tests, from `.proto` text.

use prost::Message;
use protox::Compiler;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

/// Files that are nowhere but here.
struct Texts(Vec<(String, String)>);

impl FileResolver for Texts {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match self.0.iter().find(|(file, _)| file == name) {
            Some((file, text)) => File::from_source(file, text),
            None => Err(protox::Error::file_not_found(name)),
        }
    }
}

/// The encoded set of some files, by name and text, and of all they import.
pub(crate) fn compile(files: &[(&str, &str)]) -> Vec<u8> {
    let texts = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let mut resolver = ChainFileResolver::new();
    resolver.add(Texts(texts));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).include_source_info(true);
    for (name, _) in files {
        compiler.open_file(name).unwrap_or_else(|error| panic!("{name}: {error:?}"));
    }
    compiler.encode_file_descriptor_set()
}

/// A set of descriptors as they are built in tests.
pub(crate) fn encode(files: Vec<prost_types::FileDescriptorProto>) -> Vec<u8> {
    prost_types::FileDescriptorSet { file: files }.encode_to_vec()
}

/// All that is done with a set before the library sees it.
pub(crate) fn canonical(set: &[u8]) {
    let mut canonical = super::canonical::Canonical::new();
    for file in super::read::files(set).unwrap_or_default() {
        let _ = super::read::decode(file).and_then(|mut file| canonical.file(&mut file));
    }
}
