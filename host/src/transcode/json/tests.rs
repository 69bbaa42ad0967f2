//! The rules of the JSON mapping, one by one in tables, and all together with random messages.

mod any;
mod fuzz;
mod known;
mod mapping;
mod numbers;
mod random;

use prost_reflect::{DynamicMessage, MessageDescriptor};

use super::*;
use crate::transcode::schema::Schema;
use crate::transcode::schema::fixture::compile;

const IGNORE: JsonOptions = JsonOptions {
    unknown_fields: UnknownFields::Ignore,
    field_names: FieldNames::Json,
    enums: Enums::Names,
    defaults: Defaults::Omit,
};

/// Proto3, with a field of every kind.
const TYPES: &str = r#"
syntax = "proto3";
package t;
import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/empty.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";

message All {
  bool flag = 1;
  int32 i32 = 2;
  int64 i64 = 3;
  uint32 u32 = 4;
  uint64 u64 = 5;
  sint32 s32 = 6;
  sint64 s64 = 7;
  fixed32 f32 = 8;
  fixed64 f64 = 9;
  sfixed32 sf32 = 10;
  sfixed64 sf64 = 11;
  float single = 12;
  double twice = 13;
  string text = 14;
  bytes data = 15;
  Color color = 16;
  All child = 17;
  optional int32 maybe = 18;
  optional Color maybe_color = 19;

  repeated int32 list_i32 = 20;
  repeated string list_text = 21;
  repeated Color list_color = 22;
  repeated All list_child = 23;
  repeated bytes list_data = 24;
  repeated int64 list_i64 = 25;

  map<string, string> map_text = 30;
  map<int32, string> map_i32 = 31;
  map<int64, string> map_i64 = 32;
  map<uint64, string> map_u64 = 33;
  map<bool, string> map_flag = 34;
  map<string, All> map_child = 35;
  map<string, Color> map_color = 36;
  map<string, google.protobuf.Value> map_value = 37;
  map<uint32, double> map_u32 = 38;

  oneof choice {
    int32 choice_number = 40;
    string choice_text = 41;
    All choice_child = 42;
    google.protobuf.NullValue choice_null = 43;
    google.protobuf.Value choice_value = 44;
    Color choice_color = 45;
  }

  google.protobuf.Any any = 50;
  google.protobuf.Duration duration = 51;
  google.protobuf.Empty empty = 52;
  google.protobuf.FieldMask mask = 53;
  google.protobuf.Struct struct = 54;
  google.protobuf.Value value = 55;
  google.protobuf.ListValue list_value = 56;
  google.protobuf.NullValue null = 57;
  google.protobuf.Timestamp time = 58;
  google.protobuf.BoolValue w_bool = 59;
  google.protobuf.Int32Value w_i32 = 60;
  google.protobuf.Int64Value w_i64 = 61;
  google.protobuf.UInt32Value w_u32 = 62;
  google.protobuf.UInt64Value w_u64 = 63;
  google.protobuf.FloatValue w_single = 64;
  google.protobuf.DoubleValue w_double = 65;
  google.protobuf.StringValue w_text = 66;
  google.protobuf.BytesValue w_data = 67;

  repeated google.protobuf.Value list_values = 70;
  repeated google.protobuf.NullValue list_null = 71;
  repeated google.protobuf.Int32Value list_w_i32 = 72;
  repeated google.protobuf.Any list_any = 73;
  repeated google.protobuf.Timestamp list_time = 74;
  repeated google.protobuf.Struct list_struct = 75;
  optional google.protobuf.NullValue maybe_null = 76;

  Alias alias = 80;
  string other_name = 81 [json_name = "@other"];
  string FieldName = 82;
  string field__name2_ = 83;
  string _leading = 84;
}

enum Color { RED = 0; GREEN = 1; BLUE = -2; }

enum Alias { option allow_alias = true; A0 = 0; A1 = 1; B1 = 1; b1 = 1; C1 = 1; }

message Inner { string name = 1; int64 count = 2; google.protobuf.Any any = 3; string value = 4; }
"#;

fn all() -> MessageDescriptor {
    static SCHEMA: std::sync::OnceLock<Schema> = std::sync::OnceLock::new();
    let schema = SCHEMA.get_or_init(|| Schema::decode(&compile(&[("t.proto", TYPES)])).unwrap());
    schema.pool().get_message_by_name("t.All").unwrap()
}

fn read(json: &str) -> Result<DynamicMessage, JsonError> {
    from_json(&all(), json.as_bytes(), JsonOptions::default())
}

fn write(message: &DynamicMessage, options: JsonOptions) -> String {
    let mut out = Vec::new();
    to_json(message, options, &mut out).unwrap();
    // Another reader takes it for JSON too.
    serde_json::from_slice::<serde_json::Value>(&out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Each text is read, written again as the second, and that read as the same message.
#[track_caller]
fn accepted(rows: &[(&str, &str)]) {
    for (json, expected) in rows {
        let message = read(json).unwrap_or_else(|error| panic!("{json}: {error}"));
        assert_eq!(write(&message, JsonOptions::default()), *expected, "{json}");
        assert!(read(expected).unwrap() == message, "{json}");
    }
}

/// Each text is refused, with the field and a part of the reason.
#[track_caller]
fn refused(rows: &[(&str, &str, &str)]) {
    for (json, field, reason) in rows {
        let error = failed(read(json), json);
        assert_eq!(error.field, *field, "{json}: {error}");
        assert!(error.reason.contains(reason), "{json}: {error}");
    }
}

/// The error of what should fail. The text of a message never ends where types refer to each other, so it is not printed.
#[track_caller]
fn failed<T>(result: Result<T, JsonError>, what: &str) -> JsonError {
    result.err().unwrap_or_else(|| panic!("accepted: {what}"))
}
