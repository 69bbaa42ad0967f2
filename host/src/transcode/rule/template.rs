//! Templates of paths: `/v1/{name=shelves/*/books/**}:publish`.
//!
//! Source: the grammar in google/api/http.proto. Where it leaves something open:
//! - `/` alone is a template, for the root. No other template ends in a slash or has an empty segment.
//! - The verb is what follows the last colon of the last segment; colons elsewhere belong to literals.
//! - `**` may have segments after it, as in grpc-gateway: it takes what they leave. There is at most one in a template.
//! - `*` within a literal would look like a pattern and is none: it has to be written `%2A`.

use std::fmt;
use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use thiserror::Error;

use super::fields::FIELD_DEPTH_MAX;
use super::text::{self, Reading};

/// How long a template may be.
pub const TEMPLATE_BYTES_MAX: usize = 2048;
/// How many segments a template may have.
pub const SEGMENTS_MAX: usize = 32;

/// What is not encoded in a template's shape.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// One segment of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    /// This text, percent-decoded.
    Literal(Box<str>),
    /// `*`: any one segment that is not empty.
    Any,
    /// `**`: any number of segments, none included.
    Rest,
}

/// A part of the path that is the value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    field: Arc<str>,
    from: usize,
    to: usize,
    several: bool,
}

impl Variable {
    /// The path of its field, as written: `book.name`.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// Whether it may hold slashes: `{name=shelves/*}` and `{name=**}` do, `{name}` does not.
    pub fn is_multi_segment(&self) -> bool {
        self.several
    }

    pub(super) fn shared_field(&self) -> &Arc<str> {
        &self.field
    }
}

/// Why a text is no template, and where in it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{template}`, column {}: {reason}", at + 1)]
pub struct TemplateError {
    /// The text, shortened if it is very long.
    pub template: String,
    /// The byte where it goes wrong.
    pub at: usize,
    /// What is wrong there.
    pub reason: String,
}

/// A template of paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: Box<str>,
    segments: Vec<Segment>,
    variables: Vec<Variable>,
    verb: Option<Box<str>>,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// It does not follow the grammar, is longer than [`TEMPLATE_BYTES_MAX`], or has more segments than [`SEGMENTS_MAX`].
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parser = Parser { text, at: 0, segments: Vec::new(), variables: Vec::new() };
        match parser.template() {
            Ok(verb) => Ok(Self { text: text.into(), segments: parser.segments, variables: parser.variables, verb }),
            Err(Wrong { at, reason }) => {
                let template = text.chars().take(TEMPLATE_BYTES_MAX).collect();
                Err(TemplateError { template, at, reason })
            }
        }
    }

    /// What decides which paths it matches: equal for templates that match the same ones. Names of variables are gone,
    /// literals are encoded in one way.
    pub fn shape(&self) -> String {
        let mut shape = String::with_capacity(self.text.len());
        for segment in &self.segments {
            shape.push('/');
            match segment {
                Segment::Literal(literal) => shape.extend(utf8_percent_encode(literal, PLAIN)),
                Segment::Any => shape.push('*'),
                Segment::Rest => shape.push_str("**"),
            }
        }
        if shape.is_empty() {
            shape.push('/');
        }
        if let Some(verb) = &self.verb {
            shape.push(':');
            shape.extend(utf8_percent_encode(verb, PLAIN));
        }
        shape
    }

    /// Its variables, in their order.
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The verb, percent-decoded.
    pub(super) fn verb(&self) -> Option<&str> {
        self.verb.as_deref()
    }

    /// The segments of a variable.
    pub(super) fn segments_of(&self, variable: &Variable) -> &[Segment] {
        self.segments.get(variable.from..variable.to).unwrap_or_default()
    }

    /// Which segments of a path of so many belong to a variable, if the template matches that path.
    pub(super) fn span(&self, variable: &Variable, count: usize) -> (usize, usize) {
        let total = self.segments.len();
        let rest = self.segments.iter().position(|segment| *segment == Segment::Rest).unwrap_or(total);
        let place = |at: usize| if at <= rest { at } else { count.saturating_sub(total - at) };
        (place(variable.from), place(variable.to))
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

struct Wrong {
    at: usize,
    reason: String,
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    segments: Vec<Segment>,
    variables: Vec<Variable>,
}

impl<'t> Parser<'t> {
    fn wrong<V>(&self, reason: impl Into<String>) -> Result<V, Wrong> {
        Err(Wrong { at: self.at, reason: reason.into() })
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn takes(&mut self, wanted: char) -> bool {
        let is = self.rest().starts_with(wanted);
        self.at += if is { wanted.len_utf8() } else { 0 };
        is
    }

    /// The whole template; returns its verb.
    fn template(&mut self) -> Result<Option<Box<str>>, Wrong> {
        if self.text.len() > TEMPLATE_BYTES_MAX {
            return self.wrong(format!("more than {TEMPLATE_BYTES_MAX} bytes"));
        }
        if !self.takes('/') {
            return self.wrong("a template begins with `/`");
        }
        if self.rest().is_empty() {
            return Ok(None);
        }
        loop {
            if self.rest().starts_with('{') {
                self.variable()?
            } else {
                self.segment(false)?
            }
            if self.rest().is_empty() {
                return Ok(None);
            }
            if self.takes(':') {
                return self.verb().map(Some);
            }
            if !self.takes('/') {
                return self.wrong("a variable is a whole segment: `/`, `:` or the end has to follow");
            }
        }
    }

    fn verb(&mut self) -> Result<Box<str>, Wrong> {
        let verb = self.rest();
        if verb.is_empty() {
            return self.wrong("a verb has to follow the colon");
        }
        if let Some(at) = verb.find([':', '/']) {
            self.at += at;
            return self.wrong("the verb ends the template, and has neither `:` nor `/`");
        }
        self.literal(verb)
    }

    fn variable(&mut self) -> Result<(), Wrong> {
        let start = self.at;
        self.at += 1;
        let name = self.rest();
        let name = name.split(['=', '}', '/', '{']).next().unwrap_or_default();
        self.check_field(name)?;
        let field: Arc<str> = name.into();
        self.at += name.len();
        let from = self.segments.len();
        let mut several = false;
        if self.takes('=') {
            loop {
                self.segment(true)?;
                if !self.takes('/') {
                    break;
                }
                several = true;
            }
        } else {
            self.push(Segment::Any)?;
        }
        if !self.takes('}') {
            return self.wrong("`}` is missing");
        }
        several |= self.segments.get(from..).unwrap_or_default().contains(&Segment::Rest);
        if let Some(other) = self.variables.iter().find(|other| text::overlap(&other.field, &field)) {
            let reason = format!("`{field}` and `{}` bind the same field", other.field);
            return Err(Wrong { at: start, reason });
        }
        self.variables.push(Variable { field, from, to: self.segments.len(), several });
        Ok(())
    }

    /// Checks a path of fields: names with dots between.
    fn check_field(&self, path: &str) -> Result<(), Wrong> {
        let mut at = self.at;
        for (depth, name) in path.split('.').enumerate() {
            if depth == FIELD_DEPTH_MAX {
                return Err(Wrong { at, reason: format!("more than {FIELD_DEPTH_MAX} fields deep") });
            }
            let wrong = name.char_indices().find(|(at, c)| {
                let fits = c.is_ascii_alphabetic() || *c == '_' || *at > 0 && c.is_ascii_digit();
                !fits
            });
            if let Some((offset, c)) = wrong {
                return Err(Wrong { at: at + offset, reason: format!("`{c}` cannot be here in the name of a field") });
            }
            if name.is_empty() {
                return Err(Wrong { at, reason: "the name of a field is missing".to_owned() });
            }
            at += name.len() + 1;
        }
        Ok(())
    }

    /// A segment that is no variable: `*`, `**` or a literal. Leaves the colon of a verb where it is.
    fn segment(&mut self, inside: bool) -> Result<(), Wrong> {
        let rest = self.rest();
        let end = rest.find(['/', '{', '}']).unwrap_or(rest.len());
        let mut piece = rest.get(..end).unwrap_or_default();
        if end == rest.len() && !inside {
            piece = piece.rsplit_once(':').map_or(piece, |(piece, _)| piece);
        }
        let segment = match piece {
            "" if rest.starts_with('{') => return self.wrong("a variable within a variable"),
            "" if rest.is_empty() && !inside => return self.wrong("a template does not end with `/`"),
            "" => return self.wrong("a segment is empty"),
            "*" => Segment::Any,
            "**" if self.segments.contains(&Segment::Rest) => return self.wrong("there is a `**` already"),
            "**" => Segment::Rest,
            literal => Segment::Literal(self.literal(literal)?),
        };
        self.push(segment)?;
        self.at += piece.len();
        match self.rest().chars().next() {
            Some('{') => self.wrong("a variable is a whole segment: `/` has to be before it"),
            Some('}') if !inside => self.wrong("`}` without `{`"),
            _ => Ok(()),
        }
    }

    fn push(&mut self, segment: Segment) -> Result<(), Wrong> {
        if self.segments.len() == SEGMENTS_MAX {
            return self.wrong(format!("more than {SEGMENTS_MAX} segments"));
        }
        self.segments.push(segment);
        Ok(())
    }

    /// The text at this place, percent-decoded.
    fn literal(&self, literal: &str) -> Result<Box<str>, Wrong> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()+,;=:@%".contains(c);
        if let Some((offset, c)) = literal.char_indices().find(|(_, c)| !fits(*c)) {
            let reason = match c {
                '*' => "a wildcard is a whole segment; the character `*` is written `%2A`".to_owned(),
                _ => format!("{c:?} cannot be in a path; it has to be percent-encoded"),
            };
            return Err(Wrong { at: self.at + offset, reason });
        }
        match text::decode(literal, Reading::Segment) {
            Ok(decoded) => Ok(decoded.into()),
            Err(fault) => self.wrong(format!("`{literal}` {fault}")),
        }
    }
}

#[cfg(test)]
mod tests;
