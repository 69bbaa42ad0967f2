//! Messages that have a JSON form of their own.

use prost_reflect::{DynamicMessage, ReflectMessage, Value};

use super::super::error::{JsonError, quoted};
use super::super::time;
use super::super::well_known::{TYPE, VALUE, WellKnown, type_name, value};
use super::Writer;
use crate::transcode::schema::decode_message;

impl Writer<'_> {
    pub(super) fn well_known(&mut self, form: WellKnown, message: &DynamicMessage) -> Result<(), JsonError> {
        match form {
            WellKnown::Any => self.any(message),
            WellKnown::Timestamp => self.moment(message, time::write_timestamp),
            WellKnown::Duration => self.moment(message, time::write_duration),
            WellKnown::FieldMask => self.field_mask(message),
            WellKnown::Struct | WellKnown::ListValue | WellKnown::Wrapper => {
                let field = message.descriptor().get_field(1).ok_or_else(contradiction)?;
                self.value(&message.get_field(&field), &field.kind())
            }
            WellKnown::Value => self.dynamic_value(message),
        }
    }

    fn moment(
        &mut self,
        message: &DynamicMessage,
        write: fn(i64, i32, &mut Vec<u8>) -> Result<(), &'static str>,
    ) -> Result<(), JsonError> {
        let seconds = message.get_field_by_number(1).and_then(|field| field.as_i64()).ok_or_else(contradiction)?;
        let nanos = message.get_field_by_number(2).and_then(|field| field.as_i32()).ok_or_else(contradiction)?;
        self.reserve(0)?;
        self.out.push(b'"');
        write(seconds, nanos, self.out)
            .map_err(|range| JsonError::new(format!("expected {range}, found {seconds} s and {nanos} ns")))?;
        self.out.push(b'"');
        Ok(())
    }

    fn field_mask(&mut self, message: &DynamicMessage) -> Result<(), JsonError> {
        let paths = message.get_field_by_number(1).ok_or_else(contradiction)?;
        let mut mask = String::new();
        for (index, path) in paths.as_list().ok_or_else(contradiction)?.iter().enumerate() {
            let path = path.as_str().ok_or_else(contradiction)?;
            if index > 0 {
                mask.push(',');
            }
            camel_case(path, &mut mask)
                .ok_or_else(|| JsonError::new(format!("the path {} has no form in JSON", quoted(path))))?;
        }
        self.string(&mask)
    }

    /// A value that is not set is written as null: nothing else is like it.
    fn dynamic_value(&mut self, message: &DynamicMessage) -> Result<(), JsonError> {
        let Some((field, content)) = message.fields().next() else { return self.null() };
        match (field.number(), content) {
            (value::NULL, _) => self.null(),
            (value::NUMBER, Value::F64(number)) if !number.is_finite() => {
                Err(JsonError::new(format!("{number} is not a number in JSON")))
            }
            (value::NUMBER | value::STRING | value::BOOL | value::STRUCT | value::LIST, content) => {
                self.value(content, &field.kind())
            }
            _ => Err(contradiction()),
        }
    }

    fn any(&mut self, message: &DynamicMessage) -> Result<(), JsonError> {
        let url = message.get_field_by_number(1).ok_or_else(contradiction)?;
        let bytes = message.get_field_by_number(2).ok_or_else(contradiction)?;
        let (url, bytes) = url.as_str().zip(bytes.as_bytes()).ok_or_else(contradiction)?;
        self.open(b'{')?;
        if url.is_empty() && bytes.is_empty() {
            self.close(b'}');
            return Ok(());
        }
        let unknown = |reason: String| JsonError::new(reason).in_field(TYPE);
        let descriptor = type_name(url)
            .and_then(|name| {
                let found = message.descriptor().parent_pool().get_message_by_name(name);
                found.filter(|found| found.full_name() == name && !found.is_map_entry())
            })
            .ok_or_else(|| unknown(format!("the schema has no message of the type {}", quoted(url))))?;
        let content =
            decode_message(&descriptor, bytes).map_err(|error| JsonError::new(error.to_string()).in_field(VALUE))?;
        let mut first = true;
        self.name(TYPE, &mut first)?;
        self.string(url)?;
        match WellKnown::of(&descriptor) {
            Some(form) => {
                self.name(VALUE, &mut first)?;
                self.well_known(form, &content).map_err(|error| error.in_field(VALUE))?;
            }
            None => self.fields(&content, &descriptor, first)?,
        }
        self.close(b'}');
        Ok(())
    }
}

fn contradiction() -> JsonError {
    JsonError::new("the schema's well-known types are not those of protobuf")
}

/// `foo_bar.baz_qux` as `fooBar.bazQux`; `None` for what could not be read back.
fn camel_case(path: &str, out: &mut String) -> Option<()> {
    let mut after_underscore = false;
    for character in path.chars() {
        match character {
            'a'..='z' if std::mem::replace(&mut after_underscore, false) => out.push(character.to_ascii_uppercase()),
            _ if after_underscore => return None,
            'A'..='Z' | ',' => return None,
            '_' => after_underscore = true,
            _ => out.push(character),
        }
    }
    (!after_underscore && !path.is_empty()).then_some(())
}
