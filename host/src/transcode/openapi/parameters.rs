//! Parameters in paths and queries.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::cost::Budget;
use super::path::{Path, Variable};
use super::schemas::{Schemas, describe, flag, is_deprecated};
use super::well_known::{self, Form};
use super::{PARAMETER_DEPTH_MAX, PARAMETERS_MAX, fields};

/// How many fields are looked at for one operation. Messages that only have messages make no parameters, but take time.
const LOOKS_MAX: usize = 10_000;
/// What looking at a field costs, as if it took memory: many operations may have the same message.
const LOOK_COST: usize = 32;

/// The parameters of a path.
///
/// # Errors
/// A sentence, when a variable goes into no field, or into one without a text.
pub(super) fn in_path(schemas: &mut Schemas<'_>, input: &MessageDescriptor, path: &Path) -> Result<Vec<Value>, String> {
    path.variables.iter().map(|variable| variable_of(schemas, input, variable)).collect()
}

fn variable_of(schemas: &mut Schemas<'_>, input: &MessageDescriptor, variable: &Variable) -> Result<Value, String> {
    let mut schema = json!({ "type": "string" });
    let mut comment = String::new();
    if let Some(name) = &variable.field {
        let field = fields::by_path(input, name).and_then(|path| path.last().cloned());
        let field = field.ok_or_else(|| format!("`{}` has no field `{name}`", input.full_name()))?;
        if field.is_list() || field.is_map() {
            return Err(format!("the field `{name}` is repeated or a map, and cannot be in a path"));
        }
        schema = text(schemas, &field.kind()).ok_or_else(|| format!("the field `{name}` has no text"))?;
        comment = schemas.notes.comment(&field.parent_message().parent_file(), field.path());
    }
    let is_string = schema.get("type").is_some_and(|name| name == "string");
    if let (Some(schema), Some(pattern), true) = (schema.as_object_mut(), &variable.pattern, is_string) {
        schema.insert("pattern".to_owned(), pattern.as_str().into());
    }
    let mut parameter = Map::new();
    parameter.insert("name".to_owned(), variable.name.as_str().into());
    parameter.insert("in".to_owned(), "path".into());
    parameter.insert("required".to_owned(), true.into());
    parameter.insert("schema".to_owned(), schema);
    describe(&mut parameter, [comment.as_str(), &variable.note]);
    flag(&mut parameter, "x-hostel-slashes", variable.has_slashes);
    Ok(parameter.into())
}

/// What one value looks like outside of a body; `None` for messages that cannot be there.
fn text(schemas: &mut Schemas<'_>, kind: &Kind) -> Option<Value> {
    let Kind::Message(message) = kind else { return Some(schemas.single(kind)) };
    match well_known::form(message) {
        Form::None => None,
        Form::Json => Some(json!({ "type": "string", "contentMediaType": "application/json" })),
        Form::Text => {
            let mut schema = well_known::schema(message)?;
            // Absent is not written as `null` here.
            if let Some(one) = schema.get("type").and_then(|types| types.get(0)).cloned() {
                schema.as_object_mut()?.insert("type".to_owned(), one);
            }
            Some(schema)
        }
    }
}

/// The parameters of a query, and whether there would be more.
pub(super) fn in_query(
    schemas: &mut Schemas<'_>,
    input: &MessageDescriptor,
    given: &[String],
    budget: &mut Budget,
) -> (Vec<Value>, bool) {
    let mut query = Query { schemas, given, made: Vec::new(), around: Vec::new(), looks: 0, is_cut: false };
    query.message(input, "", "");
    budget.take(query.looks * LOOK_COST);
    (query.made, query.is_cut)
}

struct Query<'q, 'a> {
    schemas: &'q mut Schemas<'a>,
    /// Paths of fields that are given elsewhere.
    given: &'q [String],
    made: Vec<Value>,
    /// The messages that this one is in, and itself.
    around: Vec<MessageDescriptor>,
    looks: usize,
    is_cut: bool,
}

impl Query<'_, '_> {
    /// Adds the fields of a message: `prefix` is in front of their names, `place` in front of their paths.
    fn message(&mut self, message: &MessageDescriptor, prefix: &str, place: &str) {
        self.around.push(message.clone());
        for field in message.fields() {
            self.looks += 1;
            if self.made.len() == PARAMETERS_MAX || self.looks > LOOKS_MAX {
                self.is_cut = true;
                break;
            }
            let path = format!("{place}{}", field.name());
            if !self.given.contains(&path) {
                let name = format!("{prefix}{}", fields::name_of(&field, self.schemas.json.field_names));
                self.field(&field, name, &path);
            }
        }
        self.around.pop();
    }

    fn field(&mut self, field: &FieldDescriptor, name: String, path: &str) {
        let file = field.parent_message().parent_file();
        let behavior = self.schemas.notes.behavior(&file, field.path());
        if behavior.is_output_only {
            return;
        }
        let kind = field.kind();
        let inner = kind.as_message().filter(|message| !field.is_map() && well_known::schema(message).is_none());
        if let Some(message) = inner {
            if field.is_list() || self.around.contains(message) {
                return;
            }
            if self.around.len() == PARAMETER_DEPTH_MAX {
                self.is_cut = true;
                return;
            }
            return self.message(message, &format!("{name}."), &format!("{path}."));
        }
        let Some(mut parameter) = self.value(field, &kind) else { return };
        parameter.insert("name".to_owned(), name.into());
        parameter.insert("in".to_owned(), "query".into());
        let is_required = field.is_required() || behavior.is_required;
        flag(&mut parameter, "required", is_required && self.around.len() == 1);
        flag(&mut parameter, "deprecated", is_deprecated(field));
        describe(&mut parameter, [self.schemas.notes.comment(&file, field.path()), fields::oneof_note(field)]);
        self.made.push(parameter.into());
    }

    /// How a field is written; `None` for those that a query cannot have.
    fn value(&mut self, field: &FieldDescriptor, kind: &Kind) -> Option<Map<String, Value>> {
        let parameter = if let Some(entry) = kind.as_message().filter(|_| field.is_map()) {
            let value = text(self.schemas, &entry.map_entry_value_field().kind())?;
            // `labels[size]=xl`
            json!({ "style": "deepObject", "explode": true,
                "schema": { "type": "object", "additionalProperties": value } })
        } else if field.is_list() {
            json!({ "explode": true, "schema": { "type": "array", "items": text(self.schemas, kind)? } })
        } else if kind.as_message().is_some_and(|message| well_known::form(message) == Form::Json) {
            json!({ "content": { "application/json": { "schema": self.schemas.single(kind) } } })
        } else {
            json!({ "schema": text(self.schemas, kind)? })
        };
        match parameter {
            Value::Object(parameter) => Some(parameter),
            _ => None,
        }
    }
}
