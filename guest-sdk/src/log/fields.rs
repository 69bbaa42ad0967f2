//! Fields of events and spans as text: `key=value`, separated by spaces.

use std::fmt::{self, Write};

use tracing_core::field::{Field, Visit};

/// Collects fields. The one called `message` is the event's text and comes first, without its name.
#[derive(Default)]
pub(super) struct Fields {
    message: String,
    pairs: String,
}

impl Fields {
    /// The message, then the other fields.
    pub(super) fn into_line(mut self) -> String {
        if !self.message.is_empty() && !self.pairs.is_empty() {
            self.message.push(' ');
        }
        self.message.push_str(&self.pairs);
        self.message
    }

    /// The fields alone, as a span has them.
    pub(super) fn into_pairs(self) -> String {
        self.pairs
    }

    fn pair(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        if !self.pairs.is_empty() {
            self.pairs.push(' ');
        }
        // The names of raw identifiers (`r#type`) are written as the reader knows them.
        let name = field.name();
        self.pairs.push_str(name.strip_prefix("r#").unwrap_or(name));
        self.pairs.push('=');
        let start = self.pairs.len();
        // Writing to a string cannot fail; an error would come from the value, whose text then ends there.
        let _ = self.pairs.write_fmt(value);
        if needs_quotes(&self.pairs[start..]) {
            let quoted = format!("{:?}", &self.pairs[start..]);
            self.pairs.truncate(start);
            self.pairs.push_str(&quoted);
        }
    }
}

/// Text that a reader could not tell from the fields around it. What is quoted or bracketed already can be told.
fn needs_quotes(value: &str) -> bool {
    !value.starts_with(['"', '{', '[', '(']) && value.contains([' ', '=', '"', '\n', '\t', '\r'])
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(value);
        } else {
            self.pair(field, format_args!("{value}"));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}");
        } else {
            self.pair(field, format_args!("{value:?}"));
        }
    }
}
