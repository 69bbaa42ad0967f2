//! One operation: a method by one of its rules.

use prost_reflect::{FieldDescriptor, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::cost::Budget;
use super::path::{Path, Template};
use super::schemas::{Schemas, describe, flag};
use super::{assembly, fields, parameters, text, well_known};
use crate::transcode::schema::{HttpRule, Method, RuleBody};

const JSON: &str = "application/json";
const LINES: &str = "application/x-ndjson";
const EVENTS: &str = "text/event-stream";

/// What a body has.
enum Body {
    /// The bytes of a `google.api.HttpBody`, of whatever type.
    Raw,
    Json(Value),
}

/// Describes a method at a path.
///
/// # Errors
/// A sentence, when the rule does not fit the method.
pub(super) fn operation(
    schemas: &mut Schemas<'_>,
    service: &str,
    method: &Method,
    rule: &HttpRule,
    path: &Path,
    budget: &mut Budget,
) -> Result<Map<String, Value>, String> {
    let input = &method.input;
    let bound: Vec<Vec<FieldDescriptor>> = match Template::parse(&rule.template) {
        Some(template) => template.fields().filter_map(|field| fields::by_path(input, field)).collect(),
        None => Vec::new(),
    };
    let mut all = parameters::in_path(schemas, input, path)?;
    let mut notes = Vec::new();
    let mut body = None;
    let mut given: Vec<String> = bound.iter().map(|path| fields::canonical(path)).collect();
    match &rule.body {
        RuleBody::None => {}
        RuleBody::Whole => body = Some((whole(schemas, input, &bound), input.fields().len() > bound.len())),
        RuleBody::Field(name) => {
            let field = fields::by_name(input, name);
            let field = field.ok_or_else(|| format!("`{}` has no field `{name}` for the body", input.full_name()))?;
            given.push(field.name().to_owned());
            body = Some((one(schemas, &field, &bound), true));
        }
    }
    if rule.body != RuleBody::Whole {
        let (query, is_cut) = parameters::in_query(schemas, input, &given, budget);
        all.extend(query);
        if is_cut {
            notes.push("More fields of nested messages can be in the query, in the same way.".to_owned());
        }
    }
    if method.no_side_effects && !method.client_streaming && !method.server_streaming {
        notes.push(format!("It changes nothing: clients of Connect can also call it by `GET {}`.", method.path));
    }
    let mut operation = Map::new();
    let descriptor = &method.descriptor;
    let comment = schemas.notes.comment(&descriptor.parent_file(), descriptor.path());
    let summary = text::summary(&comment);
    notes.insert(0, text::beyond(&comment, &summary).unwrap_or_default().to_owned());
    let summary = if summary.is_empty() { descriptor.name().to_owned() } else { summary };
    operation.insert("summary".to_owned(), summary.into());
    describe(&mut operation, &notes);
    operation.insert("tags".to_owned(), json!([descriptor.parent_service().full_name()]));
    let options = descriptor.method_descriptor_proto().options.as_ref();
    flag(&mut operation, "deprecated", options.is_some_and(|options| options.deprecated()));
    if !all.is_empty() {
        operation.insert("parameters".to_owned(), all.into());
    }
    if let Some((body, is_required)) = body {
        operation.insert("requestBody".to_owned(), request(body, is_required, method.client_streaming));
    }
    operation.insert("responses".to_owned(), responses(schemas, method, rule)?);
    operation.insert("x-hostel-service".to_owned(), service.into());
    operation.insert("x-hostel-method".to_owned(), method.path.to_string().into());
    Ok(operation)
}

/// A body of all fields that the path does not have.
fn whole(schemas: &mut Schemas<'_>, input: &MessageDescriptor, bound: &[Vec<FieldDescriptor>]) -> Body {
    if well_known::is_http_body(input) {
        return Body::Raw;
    }
    let without = bound.iter().filter_map(|path| match path.as_slice() {
        [field] => Some(field.clone()),
        _ => None,
    });
    let without: Vec<FieldDescriptor> = without.collect();
    Body::Json(schemas.message_without(input, &without))
}

/// A body of one field, of which the path may have fields.
fn one(schemas: &mut Schemas<'_>, field: &FieldDescriptor, bound: &[Vec<FieldDescriptor>]) -> Body {
    let kind = field.kind();
    let Some(message) = kind.as_message().filter(|_| !field.is_list() && !field.is_map()) else {
        return Body::Json(schemas.field(field));
    };
    if well_known::is_http_body(message) {
        return Body::Raw;
    }
    let without = bound.iter().filter_map(|path| match path.as_slice() {
        [outer, inner] if outer == field => Some(inner.clone()),
        _ => None,
    });
    let without: Vec<FieldDescriptor> = without.collect();
    Body::Json(schemas.message_without(message, &without))
}

fn request(body: Body, is_required: bool, is_stream: bool) -> Value {
    let content = match body {
        Body::Raw => raw(),
        Body::Json(item) if is_stream => json!({ LINES: stream(LINES, item, "Messages in JSON, one on each line.") }),
        Body::Json(schema) => json!({ JSON: { "schema": schema } }),
    };
    let mut request = Map::new();
    flag(&mut request, "required", is_required);
    request.insert("content".to_owned(), content);
    request.into()
}

fn responses(schemas: &mut Schemas<'_>, method: &Method, rule: &HttpRule) -> Result<Value, String> {
    let output = &method.output;
    let body = match &rule.response_body {
        None if well_known::is_http_body(output) => Body::Raw,
        None => Body::Json(schemas.message(output)),
        Some(name) => {
            let field = fields::by_name(output, name);
            let field =
                field.ok_or_else(|| format!("`{}` has no field `{name}` for the response", output.full_name()))?;
            let kind = field.kind();
            let is_raw = kind.as_message().is_some_and(well_known::is_http_body) && !field.is_list();
            if is_raw { Body::Raw } else { Body::Json(schemas.field(&field)) }
        }
    };
    let content = match body {
        Body::Raw => raw(),
        Body::Json(item) if method.server_streaming => json!({
            LINES: stream(LINES, item.clone(), "Messages in JSON, one on each line, as they come."),
            EVENTS: stream(EVENTS, item, "Messages in JSON, each the data of an event, as they come."),
        }),
        Body::Json(schema) => json!({ JSON: { "schema": schema } }),
    };
    let description = if method.server_streaming { "A stream of answers." } else { "The answer." };
    Ok(json!({
        "200": { "description": description, "content": content },
        "default": { "$ref": assembly::ERROR },
    }))
}

fn raw() -> Value {
    json!({ "*/*": { "schema": { "type": "string", "format": "binary" } } })
}

/// OpenAPI 3.1 has no word for the schema of one message, but JSON Schema has one for what is inside of a text.
fn stream(media_type: &str, item: Value, description: &str) -> Value {
    json!({ "schema": {
        "type": "string",
        "description": description,
        "contentMediaType": media_type,
        "contentSchema": { "type": "array", "items": item },
    } })
}
