//! The fields of events and spans, kept as text that is ready to be written.

use std::error::Error;
use std::fmt::{self, Write};

use tracing::field::{Field, Visit};

/// A field's value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// A number or boolean, written as it is in JSON.
    Plain(String),
    /// Anything else.
    Text(String),
}

/// The fields of one event or span, the message apart.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields {
    pub(super) message: String,
    /// The target of an event that came through the crate `log`.
    pub(super) log_target: Option<String>,
    pub(super) named: Vec<(&'static str, Value)>,
}

impl Fields {
    /// Sets a field; a later value takes the place of an earlier one.
    pub(super) fn set(&mut self, name: &'static str, value: Value) {
        match self.named.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.named.push((name, value)),
        }
    }

    fn text(&mut self, field: &Field, text: String) {
        match field.name() {
            "message" => self.message = text,
            "log.target" => self.log_target = Some(text),
            // Source places of the crate `log`, which tracing's own events do not show either.
            name if name.starts_with("log.") => {}
            name => self.set(name.trim_start_matches("r#"), Value::Text(text)),
        }
    }

    fn plain(&mut self, field: &Field, text: String) {
        if !field.name().starts_with("log.") {
            self.set(field.name().trim_start_matches("r#"), Value::Plain(text));
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value.to_owned());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field, value.to_string());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field, value.to_string());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field, value.to_string());
    }

    // JSON has no infinities, and numbers of 128 bits are beyond its readers.
    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.plain(field, value.to_string());
        } else {
            self.text(field, value.to_string());
        }
    }

    /// An error with its causes: `Display` of the host's errors leaves them out on purpose.
    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            // Writing to a string cannot fail.
            let _ = write!(text, ": {error}");
            cause = error.source();
        }
        self.text(field, text);
    }
}
