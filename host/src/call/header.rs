//! Headers that carry a call's context. The host alone writes them: what a guest or an outside client sends under
//! these names is dropped, except `traceparent` and the time-outs, which are read once and then replaced.

use http::HeaderName;

/// W3C trace context.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The remaining time of a call; the grammar of `grpc-timeout`.
pub const TIMEOUT: HeaderName = HeaderName::from_static("hostel-timeout");
/// The remaining time of a gRPC call.
pub const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// Who makes the call: the name of a service, `edge`, or `hostel`.
pub const CALLER: HeaderName = HeaderName::from_static("hostel-caller");
/// How many service-to-service calls led here.
pub const DEPTH: HeaderName = HeaderName::from_static("hostel-depth");
/// The prefix of all names that belong to the host.
pub const RESERVED_PREFIX: &str = "hostel-";

/// Headers that describe one connection rather than the message, and so never travel with a call.
///
/// Source: RFC 9110, section 7.6.1. `te` stays: gRPC needs it, and `trailers` is the only value that means anything.
pub const HOP_BY_HOP: [HeaderName; 7] = [
    http::header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    http::header::PROXY_AUTHENTICATE,
    http::header::PROXY_AUTHORIZATION,
    http::header::TRANSFER_ENCODING,
    http::header::UPGRADE,
];

/// A header name from its bytes; those that are in nearly every message without being parsed or allocated.
///
/// # Errors
///
/// When it is none.
pub fn name(bytes: &[u8]) -> Result<HeaderName, http::header::InvalidHeaderName> {
    Ok(match bytes {
        b"content-type" => http::header::CONTENT_TYPE,
        b"content-length" => http::header::CONTENT_LENGTH,
        b"grpc-status" => super::grpc::STATUS,
        b"grpc-message" => super::grpc::MESSAGE,
        b"grpc-accept-encoding" => super::grpc::ACCEPT_ENCODING,
        b"grpc-timeout" => GRPC_TIMEOUT,
        b"user-agent" => http::header::USER_AGENT,
        b"traceparent" => TRACEPARENT,
        other => HeaderName::from_bytes(other)?,
    })
}

/// Removes connection headers and everything in the host's own name space.
pub fn sanitize(headers: &mut http::HeaderMap) {
    // Nearly always there is nothing to remove, and one look at each name tells.
    if !headers.keys().any(goes) {
        return;
    }
    // A connection's own headers are those it names, besides the ones that always are.
    let named: Vec<HeaderName> = headers
        .get_all(http::header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    // Collected first because a map cannot be changed while it is walked.
    let going: Vec<HeaderName> = headers.keys().filter(|name| goes(name)).cloned().collect();
    for name in named.iter().chain(&going) {
        headers.remove(name);
    }
}

fn goes(name: &HeaderName) -> bool {
    name.as_str().starts_with(RESERVED_PREFIX) || HOP_BY_HOP.contains(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_belong_to_the_connection_go() {
        let mut headers = http::HeaderMap::new();
        headers.append("connection", http::HeaderValue::from_static("close, X-Hop"));
        headers.append("x-hop", http::HeaderValue::from_static("v"));
        headers.append("x-end", http::HeaderValue::from_static("v"));
        sanitize(&mut headers);
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["x-end"]);
    }

    #[test]
    fn forged_identity_and_connection_headers_go() {
        let mut headers = http::HeaderMap::new();
        for name in ["hostel-caller", "hostel-anything", "connection", "upgrade", "x-kept", "te"] {
            headers.append(HeaderName::from_static(name), http::HeaderValue::from_static("v"));
        }
        sanitize(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["te", "x-kept"]);
    }
}
