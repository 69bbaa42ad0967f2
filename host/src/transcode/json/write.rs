//! From messages to JSON.

mod well_known;

use std::collections::HashMap;
use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::{
    DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage, Value,
};

use super::error::JsonError;
use super::well_known::{WellKnown, is_null_value};
use super::{DEPTH_MAX, Defaults, Enums, JsonOptions, OUTPUT_BYTES_MAX};

/// From which magnitudes on a number is written with an exponent.
const EXPONENTS_BELOW: f64 = 1e-5;
const EXPONENTS_FROM: f64 = 1e17;

pub(super) struct Writer<'o> {
    out: &'o mut Vec<u8>,
    options: JsonOptions,
    /// Where `out` may end.
    end_max: usize,
    /// Open objects and lists.
    depth: usize,
    /// Of enums with several names for a number: the one that was declared first.
    first_names: HashMap<String, HashMap<i32, String>>,
}

impl<'o> Writer<'o> {
    pub(super) fn new(options: JsonOptions, out: &'o mut Vec<u8>) -> Self {
        let end_max = out.len().saturating_add(OUTPUT_BYTES_MAX);
        Self { out, options, end_max, depth: 0, first_names: HashMap::new() }
    }

    pub(super) fn message(&mut self, message: &DynamicMessage) -> Result<(), JsonError> {
        let descriptor = message.descriptor();
        match WellKnown::of(&descriptor) {
            Some(form) => self.well_known(form, message),
            None => {
                self.open(b'{')?;
                self.fields(message, &descriptor, true)?;
                self.close(b'}');
                Ok(())
            }
        }
    }

    /// The members of an object that is open already.
    fn fields(
        &mut self,
        message: &DynamicMessage,
        descriptor: &MessageDescriptor,
        mut first: bool,
    ) -> Result<(), JsonError> {
        match self.options.defaults {
            Defaults::Omit => {
                for (field, value) in message.fields() {
                    self.field(&field, value, &mut first)?;
                }
            }
            Defaults::Emit => {
                for field in descriptor.fields() {
                    if !field.supports_presence() || message.has_field(&field) {
                        self.field(&field, &message.get_field(&field), &mut first)?;
                    }
                }
            }
        }
        for (extension, value) in message.extensions() {
            self.name(extension.json_name(), &mut first)?;
            self.value(value, &extension.kind()).map_err(|error| error.in_field(extension.json_name()))?;
        }
        Ok(())
    }

    fn field(&mut self, field: &FieldDescriptor, value: &Value, first: &mut bool) -> Result<(), JsonError> {
        let name = self.options.field_names.of(field);
        self.name(name, first)?;
        self.value(value, &field.kind()).map_err(|error| error.in_field(name))
    }

    /// The value of a field of this kind, also when there are many.
    pub(super) fn value(&mut self, value: &Value, kind: &Kind) -> Result<(), JsonError> {
        match value {
            Value::Bool(value) => self.text(if *value { "true" } else { "false" }),
            Value::I32(value) => self.display(value),
            Value::U32(value) => self.display(value),
            // A double, which most readers of JSON take numbers for, has 53 bits.
            Value::I64(value) => self.display(format_args!("\"{value}\"")),
            Value::U64(value) => self.display(format_args!("\"{value}\"")),
            Value::F32(value) => self.float(value, f64::from(*value)),
            Value::F64(value) => self.float(value, *value),
            Value::String(value) => self.string(value),
            Value::Bytes(value) => self.bytes(value),
            Value::EnumNumber(number) => self.enum_value(*number, kind),
            Value::Message(message) => self.message(message),
            Value::List(values) => self.list(values, kind),
            Value::Map(entries) => {
                let kind = kind.as_message().and_then(|entry| entry.get_field(2)).map(|field| field.kind());
                let kind = kind.ok_or_else(|| JsonError::new("the schema contradicts itself"))?;
                self.map(entries, &kind)
            }
        }
    }

    fn list(&mut self, values: &[Value], kind: &Kind) -> Result<(), JsonError> {
        self.open(b'[')?;
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.value(value, kind).map_err(|error| error.in_element(index))?;
        }
        self.close(b']');
        Ok(())
    }

    /// In the order of the keys, so that equal messages have equal texts.
    fn map(&mut self, entries: &HashMap<MapKey, Value>, kind: &Kind) -> Result<(), JsonError> {
        let mut sorted: Vec<(&MapKey, &Value)> = entries.iter().collect();
        sorted.sort_unstable_by_key(|(key, _)| *key);
        self.open(b'{')?;
        for (index, (key, value)) in sorted.into_iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            match key {
                MapKey::Bool(key) => self.display(format_args!("\"{key}\"")),
                MapKey::I32(key) => self.display(format_args!("\"{key}\"")),
                MapKey::I64(key) => self.display(format_args!("\"{key}\"")),
                MapKey::U32(key) => self.display(format_args!("\"{key}\"")),
                MapKey::U64(key) => self.display(format_args!("\"{key}\"")),
                MapKey::String(key) => self.string(key),
            }?;
            self.out.push(b':');
            self.value(value, kind).map_err(|error| error.in_entry(&key_text(key)))?;
        }
        self.close(b'}');
        Ok(())
    }

    pub(super) fn null(&mut self) -> Result<(), JsonError> {
        self.text("null")
    }

    fn enum_value(&mut self, number: i32, kind: &Kind) -> Result<(), JsonError> {
        let Some(descriptor) = kind.as_enum() else { return self.display(number) };
        if is_null_value(descriptor) {
            return self.null();
        }
        if self.options.enums == Enums::Numbers {
            return self.display(number);
        }
        if has_aliases(descriptor) {
            // Looked up once for all values: asking the descriptor each time takes a search through all names.
            if !self.first_names.contains_key(descriptor.full_name()) {
                self.first_names.insert(descriptor.full_name().to_owned(), first_names(descriptor));
            }
            let name = self.first_names.get(descriptor.full_name()).and_then(|names| names.get(&number)).cloned();
            return match name {
                Some(name) => self.string(&name),
                None => self.display(number),
            };
        }
        match descriptor.get_value(number) {
            Some(value) => self.string(value.name()),
            None => self.display(number),
        }
    }

    /// The shortest text that is read as the same number: of 32 bits, where it has 32.
    fn float(&mut self, value: &(impl std::fmt::Display + std::fmt::LowerExp), wide: f64) -> Result<(), JsonError> {
        if wide.is_nan() {
            self.text("\"NaN\"")
        } else if wide.is_infinite() {
            self.text(if wide > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" })
        } else if wide == 0.0 || (EXPONENTS_BELOW..EXPONENTS_FROM).contains(&wide.abs()) {
            self.display(value)
        } else {
            self.display(format_args!("{value:e}"))
        }
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), JsonError> {
        let length = base64::encoded_len(bytes.len(), true).unwrap_or(usize::MAX);
        self.reserve(length.saturating_add(2))?;
        self.out.push(b'"');
        let start = self.out.len();
        self.out.resize(start + length, 0);
        let written = self.out.get_mut(start..).map(|space| STANDARD.encode_slice(bytes, space));
        debug_assert!(matches!(written, Some(Ok(count)) if count == length));
        self.out.push(b'"');
        Ok(())
    }

    fn string(&mut self, text: &str) -> Result<(), JsonError> {
        self.reserve(text.len() + 2)?;
        self.out.push(b'"');
        let mut rest = text;
        while let Some(at) = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f | 0x7f)) {
            let (plain, special) = rest.split_at(at);
            self.out.extend_from_slice(plain.as_bytes());
            let (escaped, after) = special.split_at(1);
            match escaped.as_bytes().first().copied().unwrap_or_default() {
                b'"' => self.out.extend_from_slice(b"\\\""),
                b'\\' => self.out.extend_from_slice(b"\\\\"),
                b'\n' => self.out.extend_from_slice(b"\\n"),
                b'\r' => self.out.extend_from_slice(b"\\r"),
                b'\t' => self.out.extend_from_slice(b"\\t"),
                byte => {
                    // Writing to a vector does not fail.
                    let _ = write!(self.out, "\\u{byte:04x}");
                }
            }
            rest = after;
        }
        self.out.extend_from_slice(rest.as_bytes());
        self.out.push(b'"');
        Ok(())
    }

    fn name(&mut self, name: &str, first: &mut bool) -> Result<(), JsonError> {
        if !std::mem::replace(first, false) {
            self.out.push(b',');
        }
        self.string(name)?;
        self.out.push(b':');
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), JsonError> {
        self.reserve(text.len())?;
        self.out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    /// For what is short.
    fn display(&mut self, value: impl std::fmt::Display) -> Result<(), JsonError> {
        self.reserve(0)?;
        let _ = write!(self.out, "{value}");
        Ok(())
    }

    fn open(&mut self, bracket: u8) -> Result<(), JsonError> {
        if self.depth == DEPTH_MAX {
            return Err(JsonError::new(format!("nested deeper than {DEPTH_MAX} levels")));
        }
        self.reserve(0)?;
        self.depth += 1;
        self.out.push(bracket);
        Ok(())
    }

    fn close(&mut self, bracket: u8) {
        self.depth -= 1;
        self.out.push(bracket);
    }

    fn reserve(&self, bytes: usize) -> Result<(), JsonError> {
        match self.out.len().saturating_add(bytes) > self.end_max {
            true => Err(JsonError::new(format!("longer than {OUTPUT_BYTES_MAX} bytes of JSON"))),
            false => Ok(()),
        }
    }
}

fn key_text(key: &MapKey) -> String {
    match key {
        MapKey::Bool(key) => key.to_string(),
        MapKey::I32(key) => key.to_string(),
        MapKey::I64(key) => key.to_string(),
        MapKey::U32(key) => key.to_string(),
        MapKey::U64(key) => key.to_string(),
        MapKey::String(key) => key.clone(),
    }
}

fn has_aliases(descriptor: &EnumDescriptor) -> bool {
    descriptor.enum_descriptor_proto().options.as_ref().is_some_and(|options| options.allow_alias())
}

fn first_names(descriptor: &EnumDescriptor) -> HashMap<i32, String> {
    let mut names = HashMap::new();
    for value in &descriptor.enum_descriptor_proto().value {
        names.entry(value.number()).or_insert_with(|| value.name().to_owned());
    }
    names
}
