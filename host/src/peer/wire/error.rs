//! A host's error as header fields: of a response that is none of the service's, or of trailers when a body breaks off.
//!
//! In trailers, and not as RST_STREAM, because a reset throws away what was sent before it and is still under way.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Response};

use super::{escaped, unescaped};
use crate::call::{CallError, ErrorKind, Side};

const ERROR: HeaderName = HeaderName::from_static("hostel-error");
const SIDE: HeaderName = HeaderName::from_static("hostel-error-side");
const MESSAGE: HeaderName = HeaderName::from_static("hostel-error-message");
const RETRYABLE: HeaderName = HeaderName::from_static("hostel-error-retryable");
const RETRY_AFTER: HeaderName = HeaderName::from_static("hostel-error-retry-after-ms");
const ALLOWED: HeaderName = HeaderName::from_static("hostel-error-allowed");

/// The longest text of an error that crosses a link, in bytes; the rest is cut off.
const MESSAGE_BYTES_MAX: usize = 2_048;

const KINDS: [ErrorKind; 14] = [
    ErrorKind::Invalid,
    ErrorKind::NotFound,
    ErrorKind::MethodNotAllowed,
    ErrorKind::Denied,
    ErrorKind::SlowClient,
    ErrorKind::BodyTooLarge,
    ErrorKind::HeadersTooLarge,
    ErrorKind::Cancelled,
    ErrorKind::Trap,
    ErrorKind::BadResponse,
    ErrorKind::Unavailable,
    ErrorKind::Timeout,
    ErrorKind::TooDeep,
    ErrorKind::Internal,
];

const SIDES: [(Side, &str); 3] = [(Side::Caller, "caller"), (Side::Host, "host"), (Side::Callee, "callee")];

/// The fields that say what `error` says, its cause excepted: that is for the logs of the host it happened on.
pub(in crate::peer) fn fields(error: &CallError) -> HeaderMap {
    let mut fields = HeaderMap::with_capacity(6);
    fields.insert(ERROR, HeaderValue::from_static(error.kind().slug()));
    let side = SIDES.iter().find(|(side, _)| *side == error.side()).map_or("host", |(_, text)| text);
    fields.insert(SIDE, HeaderValue::from_static(side));
    fields.insert(MESSAGE, escaped(shortened(error.message())));
    if error.is_retryable() {
        fields.insert(RETRYABLE, HeaderValue::from_static("1"));
    }
    if let Some(after) = error.retry_after() {
        fields.insert(RETRY_AFTER, HeaderValue::from(u64::try_from(after.as_millis()).unwrap_or(u64::MAX)));
    }
    if let Some(allowed) = error.allowed() {
        fields.insert(ALLOWED, escaped(shortened(allowed)));
    }
    fields
}

/// The response that says so.
pub(in crate::peer) fn response(error: &CallError) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = error.kind().http_status();
    *response.headers_mut() = fields(error);
    response
}

/// The error among `fields`, when there is one.
pub(in crate::peer) fn take(fields: &mut HeaderMap) -> Option<CallError> {
    let slug = fields.remove(ERROR)?;
    // A kind that only a newer version knows.
    let kind = KINDS.into_iter().find(|kind| kind.slug().as_bytes() == slug.as_bytes()).unwrap_or(ErrorKind::Internal);
    let side = fields.remove(SIDE);
    let side = side.and_then(|said| SIDES.iter().find(|(_, text)| said == *text)).map_or(Side::Host, |(side, _)| *side);
    let message = fields.remove(MESSAGE).as_ref().map(unescaped).unwrap_or_default();
    let retryable = fields.remove(RETRYABLE).is_some();
    let after =
        fields.remove(RETRY_AFTER).and_then(|after| after.to_str().ok()?.parse().ok()).map(Duration::from_millis);
    let error = CallError::new(kind, side, message).with_retry(retryable, after);
    Some(match fields.remove(ALLOWED) {
        Some(allowed) => error.with_allowed(unescaped(&allowed)),
        None => error,
    })
}

fn shortened(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MESSAGE_BYTES_MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_error_that_can_be_made_crosses() {
        let mut errors = vec![CallError::unavailable("full: 100 %\nof it, naïvely")];
        for kind in KINDS {
            for (side, _) in SIDES {
                errors.push(CallError::new(kind, side, format!("{kind:?} by {side:?}")));
            }
        }
        errors
            .push(CallError::new(ErrorKind::MethodNotAllowed, Side::Caller, "no").with_allowed("GET, PUT".to_owned()));
        for error in errors {
            let taken = take(&mut fields(&error)).unwrap();
            assert_eq!(
                (
                    taken.kind(),
                    taken.side(),
                    taken.message(),
                    taken.is_retryable(),
                    taken.retry_after(),
                    taken.allowed()
                ),
                (
                    error.kind(),
                    error.side(),
                    error.message(),
                    error.is_retryable(),
                    error.retry_after(),
                    error.allowed()
                ),
            );
        }
        assert!(take(&mut HeaderMap::new()).is_none());
    }

    #[test]
    fn a_newer_kind_is_an_internal_error() {
        let mut newer = fields(&CallError::cancelled());
        newer.insert(ERROR, HeaderValue::from_static("melted"));
        assert_eq!(take(&mut newer).unwrap().kind(), ErrorKind::Internal);
    }

    proptest! {
        #[test]
        fn any_text_crosses_up_to_its_limit(text in any::<String>()) {
            let error = CallError::new(ErrorKind::Trap, Side::Callee, text.clone());
            let taken = take(&mut fields(&error)).unwrap();
            prop_assert_eq!(taken.message(), shortened(&text));
        }

        #[test]
        fn any_fields_are_read_without_harm(pairs in prop::collection::vec((0..6usize, prop::collection::vec(32..127u8, 0..40)), 0..8)) {
            let names = [ERROR, SIDE, MESSAGE, RETRYABLE, RETRY_AFTER, ALLOWED];
            let mut map = HeaderMap::new();
            for (name, value) in pairs {
                map.append(names[name].clone(), HeaderValue::from_bytes(&value).unwrap());
            }
            let has = map.contains_key(ERROR);
            prop_assert_eq!(take(&mut map).is_some(), has);
        }
    }
}
