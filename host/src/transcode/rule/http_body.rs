//! `google.api.HttpBody`: bytes with a content type, passed as they are.

use bytes::Bytes;
use http::HeaderValue;
use prost_reflect::{DynamicMessage, MessageDescriptor, Value};

use crate::transcode::json::JsonError;

const NAME: &str = "google.api.HttpBody";
const CONTENT_TYPE: u32 = 1;
const DATA: u32 = 2;

/// What bytes are if nobody says.
const UNKNOWN: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// Whether messages of a type are passed raw.
pub(super) fn is(message: &MessageDescriptor) -> bool {
    message.full_name() == NAME
}

/// Fills a message with a body. False if the type is not what its name says.
pub(super) fn fill(message: &mut DynamicMessage, content_type: Option<&str>, bytes: &[u8]) -> bool {
    let content_type = Value::String(content_type.unwrap_or_default().to_owned());
    let data = Value::Bytes(Bytes::copy_from_slice(bytes));
    message.try_set_field_by_number(CONTENT_TYPE, content_type).is_ok()
        && message.try_set_field_by_number(DATA, data).is_ok()
}

/// The body that a message holds.
///
/// # Errors
/// Its content type cannot be in a header.
pub(super) fn take(message: &DynamicMessage) -> Result<(HeaderValue, Bytes), JsonError> {
    let content_type = match message.get_field_by_number(CONTENT_TYPE).as_deref() {
        Some(Value::String(text)) if !text.is_empty() => HeaderValue::from_str(text).map_err(|_| JsonError {
            field: "content_type".to_owned(),
            reason: "cannot be the value of a header".to_owned(),
        })?,
        _ => UNKNOWN,
    };
    let data = match message.get_field_by_number(DATA).as_deref() {
        Some(Value::Bytes(data)) => data.clone(),
        _ => Bytes::new(),
    };
    Ok((content_type, data))
}
