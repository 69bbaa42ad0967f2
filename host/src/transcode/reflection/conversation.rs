//! What a client asks in one stream, and what it is answered.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;

use super::Index;
use super::wire::{Answer, Asked, Error, Extension, ExtensionNumbers, Files, Request, Response, Service, Services};
use crate::call::grpc::Code;

/// A request, in bytes. It is sent back with the answer.
pub const REQUEST_BYTES_MAX: usize = 16 * 1024;

/// Modules that a conversation remembers.
const RECENT_MAX: usize = 16;

/// Why a request cannot be answered. The stream ends with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The bytes mean something else.
    #[error("not a ServerReflectionRequest: {reason}")]
    Malformed {
        /// What is wrong with them.
        reason: String,
    },
    /// It is larger than any name.
    #[error("a ServerReflectionRequest of {bytes} bytes; at most {REQUEST_BYTES_MAX} are taken")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
}

impl RequestError {
    /// The status of the stream.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Malformed { .. } => Code::InvalidArgument,
            Self::TooLarge { .. } => Code::ResourceExhausted,
        }
    }
}

/// One stream of reflection. It remembers which modules its client asked about, so that a name that several modules have
/// means that of the module whose symbols the client was given last. Modules are remembered by name, and so a
/// conversation goes on with the index that follows.
#[derive(Clone, Debug, Default)]
pub struct Conversation {
    /// The last one first.
    recent: VecDeque<Arc<str>>,
}

impl Conversation {
    /// Nothing was asked yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers an encoded `ServerReflectionRequest` with an encoded `ServerReflectionResponse`. v1 and v1alpha are the same
    /// in this.
    ///
    /// # Errors
    /// When the bytes are no such request, or too many. What is not found is an answer.
    pub fn answer(&mut self, index: &Index, request: &[u8]) -> Result<Vec<u8>, RequestError> {
        if request.len() > REQUEST_BYTES_MAX {
            return Err(RequestError::TooLarge { bytes: request.len() });
        }
        let Request { host, asked } =
            Request::decode(request).map_err(|error| RequestError::Malformed { reason: error.to_string() })?;
        let answer = self.find(index, asked).unwrap_or_else(Answer::Error);
        let original_request = Some(Bytes::copy_from_slice(request));
        Ok(Response { valid_host: host, original_request, answer: Some(answer) }.encode_to_vec())
    }

    fn find(&mut self, index: &Index, asked: Option<Asked>) -> Result<Answer, Error> {
        match asked {
            Some(Asked::ListServices(_)) => {
                let services = index.services().map(|name| Service { name: name.to_owned() }).collect();
                Ok(Answer::Services(Services { services }))
            }
            Some(Asked::FileByFilename(name)) => {
                let file = self.choose(index, index.named(&name), None);
                let file = file.ok_or_else(|| not_found("file", &name))?;
                // Names of files are those that other answers mention: which module they are of is known already.
                if self.recent.is_empty() {
                    self.remember(index, file);
                }
                // Whoever asks for a file by its own name gets it under that name.
                let own = index.file(file).is_some_and(|file| *file.name == *name);
                Ok(Answer::Files(Files { files: index.with_imports(file, !own) }))
            }
            Some(Asked::FileContainingSymbol(symbol)) => {
                let name = symbol.strip_prefix('.').unwrap_or(&symbol);
                let file = self.choose(index, index.defining(name), index.serving(name));
                self.files(index, file.ok_or_else(|| not_found("symbol", &symbol))?)
            }
            Some(Asked::FileContainingExtension(Extension { containing_type, number })) => {
                let message = containing_type.strip_prefix('.').unwrap_or(&containing_type);
                let extensions = index.extending(message).iter().filter(|extension| extension.number == number);
                let file = self.choose(index, extensions.map(|extension| extension.file), None);
                let missing = || format!("no module has an extension {number} of `{}`", message.escape_debug());
                self.files(index, file.ok_or_else(|| Error::new(Code::NotFound, missing()))?)
            }
            Some(Asked::AllExtensionNumbersOfType(name)) => {
                let message = name.strip_prefix('.').unwrap_or(&name);
                let mut numbers: Vec<_> = index.extending(message).iter().map(|extension| extension.number).collect();
                numbers.dedup();
                if numbers.is_empty() && index.defining(message).next().is_none() {
                    return Err(not_found("message", &name));
                }
                Ok(Answer::ExtensionNumbers(ExtensionNumbers { base_type_name: name, numbers }))
            }
            None => Err(Error::new(
                Code::InvalidArgument,
                "the request asks for nothing that this host knows of: see grpc.reflection.v1".to_owned(),
            )),
        }
    }

    fn files(&mut self, index: &Index, file: u32) -> Result<Answer, Error> {
        self.remember(index, file);
        Ok(Answer::Files(Files { files: index.with_imports(file, true) }))
    }

    /// One of several files: that of the module that serves what is asked for, of the module that was asked about last, or
    /// the first.
    fn choose(&self, index: &Index, files: impl Iterator<Item = u32>, serving: Option<u32>) -> Option<u32> {
        files.min_by_key(|&file| {
            let module = index.module(file);
            if serving.is_some() && module == serving {
                return 0;
            }
            let name = module.and_then(|module| index.modules.get(module as usize));
            let recent = name.and_then(|name| self.recent.iter().position(|recent| recent == name));
            recent.map_or(usize::MAX, |recent| recent + 1)
        })
    }

    fn remember(&mut self, index: &Index, file: u32) {
        let Some(module) = index.module(file).and_then(|module| index.modules.get(module as usize)) else { return };
        self.recent.retain(|recent| recent != module);
        self.recent.push_front(module.clone());
        self.recent.truncate(RECENT_MAX);
    }
}

fn not_found(what: &str, name: &str) -> Error {
    Error::new(Code::NotFound, format!("no module has a {what} `{}`", name.escape_debug()))
}
