//! [`CallInfo`]: what the host says about the call being served.

use std::{convert::Infallible, time::Duration};

use axum::extract::FromRequestParts;
use http::{HeaderMap, HeaderName, HeaderValue, request::Parts};

use crate::timeout;

const CALLER: HeaderName = HeaderName::from_static("hostel-caller");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TIMEOUT: HeaderName = HeaderName::from_static("hostel-timeout");

/// Who calls, under which trace, and how much time is left. Hostel sets it and lets nobody forge it; on other hosts, where
/// the feature `portable` leads, these are headers like any other.
///
/// An axum extractor; in a tonic service it is among the request's extensions.
///
/// ```
/// use hostel_sdk::CallInfo;
///
/// async fn whoami(call: CallInfo) -> String {
///     format!("you are {}", call.caller().unwrap_or("nobody"))
/// }
/// ```
#[derive(Clone, Debug, Default)]
pub struct CallInfo {
    caller: Option<HeaderValue>,
    traceparent: Option<HeaderValue>,
    timeout: Option<Duration>,
}

impl CallInfo {
    /// Reads the headers the host sets.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        Self {
            caller: headers.get(CALLER).cloned(),
            traceparent: headers.get(TRACEPARENT).cloned(),
            timeout: headers.get(TIMEOUT).and_then(|value| timeout::parse(value.as_bytes())),
        }
    }

    /// The service that calls, or `edge` for a client from outside. None on hosts that do not say.
    pub fn caller(&self) -> Option<&str> {
        self.caller.as_ref()?.to_str().ok()
    }

    /// The W3C trace id, 32 hexadecimal digits.
    pub fn trace_id(&self) -> Option<&str> {
        self.traceparent.as_ref()?.to_str().ok()?.split('-').nth(1).filter(|id| id.len() == 32)
    }

    /// How much time the caller had left when the call arrived. The host ends the call when it has passed.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }
}

impl<S: Sync> FromRequestParts<S> for CallInfo {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::from_headers(&parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_host_sends() {
        let headers = HeaderMap::from_iter(
            [
                ("hostel-caller", "orders"),
                ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
                ("hostel-timeout", "1500m"),
            ]
            .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value))),
        );
        let call = CallInfo::from_headers(&headers);
        assert_eq!(call.caller(), Some("orders"));
        assert_eq!(call.trace_id(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
        assert_eq!(call.timeout(), Some(Duration::from_millis(1500)));
    }

    #[test]
    fn nonsense_is_absence() {
        let headers = HeaderMap::from_iter([
            (http::HeaderName::from_static("traceparent"), HeaderValue::from_static("garbage")),
            (http::HeaderName::from_static("hostel-timeout"), HeaderValue::from_static("soon")),
        ]);
        let call = CallInfo::from_headers(&headers);
        assert!(call.caller().is_none() && call.trace_id().is_none() && call.timeout().is_none());
    }
}
