//! What clients of reflection do.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message;
use prost_reflect::DescriptorPool;
use prost_types::FileDescriptorProto;
use protox::Compiler;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

use super::super::wire::{Answer, Asked, Extension, Request, Response};
use super::super::{Conversation, Index, Source};

/// Files that are nowhere but here.
struct Texts(BTreeMap<String, String>);

impl FileResolver for Texts {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match self.0.get(name) {
            Some(text) => File::from_source(name, text),
            None => Err(protox::Error::file_not_found(name)),
        }
    }
}

/// The encoded set of some files, by name and text, and of all they import.
pub(super) fn compile(files: &[(&str, &str)]) -> Vec<u8> {
    let mut texts = BTreeMap::from([(super::MONEY.0.to_owned(), super::MONEY.1.to_owned())]);
    texts.extend(files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())));
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

/// The index of some modules: their names, sets, and services they serve.
pub(super) fn index(modules: &[(&str, &[u8], &[&str])]) -> Index {
    Index::new(modules.iter().map(|(service, set, served)| Source {
        service,
        set: Bytes::copy_from_slice(set),
        served: served.to_vec(),
    }))
}

pub(super) fn asked(host: &str, asked: Asked) -> Vec<u8> {
    Request { host: host.to_owned(), asked: Some(asked) }.encode_to_vec()
}

type Answered<T> = Result<T, (i32, String)>;

pub(super) struct Client<'i> {
    pub(super) index: &'i Index,
    conversation: Conversation,
    /// Whether each question has a stream of its own, as gRPC's client in Python does it.
    forgets: bool,
    /// The files of the last answer, encoded.
    pub(super) last: Vec<Bytes>,
}

impl<'i> Client<'i> {
    pub(super) fn new(index: &'i Index) -> Self {
        Self { index, conversation: Conversation::new(), forgets: false, last: Vec::new() }
    }

    pub(super) fn that_forgets(index: &'i Index) -> Self {
        Self { forgets: true, ..Self::new(index) }
    }

    fn ask(&mut self, question: Asked) -> Answered<Answer> {
        let request = asked("", question);
        if self.forgets {
            self.conversation = Conversation::new();
        }
        let response = Response::decode(&*self.conversation.answer(self.index, &request).unwrap()).unwrap();
        match response.answer.unwrap() {
            Answer::Error(error) => Err((error.code, error.message)),
            answer => Ok(answer),
        }
    }

    fn files(&mut self, question: Asked) -> Answered<Vec<FileDescriptorProto>> {
        let Answer::Files(answer) = self.ask(question)? else { panic!("not files") };
        self.last = answer.files;
        Ok(self.last.iter().map(|file| FileDescriptorProto::decode(&**file).unwrap()).collect())
    }

    pub(super) fn list(&mut self) -> Vec<String> {
        match self.ask(Asked::ListServices("*".to_owned())).unwrap() {
            Answer::Services(answer) => answer.services.into_iter().map(|service| service.name).collect(),
            answer => panic!("{answer:?}"),
        }
    }

    pub(super) fn symbol(&mut self, symbol: &str) -> Answered<Vec<FileDescriptorProto>> {
        self.files(Asked::FileContainingSymbol(symbol.to_owned()))
    }

    pub(super) fn file(&mut self, name: &str) -> Answered<Vec<FileDescriptorProto>> {
        self.files(Asked::FileByFilename(name.to_owned()))
    }

    pub(super) fn extension(&mut self, message: &str, number: i32) -> Answered<Vec<FileDescriptorProto>> {
        self.files(Asked::FileContainingExtension(Extension { containing_type: message.to_owned(), number }))
    }

    pub(super) fn numbers(&mut self, message: &str) -> Answered<Vec<i32>> {
        match self.ask(Asked::AllExtensionNumbersOfType(message.to_owned()))? {
            Answer::ExtensionNumbers(answer) => {
                assert_eq!(answer.base_type_name, message);
                Ok(answer.numbers)
            }
            answer => panic!("{answer:?}"),
        }
    }

    /// All that is described, in one pool: the files of each service, the first of each name, and by name what is missing.
    pub(super) fn walk(&mut self) -> DescriptorPool {
        let mut files: BTreeMap<String, FileDescriptorProto> = BTreeMap::new();
        for service in self.list() {
            for file in self.symbol(&service).unwrap() {
                files.entry(file.name().to_owned()).or_insert(file);
            }
        }
        while let Some(missing) =
            files.values().flat_map(|file| &file.dependency).find(|name| !files.contains_key(*name)).cloned()
        {
            for file in self.file(&missing).unwrap() {
                files.entry(file.name().to_owned()).or_insert(file);
            }
            assert!(files.contains_key(&missing), "{missing}");
        }
        let mut pool = DescriptorPool::new();
        pool.add_file_descriptor_protos(files.into_values()).unwrap();
        for service in self.list() {
            assert!(pool.get_service_by_name(&service).is_some(), "{service}");
        }
        pool
    }
}
