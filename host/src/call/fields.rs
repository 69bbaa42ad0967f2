//! A call's context as header fields: what a guest sees of it.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::deadline::TimeoutText;
use super::{CallContext, grpc, header};

/// The fields that say what a call's context is, written into memory that needs no allocation.
pub struct ContextFields<'c> {
    traceparent: [u8; 55],
    timeout: TimeoutText,
    depth: Decimal,
    caller: &'c str,
    is_grpc: bool,
}

impl<'c> ContextFields<'c> {
    /// The fields of a call with these headers, as of now.
    pub fn new(context: &'c CallContext, headers: &HeaderMap) -> Self {
        Self {
            traceparent: context.trace.to_traceparent(),
            timeout: context.deadline.format_remaining(),
            depth: Decimal::new(context.depth),
            caller: context.caller.as_str(),
            is_grpc: grpc::is_grpc(headers),
        }
    }

    /// Whether the context decides what a field of this name says, whatever anybody else put there.
    pub fn is_one(name: &HeaderName) -> bool {
        name.as_str().starts_with(header::RESERVED_PREFIX)
            || *name == header::TRACEPARENT
            || *name == header::GRPC_TIMEOUT
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (HeaderName, &[u8])> + '_ {
        let timeout = self.timeout.as_bytes();
        let all = [
            (header::TRACEPARENT, &self.traceparent[..]),
            (header::CALLER, self.caller.as_bytes()),
            (header::DEPTH, self.depth.as_bytes()),
            (header::TIMEOUT, timeout),
            (header::GRPC_TIMEOUT, timeout),
        ];
        all.into_iter().take(if self.is_grpc { 5 } else { 4 })
    }

    /// Sets the context's fields among `headers`, and removes what others say of it.
    pub fn write(context: &CallContext, headers: &mut HeaderMap) {
        let fields = ContextFields::new(context, headers);
        let forged: Vec<HeaderName> = headers.keys().filter(|name| Self::is_one(name)).cloned().collect();
        for name in forged {
            headers.remove(name);
        }
        for (name, value) in fields.iter() {
            // All of them are digits, names and hexadecimal.
            if let Ok(value) = HeaderValue::from_bytes(value) {
                headers.insert(name, value);
            }
        }
    }
}

/// A number in decimal digits.
pub(super) struct Decimal {
    digits: [u8; 10],
    from: usize,
}

impl Decimal {
    pub(super) fn new(mut number: u32) -> Self {
        let mut digits = [b'0'; 10];
        let mut from = digits.len();
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
            from -= 1;
            if number == 0 {
                break;
            }
        }
        Self { digits, from }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.digits.get(self.from..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::call::{Caller, Deadline, TraceContext};

    fn context() -> CallContext {
        CallContext {
            deadline: Deadline::after(Duration::from_secs(9)),
            trace: TraceContext::new_root(),
            caller: Caller::Edge,
            depth: 3,
            route: None,
        }
    }

    #[test]
    fn the_context_wins_over_whatever_the_headers_say() {
        let mut headers = HeaderMap::new();
        for name in ["traceparent", "hostel-caller", "hostel-depth", "hostel-anything", "grpc-timeout", "x-kept"] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static("forged"));
            headers.append(HeaderName::from_static(name), HeaderValue::from_static("twice"));
        }
        let context = context();
        ContextFields::write(&context, &mut headers);
        assert_eq!(headers["traceparent"], context.trace.to_traceparent()[..]);
        assert_eq!(
            (headers["hostel-caller"].as_bytes(), headers["hostel-depth"].as_bytes()),
            (&b"edge"[..], &b"3"[..])
        );
        assert_eq!(headers.get_all("x-kept").iter().count(), 2);
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["hostel-caller", "hostel-depth", "hostel-timeout", "traceparent", "x-kept"]);
    }

    #[test]
    fn grpc_calls_get_their_own_time_out_too() {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        ContextFields::write(&context(), &mut headers);
        assert_eq!(headers["grpc-timeout"], headers["hostel-timeout"]);
    }

    #[test]
    fn decimals() {
        for number in [0, 1, 9, 10, 1234, u32::MAX] {
            assert_eq!(Decimal::new(number).as_bytes(), number.to_string().as_bytes());
        }
    }
}
