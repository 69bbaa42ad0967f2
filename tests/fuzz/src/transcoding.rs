//! What clients send to gRPC methods in any protocol, what services answer, and the descriptors that say how to read both.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures::FutureExt;
use futures::executor::block_on;
use hostel::call::{Body, Request, Response};
use hostel::transcode::adapter::{Adapter, Limits};
use hostel::transcode::budget::Budget;
use hostel::transcode::contract::Contract;
use hostel::transcode::frame::FrameLimits;
use hostel::transcode::settings::Settings;
use hostel::transcode::spoken::{Head, recognise};
use hostel::transcode::voice::Voice;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::BodyExt;

use crate::edit::{apply, choice, piece};

/// One method of each kind of call, over a message with every kind of field.
const PROTO: &str = r#"
syntax = "proto3";
package f;
import "google/protobuf/any.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/wrappers.proto";
enum E { ZERO = 0; ONE = 1; }
message M {
  int32 a = 1; int64 b = 2; uint64 c = 3; sint32 d = 4; fixed64 e = 5; double f = 6; float g = 7; bool h = 8; string i = 9;
  bytes j = 10; E k = 11; repeated int64 l = 12; map<string, M> m = 13; map<int32, string> n = 14; M o = 15;
  oneof p { string q = 16; M r = 17; } optional int32 s = 18; repeated M t = 19;
  google.protobuf.Any u = 20; google.protobuf.Struct v = 21; google.protobuf.Value w = 22; google.protobuf.Timestamp x = 23;
  google.protobuf.Duration y = 24; google.protobuf.FieldMask z = 25; google.protobuf.StringValue aa = 26;
  google.protobuf.ListValue bb = 27; repeated google.protobuf.Int64Value cc = 28;
}
service S {
  rpc U(M) returns (M) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc C(stream M) returns (M);
  rpc R(M) returns (stream M);
  rpc B(stream M) returns (stream M);
}
"#;

const JSON: &[u8] = br#"{"a":1,"b":"-2","c":3,"f":1e3,"g":"NaN","h":true,"i":"x\u00e9","j":"AP8=","k":"ONE","l":["1",2],"m":{"k":{"a":1}},
"n":{"1":"y"},"o":{"q":"z"},"s":0,"t":[{},{"a":2}],"u":{"@type":"type.googleapis.com/f.M","a":3},"v":{"x":[1,null,{"y":"z"}]},
"w":null,"x":"2026-11-20T01:02:03.5Z","y":"-1.5s","z":"a,oA","aa":"w","bb":[1],"cc":["1"]}"#;

struct File;

impl protox::file::FileResolver for File {
    fn open_file(&self, name: &str) -> Result<protox::file::File, protox::Error> {
        match name {
            "f.proto" => protox::file::File::from_source(name, PROTO),
            name => protox::file::GoogleFileResolver::new().open_file(name),
        }
    }
}

fn set() -> &'static Bytes {
    static SET: OnceLock<Bytes> = OnceLock::new();
    SET.get_or_init(|| {
        let mut compiler = protox::Compiler::with_file_resolver(File);
        compiler.include_imports(true).open_file("f.proto").expect("the proto is right");
        compiler.encode_file_descriptor_set().into()
    })
}

fn contract() -> &'static Arc<Contract> {
    static CONTRACT: OnceLock<Arc<Contract>> = OnceLock::new();
    CONTRACT
        .get_or_init(|| Arc::new(Contract::new(set().clone(), None, Settings::default()).expect("it fits together").0))
}

const CONTENT: [&str; 12] = [
    "application/json",
    "application/proto",
    "application/grpc",
    "application/grpc+json",
    "application/grpc-web",
    "application/grpc-web+json",
    "application/grpc-web-text",
    "application/connect+proto",
    "application/connect+json",
    "application/x-ndjson",
    "",
    "text/plain",
];
const METHODS: [&str; 4] = ["/f.S/U", "/f.S/C", "/f.S/R", "/f.S/B"];
const ENCODINGS: [&str; 4] = ["", "gzip", "zstd", "identity"];

const LIMITS: FrameLimits = FrameLimits { message_bytes_max: 64 * 1024 };

/// Descriptors; or a request in any protocol and, if it can be read, an answer of any bytes to it.
pub fn run(mut data: &[u8]) {
    let mode = choice(&mut data);
    if mode.is_multiple_of(4) {
        let bytes = if mode & 4 == 0 { data.to_vec() } else { apply(set(), data) };
        if let Ok((contract, _)) = Contract::new(bytes.into(), None, Settings::default()) {
            let _ = contract.schema();
        }
        return;
    }
    let (content, encoding) = (choice(&mut data), choice(&mut data));
    let length = usize::from(choice(&mut data));
    let edits = piece(&mut data, length);
    let text = if mode & 4 == 0 { edits.to_vec() } else { apply(JSON, edits) };
    let method = METHODS[usize::from(mode >> 3) % METHODS.len()];
    let Some(response) = asked(method, content, encoding, &text) else { return };
    // What a service answers, in pieces of any bytes.
    let (parts, adapter) = response;
    drop(parts);
    let _ = answered(&adapter, data);
}

/// The request as the service would get it, and the way back for the answer.
fn asked(method: &str, content: u8, encoding: u8, body: &[u8]) -> Option<(Request, Adapter)> {
    let mut request = http::Request::new(());
    let get = content % 16 == 15;
    *request.method_mut() = if get { http::Method::GET } else { http::Method::POST };
    let query = if get {
        format!("?connect=v1&encoding=json&message={}", String::from_utf8_lossy(body))
    } else {
        String::new()
    };
    *request.uri_mut() = format!("{method}{query}").parse().ok()?;
    let mut set = |name: &'static str, value: &str| {
        if !value.is_empty() {
            request.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"));
        }
    };
    set("content-type", CONTENT[usize::from(content) % CONTENT.len()]);
    for name in ["grpc-encoding", "content-encoding", "connect-content-encoding"] {
        set(name, ENCODINGS[usize::from(encoding) % ENCODINGS.len()]);
    }
    set("accept-encoding", ENCODINGS[usize::from(encoding >> 2) % ENCODINGS.len()]);
    set("grpc-accept-encoding", ENCODINGS[usize::from(encoding >> 4) % ENCODINGS.len()]);
    if encoding & 0x80 != 0 {
        set("accept", "text/event-stream");
        set("connect-protocol-version", "1");
        set("te", "trailers");
    }
    let voice = Voice::of_headers(request.headers());
    let said = |failure| drop(voice.say(&failure, None));
    let spoken = recognise(&Head::of(&request), method, Some(contract()), LIMITS).map_err(said).ok()??;
    let limits = Limits { frames: LIMITS, budget: Budget::new(1 << 20) };
    let adapter = Adapter::new(spoken, Some(contract().clone()), Settings::default(), &limits, request.headers());
    let adapter = adapter.map_err(|failure| drop(voice.say(&failure, None))).ok()?;
    let request = request.map(|()| Body::full(body.to_vec(), None));
    let called = adapter.request(request).now_or_never().expect("all of it is at hand");
    let called = called.map_err(|failure| drop(adapter.voice().say(&failure, None))).ok()?;
    let (parts, body) = called.into_parts();
    // What is a stream of messages is read to its end, or to what is wrong with it.
    let body = block_on(body.collect()).map(|read| read.to_bytes()).unwrap_or_default();
    Some((Request::from_parts(parts, Body::full(body, None)), adapter))
}

fn answered(adapter: &Adapter, data: &[u8]) -> Option<Bytes> {
    let mut response = Response::new(Body::empty());
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    let mut trailers = HeaderMap::new();
    let mut data = data;
    let status = choice(&mut data);
    if status & 0x10 == 0 {
        trailers.insert("grpc-status", HeaderValue::from(u16::from(status & 0xf)));
        trailers.insert("grpc-message", HeaderValue::from_static("a%20b%"));
    }
    let honest: &[u8] = &[0, 0, 0, 0, 4, 8, 1, 16, 2];
    let body = if status & 0x20 == 0 { apply(honest, data) } else { data.to_vec() };
    *response.body_mut() = Body::full(body, Some(trailers));
    let response = match adapter.response(response).now_or_never().expect("all of it is at hand") {
        Ok(response) => response,
        Err(failure) => adapter.voice().say(&failure, None),
    };
    block_on(response.into_body().collect()).ok().map(|read| read.to_bytes())
}
