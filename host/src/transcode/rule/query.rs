//! Queries and forms: names of fields and their values.
//!
//! `filter.author=Ada&ids=1&ids=2&labels[size]=xl`: a dot goes into a message, a repeated field is given more than once, an
//! entry of a map has its key in brackets. Fields go by either of their names. A field that is not repeated is given
//! once.

use std::collections::{BTreeSet, HashSet};

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, ReflectMessage, Value};

use super::error::{BindError, shown};
use super::fields::{Astray, FieldPath};
use super::scalar;
use super::text::{self, Reading};
use crate::transcode::json::UnknownFields;

/// How many parameters a query or a form may have.
pub const PARAMETERS_MAX: usize = 1024;

/// Fields that parameters cannot give, because something else does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// A field, and all inside of it, by its path in the names of the .proto file.
    Field { path: String, by: &'static str },
    /// All fields: the body has those that the path has not.
    Everything,
}

/// Puts parameters into messages.
pub(super) struct Parameters<'a> {
    pub(super) unknown: UnknownFields,
    pub(super) given: &'a [Given],
}

impl Parameters<'_> {
    /// Puts all parameters of a query into a message, and returns the fields that they gave, in the names of the .proto
    /// file.
    ///
    /// # Errors
    /// The first parameter that is wrong, by its name. One that no field takes, or whose field is given by the path or the
    /// body, is none of the query's: it goes by the policy for unknown fields.
    pub(super) fn bind(&self, message: &mut DynamicMessage, query: &str) -> Result<BTreeSet<String>, BindError> {
        let mut fields = BTreeSet::new();
        let mut once = HashSet::new();
        for (number, pair) in query.split('&').filter(|pair| !pair.is_empty()).enumerate() {
            if number == PARAMETERS_MAX {
                return Err(BindError::value("", format!("there are more than {PARAMETERS_MAX} parameters")));
            }
            let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
            let name = text::decode(name, Reading::Query)
                .map_err(|fault| BindError::value(name, format!("the name of the parameter {fault}")))?;
            let bound = text::decode(text, Reading::Query).map_err(|fault| fault.to_string());
            let bound = bound.and_then(|text| self.bind_one(message, &name, &text, &mut once));
            fields.extend(bound.map_err(|reason| BindError::value(name, reason))?);
        }
        Ok(fields)
    }

    /// Puts one parameter into a message, and returns its field, if it is not to be ignored.
    fn bind_one(
        &self,
        message: &mut DynamicMessage,
        name: &str,
        text: &str,
        once: &mut HashSet<String>,
    ) -> Result<Option<String>, String> {
        let (path, key) = split_key(name);
        let path = match FieldPath::resolve(&message.descriptor(), path) {
            Ok(path) => path,
            Err(Astray::Unknown { .. }) if self.unknown == UnknownFields::Ignore => return Ok(None),
            Err(astray) => return Err(astray.to_string()),
        };
        let canonical = path.canonical();
        match self.is_given(&canonical) {
            Some(_) if self.unknown == UnknownFields::Ignore => return Ok(None),
            Some(reason) => return Err(reason),
            None => {}
        }
        let field = path.last();
        let addition = match (field.is_map(), key) {
            (true, None) => Err(format!("is a map: its entries are given as `{}[key]=value`", shown(name))),
            (false, Some(_)) => Err(format!("`{canonical}` is no map, and has no keys")),
            (_, key) => Addition::new(field, key, text),
        }?;
        let place = key.map_or_else(|| canonical.clone(), |key| format!("{canonical}[{key}]"));
        if !field.is_list() && !once.insert(place) {
            return Err("is given twice, and there is only one".to_owned());
        }
        let holder = path.reach(message).map_err(|crowded| crowded.to_string())?;
        addition.put(holder, field)?;
        Ok(Some(canonical))
    }

    fn is_given(&self, path: &str) -> Option<String> {
        self.given.iter().find_map(|given| match given {
            Given::Everything => {
                Some("has to be in the body, which holds all fields that the path does not".to_owned())
            }
            Given::Field { path: other, by } => text::overlap(path, other).then(|| format!("is given by the {by}")),
        })
    }
}

/// What a parameter adds to a field.
enum Addition {
    One(Value),
    Element(Value),
    Entry(MapKey, Value),
}

impl Addition {
    fn new(field: &FieldDescriptor, key: Option<&str>, text: &str) -> Result<Self, String> {
        let kind = field.kind();
        match (key, &kind) {
            (Some(key), Kind::Message(entry)) if field.is_map() => {
                let key = scalar::map_key(&entry.map_entry_key_field().kind(), key)?;
                Ok(Self::Entry(key, scalar::value(&entry.map_entry_value_field().kind(), text)?))
            }
            _ if field.is_list() => scalar::value(&kind, text).map(Self::Element),
            _ => scalar::value(&kind, text).map(Self::One),
        }
    }

    fn put(self, message: &mut DynamicMessage, field: &FieldDescriptor) -> Result<(), String> {
        let misfit = || format!("does not fit `{}`", field.full_name());
        match self {
            Self::One(value) => return message.try_set_field(field, value).map_err(|_| misfit()),
            Self::Element(value) => {
                if let Value::List(list) = message.get_field_mut(field) {
                    list.push(value);
                    return Ok(());
                }
            }
            Self::Entry(key, value) => {
                if let Value::Map(map) = message.get_field_mut(field) {
                    map.insert(key, value);
                    return Ok(());
                }
            }
        }
        Err(misfit())
    }
}

/// The path of a parameter's name, and the key in brackets after it. Keys may have dots and brackets in them.
fn split_key(name: &str) -> (&str, Option<&str>) {
    match name.strip_suffix(']').and_then(|name| name.split_once('[')) {
        Some((path, key)) => (path, Some(key)),
        None => (name, None),
    }
}

#[cfg(test)]
mod tests;
