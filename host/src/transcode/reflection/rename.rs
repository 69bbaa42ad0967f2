//! Files under other names.

use std::collections::HashMap;

use bytes::Bytes;
use prost::encoding::string;

use super::scan::{Fields, IMPORTS, Value};
use super::tables::File;

/// A file as it is shown: with its other name, and those of what it imports, where there are such.
pub(super) fn shown<'f>(file: &'f File, by_id: impl Fn(u32) -> Option<&'f File>) -> Bytes {
    let imports: HashMap<&str, &str> = file
        .imports
        .iter()
        .filter_map(|&id| by_id(id))
        .filter_map(|import| Some((&*import.name, import.shown.as_deref()?)))
        .collect();
    if file.shown.is_none() && imports.is_empty() {
        return file.bytes.clone();
    }
    let mut renamed = Vec::with_capacity(file.bytes.len() + 64);
    // It was read before, and without errors.
    for field in Fields::of(&file.bytes).flatten() {
        let name = match field.value {
            Value::Bytes(_) if field.tag == 1 => file.shown.as_deref(),
            Value::Bytes(name) if IMPORTS.contains(&field.tag) => {
                str::from_utf8(name).ok().and_then(|name| imports.get(name).copied())
            }
            _ => None,
        };
        match name {
            Some(name) => string::encode(field.tag, &name.to_owned(), &mut renamed),
            None => renamed.extend_from_slice(field.whole),
        }
    }
    renamed.into()
}
