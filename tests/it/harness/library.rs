//! What clients of the guest `library` say and get: requests of any kind, messages in JSON and on the wire, and frames.

use std::io::{Read, Write};
use std::sync::OnceLock;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use http::Request;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde_json::Value;

use super::host::Host;
use super::http::{Body, Client, full, request, with};
use super::paths::root;
use super::reply::Reply;

/// Names and values.
pub type Fields<'a> = &'a [(&'static str, &'a str)];

/// The flags of a frame that ends a stream: of gRPC-Web and of Connect.
pub const WEB_END: u8 = 0x80;
pub const CONNECT_END: u8 = 2;

/// The path of a method of the library.
pub fn method(name: &str) -> String {
    format!("/library.v1.Library/{name}")
}

/// A request with headers.
pub fn ask(method: &str, url: &str, headers: Fields<'_>, body: Body) -> Request<Body> {
    let request = request(method, url, body);
    headers.iter().fold(request, |request, (name, value)| with(request, name, value))
}

impl Host {
    /// A request of any kind, over HTTP/2.
    pub async fn sends(&self, method: &str, path: &str, headers: Fields<'_>, body: impl Into<Bytes>) -> Reply {
        Client::h2(self.edge).send(ask(method, &self.url(path), headers, full(body))).await
    }

    /// A request with JSON as its body.
    pub async fn sends_json(&self, method: &str, path: &str, body: &Value) -> Reply {
        self.sends(method, path, &[("content-type", "application/json")], body.to_string()).await
    }
}

/// Of the protos, without their rules.
fn pool() -> &'static DescriptorPool {
    static POOL: OnceLock<DescriptorPool> = OnceLock::new();
    POOL.get_or_init(|| {
        let protos = root().join("tests/guests/proto");
        let files = ["library/v1/library.proto", "google/rpc/status.proto"];
        let set = protox::compile(files, [protos]).expect("the protos are right");
        DescriptorPool::from_file_descriptor_set(set).expect("the protos fit together")
    })
}

fn descriptor(name: &str) -> MessageDescriptor {
    let full = if name.contains('.') { name.to_owned() } else { format!("library.v1.{name}") };
    pool().get_message_by_name(&full).unwrap_or_else(|| panic!("no message `{full}`"))
}

/// A message on the wire. A name without a package is one of the library's.
pub fn wire(name: &str, json: &Value) -> Bytes {
    let message = DynamicMessage::deserialize(descriptor(name), json);
    message.unwrap_or_else(|error| panic!("{json} is no {name}: {error}")).encode_to_vec().into()
}

/// What a message on the wire says.
#[track_caller]
pub fn read(name: &str, bytes: &[u8]) -> Value {
    match DynamicMessage::decode(descriptor(name), bytes) {
        Ok(message) => serde_json::to_value(&message).expect("a message in JSON"),
        Err(error) => panic!("{bytes:?} is no {name}: {error}"),
    }
}

/// A payload with its flags and its length in front.
pub fn frame(flags: u8, payload: &[u8]) -> Bytes {
    let length = u32::try_from(payload.len()).expect("a small payload");
    [&[flags][..], &length.to_be_bytes(), payload].concat().into()
}

/// The frames of a body: flags and payloads.
#[track_caller]
pub fn frames(mut body: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [flags, a, b, c, d, rest @ ..] = body {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        assert!(rest.len() >= length, "a frame of {length} bytes is cut off: {body:?}");
        frames.push((*flags, rest[..length].to_vec()));
        body = &rest[length..];
    }
    assert!(body.is_empty(), "{body:?} is no frame");
    frames
}

/// The JSON texts of a body, one a line.
#[track_caller]
pub fn lines(body: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(body).expect("lines are text");
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// What base64 says that was written in pieces, each with padding of its own.
#[track_caller]
pub fn from_base64(text: &[u8]) -> Vec<u8> {
    assert!(text.len().is_multiple_of(4), "{} characters are no base64", text.len());
    text.chunks(4).flat_map(|quad| BASE64_STANDARD.decode(quad).expect("base64")).collect()
}

pub fn to_base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

#[track_caller]
pub fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut plain).expect("gzip");
    plain
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    ::zstd::encode_all(bytes, 3).expect("memory")
}

#[track_caller]
pub fn unzstd(bytes: &[u8]) -> Vec<u8> {
    ::zstd::decode_all(bytes).expect("zstd")
}

/// The trailers that the last frame of gRPC-Web holds.
#[track_caller]
pub fn web_trailers(payload: &[u8]) -> Vec<(String, String)> {
    let text = std::str::from_utf8(payload).expect("trailers are text");
    let field = |line: &str| {
        let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("no field: {line}"));
        (name.to_owned(), value.trim_start().to_owned())
    };
    text.split_terminator("\r\n").map(field).collect()
}
