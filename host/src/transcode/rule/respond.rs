//! The body of a REST response.

use bytes::Bytes;
use http::HeaderValue;
use prost_reflect::{DynamicMessage, ReflectMessage, Value};

use super::{fields, http_body};
use crate::transcode::json::{self, JsonError, JsonOptions};
use crate::transcode::schema::HttpRule;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The body of a response, or of one message of a stream, and its content type: the message in JSON, or the field that
/// the rule names. A `google.api.HttpBody` is passed as it is; without a content type it is
/// `application/octet-stream`.
///
/// # Errors
/// A value has no form in JSON, a content type cannot be in a header, or the rule's field is not there.
pub fn response_body(
    rule: &HttpRule,
    message: &DynamicMessage,
    options: JsonOptions,
) -> Result<(HeaderValue, Bytes), JsonError> {
    let mut out = Vec::new();
    let Some(name) = &rule.response_body else {
        if http_body::is(&message.descriptor()) {
            return http_body::take(message);
        }
        json::to_json(message, options, &mut out)?;
        return Ok((JSON, out.into()));
    };
    let Some(field) = fields::by_name(&message.descriptor(), name) else {
        let reason = format!("is no field of `{}`", message.descriptor().full_name());
        return Err(JsonError { field: name.clone(), reason });
    };
    match message.get_field(&field).as_ref() {
        Value::Message(inner) if http_body::is(&inner.descriptor()) => http_body::take(inner),
        _ => {
            json::field_to_json(message, &field, options, &mut out)?;
            Ok((JSON, out.into()))
        }
    }
}

#[cfg(test)]
mod tests;
