//! Where in a manifest a value stands, to say so when it does not pass its check.

use std::borrow::Cow;
use std::fmt;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::toml_error::line_at;

/// A value's place: `version`, `limits.cpu_ms`, `grants.egress[1]`, `route[0].methods[2]`, `route[0].policy.hash`.
#[derive(Clone, Debug)]
pub(super) struct Place {
    section: Option<&'static str>,
    /// Which of the tables of an array of tables.
    entry: Option<usize>,
    key: Cow<'static, str>,
    /// Keys in the table that is the key's value, with dots between them; empty when the key itself is meant.
    below: &'static str,
    /// Which element of an array.
    item: Option<usize>,
}

/// A value that does not pass its check.
#[derive(Debug)]
pub(super) struct Invalid {
    pub(super) place: Place,
    /// Completes the sentence that starts with the place.
    pub(super) reason: String,
}

impl Place {
    pub(super) fn top(key: &'static str) -> Self {
        Self { section: None, entry: None, key: Cow::Borrowed(key), below: "", item: None }
    }

    pub(super) fn within(section: &'static str, key: impl Into<Cow<'static, str>>) -> Self {
        Self { section: Some(section), entry: None, key: key.into(), below: "", item: None }
    }

    pub(super) fn route(entry: usize, key: &'static str) -> Self {
        Self { entry: Some(entry), ..Self::within("route", key) }
    }

    /// A place in the table that stands here: `retry.retries_max`.
    pub(super) fn below(self, keys: &'static str) -> Self {
        Self { below: keys, ..self }
    }

    pub(super) fn item(&self, item: usize) -> Self {
        Self { item: Some(item), ..self.clone() }
    }

    pub(super) fn invalid(self, reason: impl Into<String>) -> Invalid {
        Invalid { place: self, reason: reason.into() }
    }

    /// The line of the value in `table`, which was read from `text`; of what surrounds it when it is absent.
    pub(super) fn line(&self, text: &str, table: &DeTable<'_>) -> Option<usize> {
        let mut table = table;
        let mut span = None;
        if let Some(section) = self.section {
            let (at, mut value) = entry(table, section)?;
            span = Some(at);
            if let Some(index) = self.entry {
                value = value.get_ref().as_array()?.get(index)?;
                span = Some(value.span().start);
            }
            table = value.get_ref().as_table()?;
        }
        if let Some((at, value)) = entry(table, &self.key) {
            let items = value.get_ref().as_array();
            let item = self.item.and_then(|index| items.and_then(|items| items.get(index)));
            let inner = deepest(value, self.below);
            span = Some(item.map_or(inner.unwrap_or(at), |item| item.span().start));
        }
        span.map(|offset| line_at(text, offset))
    }
}

/// Where the last of the dotted `keys` stands that are there, one inside the other.
fn deepest(value: &Spanned<DeValue<'_>>, keys: &str) -> Option<usize> {
    let mut span = None;
    let mut value = value;
    for key in keys.split('.') {
        let Some((at, inner)) = value.get_ref().as_table().and_then(|table| entry(table, key)) else { break };
        (span, value) = (Some(at), inner);
    }
    span
}

/// Where the key stands, and its value.
fn entry<'t, 'i>(table: &'t DeTable<'i>, key: &str) -> Option<(usize, &'t Spanned<DeValue<'i>>)> {
    let (name, value) = table.iter().find(|(name, _)| name.get_ref() == key)?;
    Some((name.span().start, value))
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(section) = self.section {
            f.write_str(section)?;
        }
        if let Some(entry) = self.entry {
            write!(f, "[{entry}]")?;
        }
        if self.section.is_some() {
            f.write_str(".")?;
        }
        write!(f, "{}", self.key.escape_debug())?;
        if !self.below.is_empty() {
            write!(f, ".{}", self.below)?;
        }
        match self.item {
            Some(item) => write!(f, "[{item}]"),
            None => Ok(()),
        }
    }
}
