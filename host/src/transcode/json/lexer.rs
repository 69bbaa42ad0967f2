//! The tokens of a JSON text, pulled one by one.
//!
//! Source: RFC 8259. Nothing beyond it is accepted: no comments, no byte order mark, no comma at the end.

use std::borrow::Cow;

use super::error::{JsonError, quoted};
use super::{DEPTH_MAX, decimal};

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Object,
    Array,
    String,
    Number,
    Bool,
    Null,
}

impl Next {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Object => "an object",
            Self::Array => "a list",
            Self::String => "a string",
            Self::Number => "a number",
            Self::Bool => "a boolean",
            Self::Null => "null",
        }
    }
}

/// A place to come back to.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    pub(super) at: usize,
    depth: usize,
}

pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// Open objects and lists.
    depth: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(json: &'a [u8]) -> Result<Self, JsonError> {
        let text = str::from_utf8(json)
            .map_err(|error| JsonError::new(format!("invalid JSON: not UTF-8 at byte {}", error.valid_up_to())))?;
        Ok(Self { text, at: 0, depth: 0 })
    }

    /// Of the whole text, in bytes.
    pub(super) const fn len(&self) -> usize {
        self.text.len()
    }

    pub(super) const fn mark(&self) -> Mark {
        Mark { at: self.at, depth: self.depth }
    }

    pub(super) const fn back_to(&mut self, mark: Mark) {
        self.at = mark.at;
        self.depth = mark.depth;
    }

    pub(super) fn next(&mut self) -> Result<Next, JsonError> {
        self.skip_whitespace();
        match self.byte() {
            Some(b'{') => Ok(Next::Object),
            Some(b'[') => Ok(Next::Array),
            Some(b'"') => Ok(Next::String),
            Some(b'-' | b'0'..=b'9') => Ok(Next::Number),
            Some(b't' | b'f') => Ok(Next::Bool),
            Some(b'n') => Ok(Next::Null),
            _ => Err(self.unexpected("a value")),
        }
    }

    /// The next value as a string, or an error that says what was expected instead of what there is.
    pub(super) fn string(&mut self, expected: &str) -> Result<Cow<'a, str>, JsonError> {
        match self.next()? {
            Next::String => self.quoted_string(),
            next => Err(JsonError::expected(expected, next.name())),
        }
    }

    /// The text of a number, which is one by the grammar.
    pub(super) fn number(&mut self) -> Result<&'a str, JsonError> {
        self.skip_whitespace();
        let rest = self.text.get(self.at..).unwrap_or_default();
        let number = decimal::prefix(rest).and_then(|length| rest.get(..length));
        let number = number.ok_or_else(|| self.unexpected("a number"))?;
        self.at += number.len();
        Ok(number)
    }

    pub(super) fn boolean(&mut self) -> Result<bool, JsonError> {
        match self.next()? {
            Next::Bool if self.byte() == Some(b't') => self.word("true").map(|()| true),
            Next::Bool => self.word("false").map(|()| false),
            next => Err(JsonError::expected("true or false", next.name())),
        }
    }

    pub(super) fn null(&mut self) -> Result<(), JsonError> {
        match self.next()? {
            Next::Null => self.word("null"),
            next => Err(JsonError::expected("null", next.name())),
        }
    }

    pub(super) fn open_object(&mut self, expected: &str) -> Result<(), JsonError> {
        match self.next()? {
            Next::Object => self.open(),
            next => Err(JsonError::expected(expected, next.name())),
        }
    }

    pub(super) fn open_array(&mut self, expected: &str) -> Result<(), JsonError> {
        match self.next()? {
            Next::Array => self.open(),
            next => Err(JsonError::expected(expected, next.name())),
        }
    }

    /// The next name of an open object, with its colon; at the end `None`, and the object is closed.
    pub(super) fn key(&mut self, first: &mut bool) -> Result<Option<Cow<'a, str>>, JsonError> {
        if !self.more(first, b'}')? {
            return Ok(None);
        }
        self.skip_whitespace();
        if self.byte() != Some(b'"') {
            return Err(self.unexpected("a name in quotes"));
        }
        let key = self.quoted_string()?;
        self.skip_whitespace();
        if self.byte() != Some(b':') {
            return Err(self.unexpected("a colon"));
        }
        self.at += 1;
        Ok(Some(key))
    }

    /// Whether an open list has another element; at the end it is closed.
    pub(super) fn element(&mut self, first: &mut bool) -> Result<bool, JsonError> {
        self.more(first, b']')
    }

    /// Passes over a value. It still has to be JSON.
    pub(super) fn skip(&mut self) -> Result<(), JsonError> {
        match self.next()? {
            Next::Object => {
                self.open()?;
                let mut first = true;
                while self.key(&mut first)?.is_some() {
                    self.skip()?;
                }
                Ok(())
            }
            Next::Array => {
                self.open()?;
                let mut first = true;
                while self.element(&mut first)? {
                    self.skip()?;
                }
                Ok(())
            }
            Next::String => self.quoted_string().map(drop),
            Next::Number => self.number().map(drop),
            Next::Bool => self.boolean().map(drop),
            Next::Null => self.null(),
        }
    }

    /// That nothing follows.
    pub(super) fn end(&mut self) -> Result<(), JsonError> {
        self.skip_whitespace();
        match self.byte() {
            None => Ok(()),
            Some(_) => Err(self.unexpected("the end")),
        }
    }

    fn open(&mut self) -> Result<(), JsonError> {
        if self.depth == DEPTH_MAX {
            return Err(JsonError::new(format!("nested deeper than {DEPTH_MAX} levels")));
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    fn more(&mut self, first: &mut bool, close: u8) -> Result<bool, JsonError> {
        self.skip_whitespace();
        let is_first = std::mem::replace(first, false);
        match self.byte() {
            Some(byte) if byte == close => {
                self.at += 1;
                self.depth -= 1;
                Ok(false)
            }
            Some(b',') if !is_first => {
                self.at += 1;
                Ok(true)
            }
            Some(_) if is_first => Ok(true),
            _ => Err(self.unexpected(if close == b'}' { "`,` or `}`" } else { "`,` or `]`" })),
        }
    }

    fn quoted_string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.at += 1;
        let text = self.run()?;
        if self.byte() == Some(b'"') {
            self.at += 1;
            return Ok(Cow::Borrowed(text));
        }
        let mut whole = text.to_owned();
        loop {
            // A run ends at a quote or at a backslash.
            let is_end = self.byte() == Some(b'"');
            self.at += 1;
            if is_end {
                return Ok(Cow::Owned(whole));
            }
            whole.push(self.escape()?);
            whole.push_str(self.run()?);
        }
    }

    /// What comes before the next quote or backslash.
    fn run(&mut self) -> Result<&'a str, JsonError> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
        self.at += length.unwrap_or(rest.len());
        match self.byte() {
            Some(b'"' | b'\\') => Ok(rest.get(..length.unwrap_or_default()).unwrap_or_default()),
            Some(_) => Err(self.invalid("a control character in a string")),
            None => Err(self.invalid("the text ends inside a string")),
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let byte = self.byte();
        self.at += 1;
        Ok(match byte {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let unit = self.unit()?;
                let is_pair = (0xd800..0xdc00).contains(&unit) && self.text.get(self.at..self.at + 2) == Some("\\u");
                let second = if is_pair {
                    self.at += 2;
                    Some(self.unit()?)
                } else {
                    None
                };
                let mut chars = char::decode_utf16([unit].into_iter().chain(second));
                match (chars.next(), chars.next()) {
                    (Some(Ok(character)), None) => character,
                    _ => return Err(self.invalid("half of a surrogate pair")),
                }
            }
            _ => return Err(self.invalid("an unknown escape in a string")),
        })
    }

    fn unit(&mut self) -> Result<u16, JsonError> {
        let digits = self.text.get(self.at..self.at + 4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
        self.at += 4;
        unit.ok_or_else(|| self.invalid("`\\u` is not followed by four hexadecimal digits"))
    }

    fn word(&mut self, word: &str) -> Result<(), JsonError> {
        if !self.text.get(self.at..).unwrap_or_default().starts_with(word) {
            return Err(self.unexpected("a value"));
        }
        self.at += word.len();
        Ok(())
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_whitespace(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.byte() {
            self.at += 1;
        }
    }

    fn unexpected(&self, expected: &str) -> JsonError {
        let found = self.text.get(self.at..).and_then(|rest| rest.chars().next());
        let found = found.map_or("the end of the text".to_owned(), |found| quoted(found.encode_utf8(&mut [0; 4])));
        self.invalid(&format!("expected {expected}, found {found}"))
    }

    fn invalid(&self, what: &str) -> JsonError {
        JsonError::new(format!("invalid JSON at byte {}: {what}", self.at))
    }
}
