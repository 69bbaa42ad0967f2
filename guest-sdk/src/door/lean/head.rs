//! Heads: everything of a message but its body, in one block of bytes. `wit/service.wit` says how.

use std::fmt;

use bytes::{Buf, Bytes};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request,
    uri::{Authority, PathAndQuery},
};

/// The head is not one, or says what no HTTP message can. The host checks heads before, so this is rare.
#[derive(Debug)]
pub(super) struct Malformed(String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: Into<http::Error>> From<E> for Malformed {
    fn from(error: E) -> Self {
        Self(error.into().to_string())
    }
}

pub(super) struct RequestHead {
    pub(super) method: Method,
    pub(super) scheme: Bytes,
    pub(super) authority: Bytes,
    pub(super) path: Bytes,
    pub(super) fields: HeaderMap,
}

pub(super) struct ResponseHead {
    pub(super) status: StatusCode,
    pub(super) fields: HeaderMap,
    pub(super) trailers: HeaderMap,
}

/// # Errors
/// When the head is malformed.
pub(super) fn read_request(head: Bytes) -> Result<RequestHead, Malformed> {
    let mut reader = Reader(head);
    Ok(RequestHead {
        method: Method::from_bytes(&reader.text()?)?,
        scheme: reader.text()?,
        authority: reader.text()?,
        path: reader.text()?,
        fields: reader.fields()?,
    })
}

/// # Errors
/// When the head is malformed.
pub(super) fn read_response(head: Bytes) -> Result<ResponseHead, Malformed> {
    let mut reader = Reader(head);
    Ok(ResponseHead {
        status: StatusCode::from_u16(reader.status()?)?,
        fields: reader.fields()?,
        trailers: reader.fields()?,
    })
}

/// # Errors
/// When the block is malformed.
pub(super) fn read_fields(block: Bytes) -> Result<HeaderMap, Malformed> {
    if block.is_empty() {
        return Ok(HeaderMap::new());
    }
    Reader(block).fields()
}

pub(super) fn write_request(parts: &request::Parts) -> Vec<u8> {
    let mut head = Vec::with_capacity(256);
    put(&mut head, parts.method.as_str().as_bytes());
    put(&mut head, parts.uri.scheme_str().unwrap_or("http").as_bytes());
    put(&mut head, parts.uri.authority().map_or("", Authority::as_str).as_bytes());
    put(&mut head, parts.uri.path_and_query().map_or("/", PathAndQuery::as_str).as_bytes());
    put_fields(&mut head, &parts.headers);
    head
}

pub(super) fn write_response(status: StatusCode, fields: &HeaderMap, trailers: &HeaderMap) -> Vec<u8> {
    let mut head = Vec::with_capacity(256);
    head.extend_from_slice(&status.as_u16().to_le_bytes());
    put_fields(&mut head, fields);
    put_fields(&mut head, trailers);
    head
}

pub(super) fn write_fields(fields: &HeaderMap) -> Vec<u8> {
    let mut block = Vec::new();
    if !fields.is_empty() {
        put_fields(&mut block, fields);
    }
    block
}

fn put_fields(head: &mut Vec<u8>, fields: &HeaderMap) {
    put_length(head, fields.len());
    for (name, value) in fields {
        put(head, name.as_str().as_bytes());
        put(head, value.as_bytes());
    }
}

fn put(head: &mut Vec<u8>, part: &[u8]) {
    head.reserve(4 + part.len());
    put_length(head, part.len());
    head.extend_from_slice(part);
}

fn put_length(head: &mut Vec<u8>, length: usize) {
    // A guest has less memory than that.
    head.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
}

/// What is left of a head. Parts share its memory.
struct Reader(Bytes);

impl Reader {
    fn status(&mut self) -> Result<u16, Malformed> {
        if self.0.len() < 2 {
            return Err(cut_off());
        }
        Ok(self.0.get_u16_le())
    }

    fn length(&mut self) -> Result<usize, Malformed> {
        if self.0.len() < 4 {
            return Err(cut_off());
        }
        Ok(self.0.get_u32_le() as usize)
    }

    fn text(&mut self) -> Result<Bytes, Malformed> {
        let length = self.length()?;
        if length > self.0.len() {
            return Err(cut_off());
        }
        Ok(self.0.split_to(length))
    }

    fn name(&mut self) -> Result<HeaderName, Malformed> {
        let length = self.length()?;
        let name = name(self.0.get(..length).ok_or_else(cut_off)?)?;
        self.0.advance(length);
        Ok(name)
    }

    fn fields(&mut self) -> Result<HeaderMap, Malformed> {
        let count = self.length()?;
        let mut fields = HeaderMap::with_capacity(count.min(64));
        for _ in 0..count {
            let name = self.name()?;
            fields.try_append(name, HeaderValue::from_maybe_shared(self.text()?)?)?;
        }
        Ok(fields)
    }
}

const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const HOSTEL_CALLER: HeaderName = HeaderName::from_static("hostel-caller");
const HOSTEL_DEPTH: HeaderName = HeaderName::from_static("hostel-depth");
const HOSTEL_TIMEOUT: HeaderName = HeaderName::from_static("hostel-timeout");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Those that are in nearly every message need no parsing and no memory.
fn name(bytes: &[u8]) -> Result<HeaderName, http::Error> {
    // Few names share a length, so that one comparison is enough for most.
    let (text, name) = match bytes.len() {
        4 => ("host", header::HOST),
        10 => ("user-agent", header::USER_AGENT),
        11 if bytes[0] == b't' => ("traceparent", TRACEPARENT),
        11 => ("grpc-status", GRPC_STATUS),
        12 if bytes[0] == b'c' => ("content-type", header::CONTENT_TYPE),
        12 if bytes[0] == b'h' => ("hostel-depth", HOSTEL_DEPTH),
        12 if bytes[5] == b't' => ("grpc-timeout", GRPC_TIMEOUT),
        12 => ("grpc-message", GRPC_MESSAGE),
        13 => ("hostel-caller", HOSTEL_CALLER),
        14 if bytes[0] == b'c' => ("content-length", header::CONTENT_LENGTH),
        14 => ("hostel-timeout", HOSTEL_TIMEOUT),
        20 => ("grpc-accept-encoding", GRPC_ACCEPT_ENCODING),
        _ => return Ok(HeaderName::from_bytes(bytes)?),
    };
    if same(bytes, text.as_bytes()) { Ok(name) } else { Ok(HeaderName::from_bytes(bytes)?) }
}

/// Compares words instead of bytes, which is how the target's `memcmp` does it.
fn same(a: &[u8], b: &[u8]) -> bool {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
    let words = a.iter().zip(b).all(|(a, b)| u32::from_le_bytes(*a) == u32::from_le_bytes(*b));
    words && a_rest.iter().zip(b_rest).all(|(a, b)| a == b)
}

fn cut_off() -> Malformed {
    Malformed("it ends before its end".to_owned())
}
