//! Files of editions, which the parser of the tests does not know: what it lacks is put in on the wire.

use prost::encoding::{WireType, encode_key, encode_varint};
use prost_reflect::{Cardinality, DynamicMessage, MessageDescriptor};

use super::*;
use crate::transcode::json::{JsonOptions, from_json, to_json};

/// field_presence, repeated_field_encoding and message_encoding; zero where nothing is chosen.
#[derive(Clone, Copy, Default)]
struct Chosen(u64, u64, u64);

const IMPLICIT: Chosen = Chosen(2, 0, 0);
const REQUIRED: Chosen = Chosen(3, 0, 0);
const EXPLICIT: Chosen = Chosen(1, 0, 0);
const EXPANDED: Chosen = Chosen(0, 2, 0);
const DELIMITED: Chosen = Chosen(0, 0, 2);

/// Options with features alone, at the number they have in options of that kind.
fn options(number: u32, chosen: Chosen) -> Vec<u8> {
    let mut features = Vec::new();
    for (number, value) in [(1, chosen.0), (3, chosen.1), (5, chosen.2)] {
        if value != 0 {
            encode_key(number, WireType::Varint, &mut features);
            encode_varint(value, &mut features);
        }
    }
    // Something else that a compiler may choose, such as for one language.
    features.extend([0x38, 1, 0xc2, 0x3e, 2, 8, 1]);
    let mut options = Vec::new();
    prost::encoding::bytes::encode(number, &features, &mut options);
    options
}

fn edition(edition: i32, of_file: Chosen, messages: Vec<proto::Msg>) -> proto::File {
    proto::File {
        name: "e.proto".to_owned(),
        package: "p".to_owned(),
        messages,
        options: Some(options(50, of_file)),
        syntax: Some("editions".to_owned()),
        edition: Some(edition),
        ..proto::File::default()
    }
}

fn msg(name: &str, fields: Vec<proto::Field>) -> proto::Msg {
    proto::Msg { name: name.to_owned(), fields, ..proto::Msg::default() }
}

fn field(name: &str, number: i32, kind: Type, chosen: Chosen) -> proto::Field {
    proto::Field {
        name: name.to_owned(),
        number: Some(number),
        label: Some(1),
        kind: Some(kind.into()),
        options: Some(options(21, chosen)),
        ..proto::Field::default()
    }
}

fn of_type(field: proto::Field, name: &str) -> proto::Field {
    proto::Field { type_name: Some(name.to_owned()), ..field }
}

fn list(field: proto::Field) -> proto::Field {
    proto::Field { label: Some(3), ..field }
}

fn schema(file: proto::File) -> Schema {
    Schema::decode(&proto::Set { files: vec![file] }.encode_to_vec()).unwrap()
}

fn read(schema: &Schema, json: &str) -> Result<DynamicMessage, String> {
    from_json(&descriptor(schema), json.as_bytes(), JsonOptions::default()).map_err(|error| error.to_string())
}

fn descriptor(schema: &Schema) -> MessageDescriptor {
    schema.pool().get_message_by_name("p.M").unwrap()
}

fn text(message: &DynamicMessage) -> String {
    let mut out = Vec::new();
    to_json(message, JsonOptions::default(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn fields_have_presence_unless_they_choose_otherwise() {
    for number in [1000, 1001] {
        let fields = vec![
            field("a", 1, Type::Int32, Chosen::default()),
            field("b", 2, Type::Int32, IMPLICIT),
            of_type(field("c", 3, Type::Message, IMPLICIT), ".p.M"),
            field("d", 4, Type::String, EXPLICIT),
        ];
        let schema = schema(edition(number, Chosen::default(), vec![msg("M", fields)]));
        let presence: Vec<bool> = descriptor(&schema).fields().map(|field| field.supports_presence()).collect();
        assert_eq!(presence, [true, false, true, true]);
        let message = read(&schema, r#"{"a": 0, "b": 0, "c": {}, "d": ""}"#).unwrap();
        assert_eq!(text(&message), r#"{"a":0,"c":{},"d":""}"#);
    }
}

#[test]
fn a_choice_holds_for_all_that_is_inside() {
    let mut outer = msg("Outer", vec![field("x", 1, Type::Int32, Chosen::default())]);
    outer.options = Some(options(12, EXPLICIT));
    outer.messages =
        vec![msg("Inner", vec![field("x", 1, Type::Int32, Chosen::default()), field("y", 2, Type::Int32, IMPLICIT)])];
    let plain = msg("M", vec![field("x", 1, Type::Int32, Chosen::default())]);
    let schema = schema(edition(1000, IMPLICIT, vec![plain, outer]));
    let presence = |message: &str, number| {
        schema.pool().get_message_by_name(message).unwrap().get_field(number).unwrap().supports_presence()
    };
    assert!(!presence("p.M", 1));
    assert!(presence("p.Outer", 1));
    assert!(presence("p.Outer.Inner", 1));
    assert!(!presence("p.Outer.Inner", 2));
}

#[test]
fn members_of_oneofs_have_presence_always() {
    let mut message = msg(
        "M",
        vec![
            proto::Field { oneof: Some(0), ..field("a", 1, Type::Int32, Chosen::default()) },
            proto::Field { oneof: Some(0), ..field("b", 2, Type::String, Chosen::default()) },
            field("c", 3, Type::Int32, Chosen::default()),
        ],
    );
    message.oneofs = vec![proto::Oneof { name: "o".to_owned(), options: Some(options(1, Chosen::default())) }];
    let schema = schema(edition(1000, IMPLICIT, vec![message]));
    let message = read(&schema, r#"{"b": "", "c": 0}"#).unwrap();
    assert_eq!(text(&message), r#"{"b":""}"#);
    read(&schema, r#"{"a": 1, "b": ""}"#).map(drop).unwrap_err();
    assert!(!descriptor(&schema).oneofs().next().unwrap().is_synthetic());
}

#[test]
fn required_fields_are_required() {
    let schema = schema(edition(1000, Chosen::default(), vec![msg("M", vec![field("a", 1, Type::Int32, REQUIRED)])]));
    assert_eq!(descriptor(&schema).parent_file().syntax(), Syntax::Proto2);
    assert_eq!(descriptor(&schema).get_field(1).unwrap().cardinality(), Cardinality::Required);
    assert!(read(&schema, "{}").map(drop).unwrap_err().contains("required"));
    assert_eq!(text(&read(&schema, r#"{"a": 0}"#).unwrap()), r#"{"a":0}"#);
}

#[test]
fn lists_are_packed_unless_they_choose_otherwise() {
    for of_file in [Chosen::default(), IMPLICIT] {
        let fields = vec![
            list(field("a", 1, Type::Int32, Chosen::default())),
            list(field("b", 2, Type::Int32, EXPANDED)),
            list(field("c", 3, Type::String, Chosen::default())),
            field("d", 4, Type::Int32, Chosen::default()),
        ];
        let schema = schema(edition(1000, of_file, vec![msg("M", fields)]));
        let message = read(&schema, r#"{"a": [1, 2], "b": [1, 2], "c": ["x"]}"#).unwrap();
        assert_eq!(message.encode_to_vec(), b"\x0a\x02\x01\x02\x10\x01\x10\x02\x1a\x01x");
    }
}

#[test]
fn messages_may_be_delimited_but_maps_are_not() {
    let entry = proto::Msg {
        options: Some(vec![0x38, 1]),
        ..msg(
            "MapEntry",
            vec![
                field("key", 1, Type::String, Chosen::default()),
                of_type(field("value", 2, Type::Message, Chosen::default()), ".p.Part"),
            ],
        )
    };
    let mut message = msg(
        "M",
        vec![
            of_type(field("a", 1, Type::Message, Chosen::default()), ".p.Part"),
            list(of_type(field("map", 2, Type::Message, Chosen::default()), ".p.M.MapEntry")),
            of_type(field("b", 3, Type::Message, Chosen(0, 0, 1)), ".p.Part"),
        ],
    );
    message.messages = vec![entry];
    let part = msg("Part", vec![field("x", 1, Type::Int32, Chosen::default())]);
    let schema = schema(edition(1000, DELIMITED, vec![message, part]));
    let json = r#"{"a":{"x":1},"map":{"k":{"x":2}},"b":{"x":3}}"#;
    let message = read(&schema, json).unwrap();
    assert_eq!(text(&message), json);
    assert_eq!(message.encode_to_vec(), b"\x0b\x08\x01\x0c\x12\x07\x0a\x01k\x12\x02\x08\x02\x1a\x02\x08\x03");
}

#[test]
fn enums_of_a_file_with_presence_may_begin_with_any_number() {
    let mut file = edition(
        1000,
        Chosen::default(),
        vec![msg("M", vec![of_type(field("e", 1, Type::Enum, Chosen::default()), ".p.E")])],
    );
    let value = |name: &str, number| proto::EnumValue { name: name.to_owned(), number: Some(number), options: None };
    // Closed.
    file.enums = vec![proto::Enum {
        name: "E".to_owned(),
        values: vec![value("ONE", 1), value("ZERO", 0)],
        options: Some(vec![0x3a, 2, 0x10, 2]),
    }];
    let schema = schema(file);
    assert_eq!(text(&read(&schema, r#"{"e": "ONE"}"#).unwrap()), r#"{"e":"ONE"}"#);
}

#[test]
fn other_editions_are_refused() {
    for number in [0, 1, 900, 998, 999, 1002, 99_999, i32::MAX, -1] {
        let set = proto::Set { files: vec![edition(number, Chosen::default(), Vec::new())] }.encode_to_vec();
        let error = Schema::decode(&set).unwrap_err().to_string();
        assert!(error.contains("\"e.proto\"") && error.contains(&format!("edition {number}")), "{error}");
    }
}
