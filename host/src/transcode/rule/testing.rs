//! A service for the tests of rules.

use std::fmt::Write as _;
use std::sync::Arc;

use prost_reflect::{DescriptorPool, DynamicMessage};
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

use crate::transcode::schema::{HttpRule, Method, RuleBody};

const HTTP_BODY: &str = r#"
syntax = "proto3";
package google.api;
import "google/protobuf/any.proto";
message HttpBody {
  string content_type = 1;
  bytes data = 2;
  repeated google.protobuf.Any extensions = 3;
}
"#;

const LIBRARY: &str = r#"
syntax = "proto3";
package library;
import "google/api/httpbody.proto";
import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/empty.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
import "old.proto";

enum Genre { NONE = 0; POETRY = 1; NOVEL = 2; }

message Author { string full_name = 1; int32 born = 2; Author teacher = 3; Author pupil = 4; }

message Book {
  string name = 1;
  string title = 2;
  Author author = 3;
  repeated string tags = 4;
  map<string, string> labels = 5;
  google.protobuf.Timestamp published = 6;
  google.protobuf.Struct extra = 7;
  repeated Author editors = 8;
  Genre genre = 9;
  map<string, Author> credits = 10;
  google.protobuf.Any any = 11;
}

message All {
  double a_double = 1;
  float a_float = 2;
  int32 an_int32 = 3;
  int64 an_int64 = 4;
  uint32 a_uint32 = 5;
  uint64 a_uint64 = 6;
  sint32 a_sint32 = 7;
  sint64 a_sint64 = 8;
  fixed32 a_fixed32 = 9;
  fixed64 a_fixed64 = 10;
  sfixed32 a_sfixed32 = 11;
  sfixed64 a_sfixed64 = 12;
  bool a_bool = 13;
  string a_string = 14;
  bytes some_bytes = 15;
  Genre genre = 16;
  google.protobuf.Timestamp time = 17;
  google.protobuf.Duration span = 18;
  google.protobuf.FieldMask mask = 19;
  google.protobuf.Int64Value wrapped_int = 20;
  google.protobuf.StringValue wrapped_string = 21;
  google.protobuf.BoolValue wrapped_bool = 22;
  google.protobuf.BytesValue wrapped_bytes = 23;
  google.protobuf.DoubleValue wrapped_double = 24;
  google.protobuf.Value json = 25;
  google.protobuf.Struct json_object = 26;
  google.protobuf.ListValue json_list = 27;
  google.protobuf.Any any = 28;
  google.protobuf.Empty empty = 29;
  optional string maybe = 30;
  repeated int32 ids = 31;
  repeated Genre genres = 32;
  repeated google.protobuf.Duration spans = 33;
  repeated Author authors = 34;
  map<string, string> labels = 35;
  map<int32, bool> flags = 36;
  map<bool, Genre> by_bool = 37;
  map<string, Author> credits = 38;
  map<string, google.protobuf.Timestamp> times = 39;
  Author author = 40;
  All nested = 41;
  oneof choice { string this = 42; int32 that = 43; Author those = 44; }
  string renamed = 45 [json_name = "fancy-name"];
  old.Old old = 46;
}

message UpdateBook {
  Book book = 1;
  google.protobuf.FieldMask update_mask = 2;
  bool allow_missing = 3;
  repeated Book books = 4;
  int32 number = 5;
  map<string, string> labels = 6;
}

message Upload { string name = 1; google.api.HttpBody file = 2; }
message NoMask { Book book = 1; string update_mask = 2; }

service Library {
  rpc Everything(All) returns (All);
  rpc Update(UpdateBook) returns (UpdateBook);
  rpc Send(Upload) returns (Upload);
  rpc Raw(google.api.HttpBody) returns (google.api.HttpBody);
  rpc Unmasked(NoMask) returns (Book);
  rpc Watch(All) returns (stream All);
  rpc Feed(stream All) returns (All);
}
"#;

const OLD: &str = r#"
syntax = "proto2";
package old;
enum Closed { ONE = 1; TWO = 2; }
message Old { optional Closed closed = 1; }
"#;

struct Files;

impl FileResolver for Files {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match name {
            "google/api/httpbody.proto" => File::from_source(name, HTTP_BODY),
            "library.proto" => File::from_source(name, LIBRARY),
            "old.proto" => File::from_source(name, OLD),
            _ => Err(protox::Error::file_not_found(name)),
        }
    }
}

pub(super) fn pool() -> DescriptorPool {
    let mut resolver = ChainFileResolver::new();
    resolver.add(Files);
    resolver.add(GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).open_file("library.proto").unwrap();
    compiler.descriptor_pool()
}

/// A method of the service `library.Library`.
pub(super) fn method(name: &str) -> Arc<Method> {
    let service = pool().get_service_by_name("library.Library").unwrap();
    let descriptor = service.methods().find(|method| method.name() == name).unwrap();
    Arc::new(Method {
        path: format!("/library.Library/{name}").into(),
        input: descriptor.input(),
        output: descriptor.output(),
        client_streaming: descriptor.is_client_streaming(),
        server_streaming: descriptor.is_server_streaming(),
        no_side_effects: false,
        rules: Vec::new(),
        descriptor,
    })
}

/// A rule: `GET /v1/{name}`, with its body.
pub(super) fn rule(text: &str, body: &str) -> HttpRule {
    let (method, template) = text.split_once(' ').unwrap();
    let body = match body {
        "" => RuleBody::None,
        "*" => RuleBody::Whole,
        field => RuleBody::Field(field.to_owned()),
    };
    HttpRule { method: method.parse().unwrap(), template: template.to_owned(), body, response_body: None }
}

/// A message as text: `name: value` for each field that is set, by number.
pub(super) fn text(message: &DynamicMessage) -> String {
    message.to_string()
}

/// Parts of a long query.
pub(super) fn repeated(parameter: &str, count: usize) -> String {
    (0..count).fold(String::new(), |mut query, number| {
        let _ = write!(query, "{parameter}{number}&");
        query
    })
}
