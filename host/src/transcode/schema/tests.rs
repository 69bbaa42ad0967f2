//! What a schema says, and what it refuses.

mod editions;
mod hostile;
mod messages;

use prost::Message;
use prost_reflect::{Kind, Syntax};
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    MessageOptions, MethodDescriptorProto, OneofDescriptorProto, ServiceDescriptorProto,
};

use super::fixture::{compile, encode};
use super::*;

/// As much of google.api as rules need.
const ANNOTATIONS: &str = r#"
syntax = "proto3";
package google.api;
import "google/protobuf/descriptor.proto";
extend google.protobuf.MethodOptions { HttpRule http = 72295728; }
message HttpRule {
  string selector = 1;
  oneof pattern { string get = 2; string put = 3; string post = 4; string delete = 5; string patch = 6; Custom custom = 8; }
  string body = 7;
  string response_body = 12;
  repeated HttpRule additional_bindings = 11;
}
message Custom { string kind = 1; string path = 2; }
"#;

fn with_rules(options: &str) -> Vec<u8> {
    let text = format!(
        r#"syntax = "proto3"; package shop.v1; import "google/api/annotations.proto";
        message M {{ string name = 1; }}
        service Shelves {{
          rpc Get(M) returns (M) {{ {options} }}
          rpc Watch(stream M) returns (stream M);
        }}"#
    );
    compile(&[("google/api/annotations.proto", ANNOTATIONS), ("shop.proto", &text)])
}

#[test]
fn methods_are_found_by_path() {
    let schema = Schema::decode(&with_rules("option idempotency_level = NO_SIDE_EFFECTS;")).unwrap();
    let paths: Vec<&str> = schema.methods().map(|method| &*method.path).collect();
    assert_eq!(paths, ["/shop.v1.Shelves/Get", "/shop.v1.Shelves/Watch"]);
    assert_eq!(
        schema.services().map(|service| service.full_name().to_owned()).collect::<Vec<_>>(),
        ["shop.v1.Shelves"]
    );
    let get = schema.method("/shop.v1.Shelves/Get").unwrap();
    assert!(get.no_side_effects && !get.client_streaming && !get.server_streaming && get.rules.is_empty());
    assert_eq!((get.input.full_name(), get.output.full_name()), ("shop.v1.M", "shop.v1.M"));
    let watch = schema.method("/shop.v1.Shelves/Watch").unwrap();
    assert!(!watch.no_side_effects && watch.client_streaming && watch.server_streaming);
    for path in ["shop.v1.Shelves/Get", "/shop.v1.Shelves/get", "/Shelves/Get", ""] {
        assert!(schema.method(path).is_none(), "{path}");
    }
    // Does not print all types there are.
    assert!(format!("{schema:?}").len() < 1000);
}

#[test]
fn without_a_package_and_without_anything() {
    let text = r#"syntax = "proto3"; message M {} service S { rpc Do(M) returns (M); }"#;
    let schema = Schema::decode(&compile(&[("s.proto", text)])).unwrap();
    assert!(schema.method("/S/Do").is_some());
    let schema = Schema::decode(b"").unwrap();
    assert_eq!(schema.methods().count(), 0);
    assert!(schema.pool().get_message_by_name("google.protobuf.Any").is_some());
}

#[test]
fn rules_come_with_their_additional_bindings() {
    let set = with_rules(
        r#"option (google.api.http) = {
            get: "/v1/{name=shelves/*}"
            additional_bindings { post: "/v1/shelves" body: "*" response_body: "name" }
            additional_bindings { put: "/v1/a" body: "name" }
            additional_bindings { patch: "/v1/b" }
            additional_bindings { delete: "/v1/c" }
            additional_bindings { custom { kind: "HEAD" path: "/v1/d" } }
        };"#,
    );
    let rule = |method: http::Method, template: &str, body: RuleBody, response_body: Option<&str>| HttpRule {
        method,
        template: template.to_owned(),
        body,
        response_body: response_body.map(str::to_owned),
    };
    let expected = [
        rule(http::Method::GET, "/v1/{name=shelves/*}", RuleBody::None, None),
        rule(http::Method::POST, "/v1/shelves", RuleBody::Whole, Some("name")),
        rule(http::Method::PUT, "/v1/a", RuleBody::Field("name".to_owned()), None),
        rule(http::Method::PATCH, "/v1/b", RuleBody::None, None),
        rule(http::Method::DELETE, "/v1/c", RuleBody::None, None),
        rule(http::Method::HEAD, "/v1/d", RuleBody::None, None),
    ];
    let schema = Schema::decode(&set).unwrap();
    assert_eq!(schema.method("/shop.v1.Shelves/Get").unwrap().rules, expected);
    let alone = rules(&set).unwrap();
    assert!(alone.iter().all(|(path, _)| path == "/shop.v1.Shelves/Get"));
    assert_eq!(alone.into_iter().map(|(_, rule)| rule).collect::<Vec<_>>(), expected);

    // The file that defines the option need not be in the set.
    let mut without = prost_types::FileDescriptorSet::decode(set.as_slice()).unwrap();
    without.file.retain(|file| file.name() == "shop.proto");
    let names = without.encode_to_vec();
    Schema::decode(&names).unwrap();
}

#[test]
fn rules_that_make_no_sense() {
    let many = r#"additional_bindings { get: "/a" } "#.repeat(BINDINGS_MAX);
    let long = format!(r#"get: "/{}""#, "a".repeat(PATTERN_BYTES_MAX));
    for (rule, reason) in [
        (r#"custom { kind: "*" path: "/v1" }"#, "any method"),
        (r#"custom { kind: "A B" path: "/v1" }"#, "no HTTP method"),
        (r#"custom { kind: "" path: "/v1" }"#, "no HTTP method"),
        (r#"body: "*""#, "no pattern"),
        (r#"get: """#, "an empty path"),
        (r#"get: "/a" additional_bindings { get: "/b" additional_bindings { get: "/c" } }"#, "inside"),
        (&format!(r#"get: "/a" {many}"#), "more than 100 bindings"),
        (&long, "longer than"),
    ] {
        let set = with_rules(&format!("option (google.api.http) = {{ {rule} }};"));
        for error in [Schema::decode(&set).unwrap_err(), rules(&set).unwrap_err()] {
            let text = error.to_string();
            assert!(text.contains(reason) && text.contains("/shop.v1.Shelves/Get"), "{rule}: {text}");
        }
    }
}

#[test]
fn public_imports_reach_as_far_as_they_go() {
    let public = |name: &str, import: &str| FileDescriptorProto {
        dependency: vec![import.to_owned()],
        public_dependency: vec![0],
        ..file(name, vec![])
    };
    let user = FileDescriptorProto {
        dependency: vec!["d.proto".to_owned()],
        ..file("e.proto", vec![message("E", vec![field("a", 1, Type::Message, Some(".p.A"))])])
    };
    let set = encode(vec![
        file("a.proto", vec![message("A", vec![])]),
        public("b.proto", "a.proto"),
        public("c.proto", "b.proto"),
        public("d.proto", "c.proto"),
        user,
    ]);
    let schema = Schema::decode(&set).unwrap();
    let field = schema.pool().get_message_by_name("p.E").unwrap().get_field(1).unwrap();
    assert!(matches!(field.kind(), Kind::Message(message) if message.full_name() == "p.A"));
}

#[test]
fn a_set_may_hold_a_file_twice_but_not_two_of_a_name() {
    let one = compile(&[(
        "a.proto",
        r#"syntax = "proto2"; package p; message A { extensions 1 to 9; } extend A { optional int32 x = 1; }"#,
    )]);
    let other = compile(&[("a.proto", r#"syntax = "proto2"; package p; message B {}"#)]);
    Schema::decode(&[one.clone(), one.clone()].concat()).unwrap();
    let error = Schema::decode(&[one, other].concat()).unwrap_err();
    assert!(error.to_string().contains("\"a.proto\": in the set twice"), "{error}");
}

#[test]
fn comments_and_options_are_kept() {
    let text = r#"syntax = "proto3"; package p;
        // Of the message.
        message A {
          option deprecated = true;
          int32 x = 1; // Of the field.
        }"#;
    let schema = Schema::decode(&compile(&[("a.proto", text)])).unwrap();
    let message = schema.pool().get_message_by_name("p.A").unwrap();
    assert!(message.descriptor_proto().options.as_ref().unwrap().deprecated());
    let file = message.parent_file();
    let info = file.file_descriptor_proto().source_code_info.as_ref().unwrap();
    let comment = |path: &[i32]| info.location.iter().find(|location| location.path == path).unwrap();
    assert_eq!(comment(&[4, 0]).leading_comments(), " Of the message.\n");
    assert_eq!(comment(&[4, 0, 2, 0]).trailing_comments(), " Of the field.\n");
    assert_eq!(info.location.len(), 2);
}

#[test]
fn names_in_json_may_clash_in_proto2() {
    let mut file = file("a.proto", vec![message("M", vec![int32("foo_bar", 1), int32("fooBar", 2)])]);
    let schema = Schema::decode(&encode(vec![file.clone()])).unwrap();
    let descriptor = schema.pool().get_message_by_name("p.M").unwrap();
    assert_eq!(descriptor.get_field_by_json_name("fooBar").unwrap().number(), 1);
    assert_eq!(descriptor.get_field(2).unwrap().json_name(), "fooBar_2");
    file.syntax = Some("proto3".to_owned());
    Schema::decode(&encode(vec![file])).unwrap_err();
}

fn file(name: &str, messages: Vec<DescriptorProto>) -> FileDescriptorProto {
    FileDescriptorProto {
        name: Some(name.to_owned()),
        package: Some("p".to_owned()),
        message_type: messages,
        ..FileDescriptorProto::default()
    }
}

fn message(name: &str, field: Vec<FieldDescriptorProto>) -> DescriptorProto {
    DescriptorProto { name: Some(name.to_owned()), field, ..DescriptorProto::default() }
}

fn field(name: &str, number: i32, kind: Type, type_name: Option<&str>) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        label: Some(Label::Optional.into()),
        r#type: Some(kind.into()),
        type_name: type_name.map(str::to_owned),
        ..FieldDescriptorProto::default()
    }
}

fn int32(name: &str, number: i32) -> FieldDescriptorProto {
    field(name, number, Type::Int32, None)
}

fn repeated(field: FieldDescriptorProto) -> FieldDescriptorProto {
    FieldDescriptorProto { label: Some(Label::Repeated.into()), ..field }
}

fn enumeration(name: &str, values: &[(&str, i32)]) -> EnumDescriptorProto {
    EnumDescriptorProto {
        name: Some(name.to_owned()),
        value: values
            .iter()
            .map(|(name, number)| EnumValueDescriptorProto {
                name: Some((*name).to_owned()),
                number: Some(*number),
                options: None,
            })
            .collect(),
        ..EnumDescriptorProto::default()
    }
}
