//! What a path says about the fields of a request.

use std::sync::Arc;

use super::path::Path;
use super::template::Template;
use super::text::{self, Fault, Reading};

/// The values that a path gives to fields, percent-decoded.
///
/// A variable of one segment (`{id}`, `{id=*}`) is decoded as a whole. One of several (`{name=shelves/*}`, `{path=**}`)
/// keeps `%2F` and `%2f` as they are, so that an encoded slash and one between segments stay different.
/// Source: google/api/http.proto.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captures {
    captured: Vec<Capture>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Capture {
    field: Arc<str>,
    text: Result<String, Fault>,
}

impl Capture {
    pub(super) fn field(&self) -> &str {
        &self.field
    }

    pub(super) fn text(&self) -> Result<&str, Fault> {
        self.text.as_deref().map_err(|fault| *fault)
    }
}

impl Captures {
    pub(super) fn new(template: &Template, path: &Path<'_>) -> Self {
        let captured = template.variables().iter().map(|variable| {
            let (from, to) = template.span(variable, path.count());
            let reading = if variable.is_multi_segment() { Reading::Segments } else { Reading::Segment };
            let text = text::decode(path.segments(from, to), reading);
            Capture { field: variable.shared_field().clone(), text }
        });
        Self { captured: captured.collect() }
    }

    /// Fields, as the template names them, and their values. What cannot be decoded is left out; binding it is an error.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.captured.iter().filter_map(|capture| Some((capture.field(), capture.text().ok()?)))
    }

    /// The value for a field, as the template names it.
    pub fn get(&self, field: &str) -> Option<&str> {
        self.iter().find(|(name, _)| *name == field).map(|(_, text)| text)
    }

    pub(super) fn all(&self) -> &[Capture] {
        &self.captured
    }
}
