//! The request message of a REST call: what is in its body, its query and its path.
//!
//! They are put in in this order, so that the path has the last word: a body that repeats a field of the path does no harm, and
//! cannot contradict it. A query cannot give what the path or the body has.

use std::collections::BTreeSet;

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, ReflectMessage, Value};

use super::captures::Captures;
use super::error::{BindError, shown};
use super::fields::{self, FieldPath};
use super::query::{Given, Parameters};
use super::{http_body, mask, scalar};
use crate::transcode::json::{self, JsonOptions, UnknownFields};
use crate::transcode::schema::{HttpRule, Method, RuleBody};

/// The body of a REST request, whole.
#[derive(Clone, Copy, Debug)]
pub struct RestBody<'a> {
    /// The method of the request.
    pub http_method: &'a http::Method,
    /// Its `Content-Type`.
    pub content_type: Option<&'a str>,
    /// Its content, without any encoding.
    pub bytes: &'a [u8],
}

/// What a body is written in.
enum Media {
    Json,
    Form,
}

/// The request message of a REST call with one message.
///
/// - **Body.** JSON (`application/json`, anything that ends in `+json`, or no type), or a form
///   (`application/x-www-form-urlencoded`), which is read as a query is. If it becomes a `google.api.HttpBody`, it is of
///   any type and passed as it is. An empty one is an empty message, or no field.
/// - **Query.** `filter.author=Ada&ids=1&ids=2&labels[size]=xl`: a dot goes into a message, a repeated field is given more
///   than once, an entry of a map has its key in brackets. Fields go by the names of the .proto file or those of JSON.
///   Timestamps, durations, field masks and wrappers are written as in JSON, without quotes.
/// - **Path.** What it captured.
/// - **What nothing takes** goes by the policy for unknown fields: parameters of no field, parameters whose field the path
///   or the body gives (with `body: "*"` that is every field), and a body for a rule that takes none, unless it is `{}`.
///   grpc-gateway ignores all of that; here it does so if it is told to.
/// - **A PATCH** whose body is one field gets the mask of what is in the body, if the request has an `update_mask` and the
///   client gave no path for it.
///
/// # Errors
/// Something does not fit its field, or two fields of a `oneof` are given; names what the client called it.
pub fn request_message(
    method: &Method,
    rule: &HttpRule,
    captures: &Captures,
    query: Option<&str>,
    body: RestBody<'_>,
    options: JsonOptions,
) -> Result<DynamicMessage, BindError> {
    let mut message = DynamicMessage::new(method.input.clone());
    let mut given = Vec::with_capacity(captures.all().len() + 1);
    let mut in_body = None;
    match &rule.body {
        RuleBody::None => refuse_body(body, options)?,
        RuleBody::Whole => {
            message = read_message(message, body, options)?.0;
            given.push(Given::Everything);
        }
        RuleBody::Field(name) => {
            let unknown = || BindError::value(&**name, format!("is no field of `{}`", method.input.full_name()));
            let field = fields::by_name(&method.input, name).ok_or_else(unknown)?;
            let names = read_field(&mut message, &field, body, options)?;
            given.push(Given::Field { path: field.name().to_owned(), by: "body" });
            in_body = Some((field, names));
        }
    }

    let mut places = Vec::with_capacity(captures.all().len());
    for capture in captures.all() {
        let place = FieldPath::resolve(&method.input, capture.field());
        let place = place.map_err(|astray| BindError::value(capture.field(), astray))?;
        given.push(Given::Field { path: place.canonical(), by: "path" });
        places.push((capture, place));
    }
    if let Some(query) = query {
        Parameters { unknown: options.unknown_fields, given: &given }.bind(&mut message, query)?;
    }
    for (capture, place) in places {
        let value = capture.text().map_err(|fault| fault.to_string());
        let value = value.and_then(|text| scalar::value(&place.last().kind(), text));
        let set = value.and_then(|value| {
            let holder = place.reach(&mut message).map_err(|crowded| crowded.to_string())?;
            let misfit = |_| "is repeated, and cannot be given by the path".to_owned();
            holder.try_set_field(place.last(), value).map_err(misfit)
        });
        set.map_err(|reason| BindError::value(capture.field(), reason))?;
    }
    if let Some((field, names)) = in_body.filter(|_| *body.http_method == http::Method::PATCH) {
        fill_mask(&mut message, &field, names, body)?;
    }
    Ok(message)
}

fn refuse_body(body: RestBody<'_>, options: JsonOptions) -> Result<(), BindError> {
    let is_nothing = matches!(body.bytes.trim_ascii(), b"" | b"{}");
    if is_nothing || options.unknown_fields == UnknownFields::Ignore {
        return Ok(());
    }
    Err(BindError::value(
        "",
        "the request has a body, and its rule takes none: fields are given in the path and the query",
    ))
}

/// Fields that a form gave.
type Names = Option<BTreeSet<String>>;

/// Reads a body that is a whole message.
fn read_message(
    mut message: DynamicMessage,
    body: RestBody<'_>,
    options: JsonOptions,
) -> Result<(DynamicMessage, Names), BindError> {
    if http_body::is(&message.descriptor()) {
        let filled = http_body::fill(&mut message, body.content_type, body.bytes);
        return filled.then_some((message, None)).ok_or_else(|| BindError::value("", "is no body"));
    }
    if body.bytes.is_empty() {
        return Ok((message, None));
    }
    match media(body)? {
        Media::Json => Ok((json::from_json(&message.descriptor(), body.bytes, options)?, None)),
        Media::Form => {
            let form = std::str::from_utf8(body.bytes).map_err(|_| BindError::value("", "the form is not UTF-8"))?;
            let names = Parameters { unknown: options.unknown_fields, given: &[] }.bind(&mut message, form)?;
            Ok((message, Some(names)))
        }
    }
}

/// Reads a body that is one field.
fn read_field(
    message: &mut DynamicMessage,
    field: &FieldDescriptor,
    body: RestBody<'_>,
    options: JsonOptions,
) -> Result<Names, BindError> {
    let alone = fields::message_of(field).filter(|_| !field.is_list() && !field.is_map());
    let raw = alone.as_ref().is_some_and(http_body::is);
    if body.bytes.is_empty() && !(raw && body.content_type.is_some()) {
        return Ok(None);
    }
    let form = !raw && matches!(media(body)?, Media::Form);
    // Of a form, errors name the parameter; of JSON, the whole path, unless it is none.
    let within = |error: BindError| match error.field.as_str() {
        "" => BindError { field: field.name().to_owned(), ..error },
        _ => error,
    };
    match alone {
        Some(inner) if raw || form => {
            let (inner, names) = read_message(DynamicMessage::new(inner), body, options).map_err(within)?;
            let misfit = |_| BindError::value(field.name(), "is no message");
            message.try_set_field(field, Value::Message(inner)).map_err(misfit)?;
            Ok(names)
        }
        None if form => Err(BindError::media_type(format!("`{}` cannot be a form; send JSON", field.name()))),
        _ => {
            let read = json::set_field_from_json(message, field, body.bytes, options);
            read.map(|()| None).map_err(|error| within(error.into()))
        }
    }
}

/// What a body is written in, by its content type.
fn media(body: RestBody<'_>) -> Result<Media, BindError> {
    let content_type = body.content_type.unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "" | "application/json" => Ok(Media::Json),
        suffixed if suffixed.ends_with("+json") => Ok(Media::Json),
        // What curl says when it is not told.
        "application/x-www-form-urlencoded" if body.bytes.trim_ascii_start().starts_with(b"{") => {
            Err(BindError::media_type(
                "the body looks like JSON, but its type is that of a form: send `Content-Type: application/json`",
            ))
        }
        "application/x-www-form-urlencoded" => Ok(Media::Form),
        _ => Err(BindError::media_type(format!("the body is {:?}; send `application/json`", shown(content_type)))),
    }
}

fn fill_mask(
    message: &mut DynamicMessage,
    field: &FieldDescriptor,
    names: Names,
    body: RestBody<'_>,
) -> Result<(), BindError> {
    let Some(place) = mask::field_of(&message.descriptor()).filter(|place| place != field) else { return Ok(()) };
    let resource = match field.kind() {
        Kind::Message(resource) if !field.is_list() && !field.is_map() && !http_body::is(&resource) => resource,
        _ => return Ok(()),
    };
    if body.bytes.is_empty() || mask::is_given(message, &place) {
        return Ok(());
    }
    let paths = names.map_or_else(|| mask::paths(&resource, body.bytes), Ok)?;
    mask::set(message, &place, paths)
}

#[cfg(test)]
mod tests;
