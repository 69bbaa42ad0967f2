//! From JSON to messages.

mod scalar;
mod well_known;

use std::collections::{HashMap, HashSet};

use prost_reflect::{
    Cardinality, DynamicMessage, ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor, Syntax, Value,
};

use super::error::JsonError;
use super::lexer::{Lexer, Next};
use super::well_known::{EMPTY, TYPE, VALUE, WellKnown, has_null};
use super::{FieldNames, JsonOptions, MEMORY_BYTES_MAX, UnknownFields};

/// What a message takes, with the first node of the tree that its fields are in.
const MESSAGE_BYTES: usize = 800;
const FIELD_BYTES: usize = 80;
const ELEMENT_BYTES: usize = 64;
const ENTRY_BYTES: usize = 200;

/// How often, all in all, a text may be read ahead to find out the types of its `Any`s.
const AHEAD_FACTOR_MAX: usize = 8;

/// A field, or what extends a message like one.
#[derive(Clone, Debug)]
pub(super) enum Target {
    Field(FieldDescriptor),
    Extension(ExtensionDescriptor),
}

impl From<FieldDescriptor> for Target {
    fn from(field: FieldDescriptor) -> Self {
        Self::Field(field)
    }
}

impl Target {
    fn kind(&self) -> Kind {
        match self {
            Self::Field(field) => field.kind(),
            Self::Extension(extension) => extension.kind(),
        }
    }

    fn is_repeated(&self) -> bool {
        let cardinality = match self {
            Self::Field(field) => field.cardinality(),
            Self::Extension(extension) => extension.cardinality(),
        };
        cardinality == Cardinality::Repeated
    }

    fn number(&self) -> u32 {
        match self {
            Self::Field(field) => field.number(),
            Self::Extension(extension) => extension.number(),
        }
    }
}

pub(super) struct Reader<'a> {
    pub(super) lexer: Lexer<'a>,
    options: JsonOptions,
    memory_left: usize,
    ahead_left: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(lexer: Lexer<'a>, options: JsonOptions) -> Self {
        let ahead_left = lexer.len().saturating_mul(AHEAD_FACTOR_MAX);
        Self { lexer, options, memory_left: MEMORY_BYTES_MAX, ahead_left }
    }

    pub(super) fn message(&mut self, descriptor: &MessageDescriptor) -> Result<DynamicMessage, JsonError> {
        self.charge(MESSAGE_BYTES)?;
        let mut message = DynamicMessage::new(descriptor.clone());
        match WellKnown::of(descriptor) {
            Some(form) => self.well_known(form, &mut message)?,
            None => self.object(&mut message, false)?,
        }
        Ok(message)
    }

    /// The value of a field, or `None` when it is absent.
    pub(super) fn field_value(&mut self, target: &Target) -> Result<Option<Value>, JsonError> {
        let kind = target.kind();
        let is_repeated = target.is_repeated();
        if self.lexer.next()? == Next::Null && (is_repeated || !has_null(&kind)) {
            return self.lexer.null().map(|()| None);
        }
        match kind {
            Kind::Message(entry) if is_repeated && entry.is_map_entry() => self.map(&entry).map(Some),
            kind if is_repeated => self.list(&kind).map(Some),
            kind => self.single(&kind),
        }
    }

    /// The members of an object as fields of a message. In an `Any`, the type among them has been seen to.
    fn object(&mut self, message: &mut DynamicMessage, is_any: bool) -> Result<(), JsonError> {
        let descriptor = prost_reflect::ReflectMessage::descriptor(message);
        self.lexer.open_object("an object")?;
        let mut seen = Seen::default();
        let mut oneofs = Seen::default();
        let mut has_type = false;
        let mut first = true;
        while let Some(key) = self.lexer.key(&mut first)? {
            if is_any && key == TYPE {
                if std::mem::replace(&mut has_type, true) {
                    return Err(twice().in_field(TYPE));
                }
                self.lexer.skip()?;
                continue;
            }
            match self.target(&descriptor, &key) {
                Some(target) => {
                    self.member(message, &target, &mut seen, &mut oneofs).map_err(|error| error.in_field(&key))?
                }
                None if is_any && key == VALUE && descriptor.full_name() == EMPTY => {
                    self.message(&descriptor).map_err(|error| error.in_field(VALUE))?;
                }
                None if self.options.unknown_fields == UnknownFields::Ignore => self.lexer.skip()?,
                None => {
                    let reason = format!("not a field of {}", descriptor.full_name());
                    return Err(JsonError::new(reason).in_unknown(&key));
                }
            }
        }
        self.check_required(message, &descriptor)
    }

    fn member(
        &mut self,
        message: &mut DynamicMessage,
        target: &Target,
        seen: &mut Seen,
        oneofs: &mut Seen,
    ) -> Result<(), JsonError> {
        if !seen.insert(target.number()) {
            return Err(twice());
        }
        let Some(value) = self.field_value(target)? else { return Ok(()) };
        self.charge(FIELD_BYTES)?;
        match target {
            Target::Field(field) => {
                if let Some(oneof) = field.containing_oneof() {
                    let index = oneof.path().last().and_then(|index| u32::try_from(*index).ok());
                    if !oneofs.insert(index.unwrap_or_default()) {
                        let reason = format!("another member of the oneof `{}` is set already", oneof.name());
                        return Err(JsonError::new(reason));
                    }
                }
                set(message, field, value)
            }
            Target::Extension(extension) => {
                if !value.is_valid_for_extension(extension) {
                    return Err(JsonError::new("the schema contradicts itself"));
                }
                message.set_extension(extension, value);
                Ok(())
            }
        }
    }

    fn target(&self, descriptor: &MessageDescriptor, key: &str) -> Option<Target> {
        let field = match self.options.field_names {
            FieldNames::Json => descriptor.get_field_by_json_name(key).or_else(|| descriptor.get_field_by_name(key)),
            FieldNames::Proto => descriptor.get_field_by_name(key).or_else(|| descriptor.get_field_by_json_name(key)),
        };
        if let Some(field) = field {
            return Some(Target::Field(field));
        }
        let name = key.strip_prefix('[')?.strip_suffix(']')?;
        let extension = descriptor.parent_pool().get_extension_by_name(name)?;
        // A leading dot would be forgiven by the pool.
        (extension.full_name() == name && extension.containing_message() == *descriptor)
            .then_some(Target::Extension(extension))
    }

    fn check_required(&self, message: &DynamicMessage, descriptor: &MessageDescriptor) -> Result<(), JsonError> {
        if descriptor.parent_file().syntax() != Syntax::Proto2 {
            return Ok(());
        }
        let missing = descriptor.fields().find(|field| field.is_required() && !message.has_field(field));
        match missing {
            Some(field) => Err(JsonError::new("required, but missing").in_field(self.options.field_names.of(&field))),
            None => Ok(()),
        }
    }

    fn list(&mut self, kind: &Kind) -> Result<Value, JsonError> {
        self.lexer.open_array("a list")?;
        let mut values = Vec::new();
        let mut first = true;
        let mut index = 0;
        while self.lexer.element(&mut first)? {
            self.charge(ELEMENT_BYTES)?;
            let value = self.single(kind).map_err(|error| error.in_element(index))?;
            values.extend(value);
            index += 1;
        }
        Ok(Value::List(values))
    }

    fn map(&mut self, entry: &MessageDescriptor) -> Result<Value, JsonError> {
        let parts = entry.get_field(1).zip(entry.get_field(2));
        let (key_kind, value_kind) = parts
            .map(|(key, value)| (key.kind(), value.kind()))
            .ok_or_else(|| JsonError::new("the schema contradicts itself"))?;
        self.lexer.open_object("an object")?;
        let mut entries = HashMap::new();
        let mut first = true;
        while let Some(text) = self.lexer.key(&mut first)? {
            self.charge(ENTRY_BYTES)?;
            let key = scalar::map_key(&key_kind, &text).map_err(|error| error.in_entry(&text))?;
            if entries.contains_key(&key) {
                return Err(twice().in_entry(&text));
            }
            let value = self.single(&value_kind).map_err(|error| error.in_entry(&text))?;
            // An enum value that is ignored takes its entry with it.
            entries.extend(value.map(|value| (key, value)));
        }
        Ok(Value::Map(entries))
    }

    /// A value that is neither list nor map, or `None` for an enum value that is unknown and ignored.
    fn single(&mut self, kind: &Kind) -> Result<Option<Value>, JsonError> {
        match kind {
            Kind::Message(descriptor) => self.message(descriptor).map(|message| Some(Value::Message(message))),
            Kind::Enum(descriptor) => {
                let number = scalar::enum_number(&mut self.lexer, descriptor, self.options.unknown_fields)?;
                Ok(number.map(Value::EnumNumber))
            }
            kind => scalar::value(&mut self.lexer, kind).map(Some),
        }
    }

    fn charge(&mut self, bytes: usize) -> Result<(), JsonError> {
        self.memory_left = self.memory_left.checked_sub(bytes).ok_or_else(|| {
            JsonError::new(format!("too many parts: the message would take more than {MEMORY_BYTES_MAX} bytes"))
        })?;
        Ok(())
    }
}

/// Sets a field to a value that was read for it. What would not be sent is not kept either, so that messages are equal
/// that are the same to their receiver.
pub(super) fn set(message: &mut DynamicMessage, field: &FieldDescriptor, value: Value) -> Result<(), JsonError> {
    if !field.supports_presence() && value.is_default_for_field(field) {
        message.clear_field(field);
        return Ok(());
    }
    message.try_set_field(field, value).map_err(|_| JsonError::new("the schema contradicts itself"))
}

fn twice() -> JsonError {
    JsonError::new("set twice")
}

/// The numbers that came by already; most are small.
#[derive(Default)]
struct Seen {
    low: u128,
    high: HashSet<u32>,
}

impl Seen {
    /// Whether it is new.
    fn insert(&mut self, number: u32) -> bool {
        let Some(bit) = 1_u128.checked_shl(number) else { return self.high.insert(number) };
        let is_new = self.low & bit == 0;
        self.low |= bit;
        is_new
    }
}
