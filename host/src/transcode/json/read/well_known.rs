//! Messages that have a JSON form of their own.

use prost::Message;
use prost_reflect::{DynamicMessage, MessageDescriptor, ReflectMessage, Value};

use super::super::error::{JsonError, quoted};
use super::super::lexer::Next;
use super::super::time;
use super::super::well_known::{TYPE, VALUE, WellKnown, type_name, value};
use super::{Reader, UnknownFields, scalar, set, twice};

impl Reader<'_> {
    /// Reads into an empty message of that form.
    pub(super) fn well_known(&mut self, form: WellKnown, message: &mut DynamicMessage) -> Result<(), JsonError> {
        match form {
            WellKnown::Any => self.any(message),
            WellKnown::Timestamp => {
                let expected = "a timestamp such as \"2024-02-29T12:30:00Z\"";
                let text = self.lexer.string(expected)?;
                moment(message, time::parse_timestamp(&text), expected, &text)
            }
            WellKnown::Duration => {
                let expected = "a duration such as \"1.5s\"";
                let text = self.lexer.string(expected)?;
                moment(message, time::parse_duration(&text), expected, &text)
            }
            WellKnown::FieldMask => {
                let expected = "paths of fields, such as \"name,pageSize\"";
                let text = self.lexer.string(expected)?;
                let paths = if text.is_empty() { Some(Vec::new()) } else { text.split(',').map(snake_case).collect() };
                let paths: Vec<String> = paths.ok_or_else(|| JsonError::expected(expected, &quoted(&text)))?;
                self.charge(paths.len().saturating_mul(super::FIELD_BYTES))?;
                put(message, 1, Value::List(paths.into_iter().map(Value::String).collect()))
            }
            WellKnown::Struct | WellKnown::ListValue => {
                let field = message.descriptor().get_field(1).ok_or_else(contradiction)?;
                let expected = if form == WellKnown::Struct { Next::Object } else { Next::Array };
                let next = self.lexer.next()?;
                if next != expected {
                    return Err(JsonError::expected(expected.name(), next.name()));
                }
                match self.field_value(&field.into())? {
                    Some(content) => put(message, 1, content),
                    None => Ok(()),
                }
            }
            WellKnown::Value => self.value(message),
            WellKnown::Wrapper => {
                let field = message.descriptor().get_field(1).ok_or_else(contradiction)?;
                let content = scalar::value(&mut self.lexer, &field.kind())?;
                put(message, 1, content)
            }
        }
    }

    fn value(&mut self, message: &mut DynamicMessage) -> Result<(), JsonError> {
        let (number, content) = match self.lexer.next()? {
            Next::Null => (value::NULL, self.lexer.null().map(|()| Value::EnumNumber(0))?),
            Next::Bool => (value::BOOL, self.lexer.boolean().map(Value::Bool)?),
            Next::Number => (value::NUMBER, scalar::value(&mut self.lexer, &prost_reflect::Kind::Double)?),
            Next::String => {
                (value::STRING, self.lexer.string("a string").map(|text| Value::String(text.into_owned()))?)
            }
            Next::Object => (value::STRUCT, self.member_message(message, value::STRUCT)?),
            Next::Array => (value::LIST, self.member_message(message, value::LIST)?),
        };
        put(message, number, content)
    }

    fn member_message(&mut self, message: &DynamicMessage, number: u32) -> Result<Value, JsonError> {
        let field = message.descriptor().get_field(number).ok_or_else(contradiction)?;
        let kind = field.kind();
        let descriptor = kind.as_message().ok_or_else(contradiction)?;
        self.message(descriptor).map(Value::Message)
    }

    fn any(&mut self, message: &mut DynamicMessage) -> Result<(), JsonError> {
        let start = self.lexer.mark();
        let Some(url) = self.type_ahead()? else { return Ok(()) };
        self.lexer.back_to(start);
        let unknown = |reason: String| JsonError::new(reason).in_field(TYPE);
        let name = type_name(&url).ok_or_else(|| {
            unknown(format!("expected a URL that ends in `/` and a type's name, found {}", quoted(&url)))
        })?;
        let descriptor = message.descriptor().parent_pool().get_message_by_name(name);
        let descriptor = descriptor
            .filter(|descriptor| descriptor.full_name() == name && !descriptor.is_map_entry())
            .ok_or_else(|| unknown(format!("the schema has no message {}", quoted(name))))?;
        let content = match WellKnown::of(&descriptor) {
            Some(_) => self.wrapped(&descriptor)?,
            None => {
                self.charge(super::MESSAGE_BYTES)?;
                let mut content = DynamicMessage::new(descriptor);
                self.object(&mut content, true)?;
                content
            }
        };
        let bytes = content.encode_to_vec();
        self.charge(bytes.len())?;
        put(message, 1, Value::String(url))?;
        put(message, 2, Value::Bytes(bytes.into()))
    }

    /// What the `Any` says about its type, wherever it says so. An empty object is an empty `Any`, and read to its end.
    fn type_ahead(&mut self) -> Result<Option<String>, JsonError> {
        self.lexer.open_object("an object with `@type`")?;
        let start = self.lexer.mark().at;
        let mut first = true;
        let mut is_empty = true;
        while let Some(key) = self.lexer.key(&mut first)? {
            if key == TYPE {
                let url = self.lexer.string("a type URL").map_err(|error| error.in_field(TYPE))?;
                let passed = self.lexer.mark().at - start;
                self.ahead_left = self.ahead_left.checked_sub(passed).ok_or_else(|| {
                    JsonError::new("too many nested objects whose type does not come first").in_field(TYPE)
                })?;
                return Ok(Some(url.into_owned()));
            }
            is_empty = false;
            self.lexer.skip()?;
        }
        if is_empty { Ok(None) } else { Err(JsonError::new("missing").in_field(TYPE)) }
    }

    /// The object of an `Any` whose content has a JSON form of its own.
    fn wrapped(&mut self, descriptor: &MessageDescriptor) -> Result<DynamicMessage, JsonError> {
        self.lexer.open_object("an object")?;
        let mut content = None;
        let mut has_type = false;
        let mut first = true;
        while let Some(key) = self.lexer.key(&mut first)? {
            match &*key {
                TYPE if std::mem::replace(&mut has_type, true) => return Err(twice().in_field(TYPE)),
                TYPE => self.lexer.skip()?,
                VALUE if content.is_some() => return Err(twice().in_field(VALUE)),
                VALUE => content = Some(self.message(descriptor).map_err(|error| error.in_field(VALUE))?),
                _ if self.options.unknown_fields == UnknownFields::Ignore => self.lexer.skip()?,
                _ => {
                    let reason = format!("not expected beside `value` of a {}", descriptor.full_name());
                    return Err(JsonError::new(reason).in_unknown(&key));
                }
            }
        }
        content.ok_or_else(|| JsonError::new("missing").in_field(VALUE))
    }
}

fn contradiction() -> JsonError {
    JsonError::new("the schema's well-known types are not those of protobuf")
}

fn put(message: &mut DynamicMessage, number: u32, value: Value) -> Result<(), JsonError> {
    let field = message.descriptor().get_field(number).ok_or_else(contradiction)?;
    set(message, &field, value)
}

fn moment(
    message: &mut DynamicMessage,
    parsed: Result<(i64, i32), time::Invalid>,
    expected: &str,
    text: &str,
) -> Result<(), JsonError> {
    let (seconds, nanos) = parsed.map_err(|invalid| match invalid {
        time::Invalid::Form => JsonError::expected(expected, &quoted(text)),
        time::Invalid::Range(range) => JsonError::new(format!("expected {range}, found {}", quoted(text))),
    })?;
    put(message, 1, Value::I64(seconds))?;
    put(message, 2, Value::I32(nanos))
}

/// `fooBar.bazQux` as `foo_bar.baz_qux`; `None` for what no path becomes in JSON.
fn snake_case(path: &str) -> Option<String> {
    if path.is_empty() {
        return None;
    }
    let mut snake = String::with_capacity(path.len() + 4);
    for character in path.chars() {
        match character {
            '_' => return None,
            'A'..='Z' => snake.extend(['_', character.to_ascii_lowercase()]),
            _ => snake.push(character),
        }
    }
    Some(snake)
}
