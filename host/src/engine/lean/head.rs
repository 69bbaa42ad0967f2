//! Heads: everything of a message but its body, in one block of bytes.
//!
//! A list of lists crosses the boundary one allocation in the guest at a time, and each of them is a call into it: a
//! request with six headers took twenty. One block takes one. The encoding is described in `guest-sdk/wit/service.wit`.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::call::{CallContext, ContextFields, header};

/// Fields that a map has room for before it grows.
const FIELDS_EXPECTED: usize = 32;

/// What is wrong with a head.
pub(in crate::engine) type Malformed = String;

/// The head of a request that a guest makes.
pub(in crate::engine) struct RequestHead {
    pub(in crate::engine) method: Method,
    pub(in crate::engine) path: Bytes,
    pub(in crate::engine) headers: HeaderMap,
}

/// The head of a guest's response.
pub(in crate::engine) struct ResponseHead {
    pub(in crate::engine) status: StatusCode,
    pub(in crate::engine) headers: HeaderMap,
    pub(in crate::engine) trailers: HeaderMap,
}

/// The head of a request as the guest gets it. What the context says replaces what the headers say of it.
pub(in crate::engine) fn write_request(parts: &http::request::Parts, context: &CallContext) -> Vec<u8> {
    let scheme = parts.uri.scheme_str().unwrap_or("http");
    let authority = match parts.uri.authority() {
        Some(authority) => authority.as_str().as_bytes(),
        None => parts.headers.get(http::header::HOST).map_or(&b""[..], |host| host.as_bytes()),
    };
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let context = ContextFields::new(context, &parts.headers);

    let mut head = Vec::with_capacity(512);
    for part in [parts.method.as_str().as_bytes(), scheme.as_bytes(), authority, path.as_bytes()] {
        put(&mut head, part);
    }
    let mut fields = Fields::begin(&mut head);
    for (name, value) in &parts.headers {
        if !ContextFields::is_one(name) {
            fields.put(name.as_str(), value.as_bytes());
        }
    }
    for (name, value) in context.iter() {
        fields.put(name.as_str(), value);
    }
    fields.end();
    head
}

/// The head of a response as the calling guest gets it.
pub(in crate::engine) fn write_response(
    status: StatusCode,
    headers: &HeaderMap,
    trailers: Option<&HeaderMap>,
) -> Vec<u8> {
    let mut head = Vec::with_capacity(256);
    head.extend_from_slice(&status.as_u16().to_le_bytes());
    put_map(&mut head, headers);
    match trailers {
        Some(trailers) => put_map(&mut head, trailers),
        None => put_length(&mut head, 0),
    }
    head
}

/// Fields by themselves: trailers at the end of a stream.
pub(in crate::engine) fn write_fields(fields: &HeaderMap) -> Vec<u8> {
    let mut block = Vec::new();
    put_map(&mut block, fields);
    block
}

/// # Errors
///
/// When the head is not one, or says what no HTTP message can.
pub(in crate::engine) fn read_request(head: Bytes) -> Result<RequestHead, Malformed> {
    let mut reader = Reader(head);
    let method = reader.text()?;
    let method = Method::from_bytes(&method).map_err(|_| format!("{method:?} is no method"))?;
    // Scheme and authority: the target of the call says where it goes.
    reader.text()?;
    reader.text()?;
    let path = reader.text()?;
    let headers = reader.fields()?;
    reader.end()?;
    Ok(RequestHead { method, path, headers })
}

/// # Errors
///
/// As [`read_request`].
pub(in crate::engine) fn read_response(head: Bytes) -> Result<ResponseHead, Malformed> {
    let mut reader = Reader(head);
    let status = reader.status()?;
    let status = StatusCode::from_u16(status).map_err(|_| format!("{status} is no response status"))?;
    let headers = reader.fields()?;
    let trailers = reader.fields()?;
    reader.end()?;
    Ok(ResponseHead { status, headers, trailers })
}

/// # Errors
///
/// As [`read_request`].
pub(in crate::engine) fn read_fields(block: Bytes) -> Result<HeaderMap, Malformed> {
    let mut reader = Reader(block);
    let fields = reader.fields()?;
    reader.end()?;
    Ok(fields)
}

fn put_map(head: &mut Vec<u8>, map: &HeaderMap) {
    let mut fields = Fields::begin(head);
    for (name, value) in map {
        fields.put(name.as_str(), value.as_bytes());
    }
    fields.end();
}

/// Fields being written. Their number comes first and is known last.
struct Fields<'h> {
    head: &'h mut Vec<u8>,
    count_at: usize,
    count: usize,
}

impl<'h> Fields<'h> {
    fn begin(head: &'h mut Vec<u8>) -> Self {
        let count_at = head.len();
        put_length(head, 0);
        Self { head, count_at, count: 0 }
    }

    fn put(&mut self, name: &str, value: &[u8]) {
        put(self.head, name.as_bytes());
        put(self.head, value);
        self.count += 1;
    }

    fn end(self) {
        if let Some(place) = self.head.get_mut(self.count_at..).and_then(|rest| rest.first_chunk_mut()) {
            *place = length(self.count);
        }
    }
}

fn put(head: &mut Vec<u8>, part: &[u8]) {
    head.reserve(size_of::<u32>() + part.len());
    put_length(head, part.len());
    head.extend_from_slice(part);
}

fn put_length(head: &mut Vec<u8>, count: usize) {
    head.extend_from_slice(&length(count));
}

/// Nothing in a head is anywhere near 4 GiB: heads are bounded when they come in, and guests have less memory.
fn length(count: usize) -> [u8; 4] {
    u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes()
}

/// What is left of a head. Parts share its memory.
struct Reader(Bytes);

impl Reader {
    fn status(&mut self) -> Result<u16, Malformed> {
        let Some(number) = self.0.first_chunk().copied() else { return Err(cut_off()) };
        let _ = self.0.split_to(size_of::<u16>());
        Ok(u16::from_le_bytes(number))
    }

    fn length(&mut self) -> Result<usize, Malformed> {
        let Some(number) = self.0.first_chunk().copied() else { return Err(cut_off()) };
        bytes::Buf::advance(&mut self.0, size_of::<u32>());
        usize::try_from(u32::from_le_bytes(number)).map_err(|_| cut_off())
    }

    fn text(&mut self) -> Result<Bytes, Malformed> {
        let length = self.length()?;
        if length > self.0.len() {
            return Err(cut_off());
        }
        Ok(self.0.split_to(length))
    }

    fn name(&mut self) -> Result<http::HeaderName, Malformed> {
        let length = self.length()?;
        let Some(name) = self.0.get(..length) else { return Err(cut_off()) };
        let name = header::name(name).map_err(|_| format!("{:?} is no header name", Bytes::copy_from_slice(name)))?;
        bytes::Buf::advance(&mut self.0, length);
        Ok(name)
    }

    fn fields(&mut self) -> Result<HeaderMap, Malformed> {
        let count = self.length()?;
        // The count is only what somebody says it is.
        let mut fields = HeaderMap::with_capacity(count.min(FIELDS_EXPECTED));
        for _ in 0..count {
            let name = self.name()?;
            let Ok(value) = HeaderValue::from_maybe_shared(self.text()?) else {
                return Err(format!("the value of header {name} has characters that no header can have"));
            };
            if fields.try_append(name, value).is_err() {
                return Err(format!("{count} fields are too many"));
            }
        }
        Ok(fields)
    }

    fn end(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(format!("{} bytes follow the end of the head", self.0.len())) }
    }
}

fn cut_off() -> Malformed {
    "the head ends before its end".into()
}

#[cfg(test)]
mod tests;
