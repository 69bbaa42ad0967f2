//! What the files say about definitions beside their types: comments, and `google.api.field_behavior`.
//!
//! Both are looked up by the place of a definition in its file, as descriptors number them.

use std::collections::HashMap;

use prost::Message;
use prost_reflect::{DescriptorPool, FileDescriptor};

use super::text;

/// The numbers of `FileDescriptorProto` and `DescriptorProto` that places are made of.
const FILE_MESSAGES: i32 = 4;
const MESSAGE_FIELDS: i32 = 2;
const MESSAGE_MESSAGES: i32 = 3;

/// The values of `google.api.FieldBehavior` that a schema can say.
const REQUIRED: i32 = 2;
const OUTPUT_ONLY: i32 = 3;
const INPUT_ONLY: i32 = 4;

#[derive(Clone, PartialEq, Message)]
struct File {
    #[prost(message, repeated, tag = "4")]
    messages: Vec<Msg>,
    #[prost(message, optional, tag = "9")]
    source: Option<Source>,
}

#[derive(Clone, PartialEq, Message)]
struct Msg {
    #[prost(message, repeated, tag = "2")]
    fields: Vec<Field>,
    #[prost(message, repeated, tag = "3")]
    messages: Vec<Msg>,
}

#[derive(Clone, PartialEq, Message)]
struct Field {
    #[prost(message, optional, tag = "8")]
    options: Option<FieldOptions>,
}

#[derive(Clone, PartialEq, Message)]
struct FieldOptions {
    #[prost(int32, repeated, tag = "1052")]
    behaviors: Vec<i32>,
}

#[derive(Clone, PartialEq, Message)]
struct Source {
    #[prost(message, repeated, tag = "1")]
    locations: Vec<Location>,
}

#[derive(Clone, PartialEq, Message)]
struct Location {
    #[prost(int32, repeated, tag = "1")]
    path: Vec<i32>,
    #[prost(string, optional, tag = "3")]
    leading: Option<String>,
    #[prost(string, optional, tag = "4")]
    trailing: Option<String>,
}

/// How a field is to be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Behavior {
    pub(super) is_required: bool,
    pub(super) is_output_only: bool,
    pub(super) is_input_only: bool,
}

#[derive(Debug, Default)]
struct FileNotes {
    /// Cleaned and cut, as some are used often.
    comments: HashMap<Vec<i32>, String>,
    behaviors: HashMap<Vec<i32>, Behavior>,
}

/// The notes of all files.
#[derive(Debug, Default)]
pub(super) struct Notes(HashMap<String, FileNotes>);

impl Notes {
    /// Reads them, file by file. One that cannot be read has none.
    pub(super) fn of(pool: &DescriptorPool) -> Self {
        let ours = pool.files().filter(|file| !file.name().starts_with("google/protobuf/"));
        Self(ours.filter_map(|file| Some((file.name().to_owned(), FileNotes::of(&file)?))).collect())
    }

    /// The comment before a definition, or else the one behind it.
    pub(super) fn comment(&self, file: &FileDescriptor, path: &[i32]) -> String {
        self.0.get(file.name()).and_then(|notes| notes.comments.get(path)).cloned().unwrap_or_default()
    }

    pub(super) fn behavior(&self, file: &FileDescriptor, path: &[i32]) -> Behavior {
        let behavior = self.0.get(file.name()).and_then(|notes| notes.behaviors.get(path));
        behavior.copied().unwrap_or_default()
    }
}

impl FileNotes {
    fn of(file: &FileDescriptor) -> Option<Self> {
        let file = File::decode(file.encode_to_vec().as_slice()).ok()?;
        let mut notes = Self::default();
        for location in file.source.map(|source| source.locations).unwrap_or_default() {
            let both = [location.leading, location.trailing];
            let mut said = both.iter().flatten().map(|comment| text::clean(comment));
            if let Some(comment) = said.find(|comment| !comment.is_empty()) {
                notes.comments.entry(location.path).or_insert(comment);
            }
        }
        notes.add_behaviors(&file.messages, &mut vec![FILE_MESSAGES]);
        Some(notes)
    }

    /// `path` ends in the number that these messages have where they are.
    fn add_behaviors(&mut self, messages: &[Msg], path: &mut Vec<i32>) {
        for (index, message) in (0..).zip(messages) {
            path.push(index);
            for (index, field) in (0..).zip(&message.fields) {
                let Some(options) = field.options.as_ref().filter(|options| !options.behaviors.is_empty()) else {
                    continue;
                };
                let has = |behavior| options.behaviors.contains(&behavior);
                let behavior = Behavior {
                    is_required: has(REQUIRED),
                    is_output_only: has(OUTPUT_ONLY),
                    is_input_only: has(INPUT_ONLY),
                };
                let place = path.iter().copied().chain([MESSAGE_FIELDS, index]).collect();
                self.behaviors.insert(place, behavior);
            }
            path.push(MESSAGE_MESSAGES);
            self.add_behaviors(&message.messages, path);
            path.pop();
            path.pop();
        }
    }
}
