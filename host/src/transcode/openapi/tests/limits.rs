//! What descriptors from outside cannot do.

use std::fmt::Write as _;

use serde_json::Value;

use super::super::testing::*;
use super::super::{
    COMMENT_BYTES_MAX, LEFT_OUT_MAX, Options, PARAMETER_DEPTH_MAX, PARAMETERS_MAX, Part, cost, document, text,
};
use super::invariants::check;

fn count(document: &Value, what: &str) -> usize {
    document[what].as_object().unwrap().len()
}

fn only(document: &Value) -> &Value {
    document["paths"].as_object().unwrap().values().next().unwrap().as_object().unwrap().values().next().unwrap()
}

/// A service with methods, each with types of its own.
fn large(name: &str, methods: usize) -> String {
    let mut text = format!("package {name};\nservice S {{\n");
    for number in 0..methods {
        let _ = writeln!(text, "rpc M{number}(In{number}) returns (Out{number});");
    }
    text.push_str("}\n");
    for number in 0..methods {
        let _ = writeln!(text, "message In{number} {{ string a = 1; }} message Out{number} {{ string b = 1; }}");
    }
    text
}

#[test]
fn a_document_is_not_larger_than_it_may_be() {
    let schema = schema(&large("large", 200));
    let whole = document(&[part("large", &schema)], &Options::default());
    assert_eq!(count(&whole, "paths"), 200);
    assert_eq!(whole.get("x-hostel-left-out"), None);
    let empty = cost::of(&document(&[], &Options::default()));
    for divisor in [2, 4, 10, 1000] {
        let memory_max = cost::of(&whole) / divisor;
        let cut = document(&[part("large", &schema)], &Options { memory_max, ..Options::default() });
        check(&cut);
        let left_out = cost::of(&cut["x-hostel-left-out"]);
        assert!(cost::of(&cut) - left_out <= memory_max + empty + 4096, "1/{divisor}: {}", cost::of(&cut));
        assert!(left_out > 0, "1/{divisor}");
    }
}

#[test]
fn types_without_room_have_a_stub() {
    let schema = schema(&large("large", 200));
    let whole = document(&[part("large", &schema)], &Options::default());
    // The operations fit, but not all of the types.
    let memory_max = cost::of(&whole) * 9 / 10;
    let cut = document(&[part("large", &schema)], &Options { memory_max, ..Options::default() });
    check(&cut);
    assert_eq!(count(&cut, "paths"), 200);
    assert!(cut["components"]["schemas"]["hostel-left-out"].is_object());
    let reason = cut["x-hostel-left-out"][0]["reason"].as_str().unwrap();
    assert!(reason.starts_with("there is no room in the document for ") && reason.ends_with(" types"), "{reason}");
}

#[test]
fn a_large_service_leaves_room_for_those_after_it() {
    let (large_one, small) = (schema(&large("large", 200)), schema(&large("small", 3)));
    let whole = document(&[part("large", &large_one)], &Options::default());
    let options = Options { memory_max: cost::of(&whole) / 4, ..Options::default() };
    let both = document(&[part("large", &large_one), part("small", &small)], &options);
    check(&both);
    for number in 0..3 {
        assert!(both["paths"].get(format!("/small.S/M{number}")).is_some());
    }
}

#[test]
fn parameters_end_somewhere() {
    let mut wide =
        String::from("service S { rpc M(In) returns (In) { option (google.api.http) = { get: \"/m\" }; } }\n");
    wide.push_str("message In {\n");
    for number in 1..=PARAMETERS_MAX + 1 {
        let _ = writeln!(wide, "string f{number} = {number};");
    }
    wide.push_str("}\n");
    let document = of(&schema(&wide));
    check(&document);
    let operation = only(&document);
    assert_eq!(operation["parameters"].as_array().unwrap().len(), PARAMETERS_MAX);
    assert!(operation["description"].as_str().unwrap().contains("More fields"), "{operation:#}");
}

#[test]
fn parameters_are_not_deeper_than_they_may_be() {
    let mut deep =
        String::from("service S { rpc M(L1) returns (L1) { option (google.api.http) = { get: \"/m\" }; } }\n");
    for level in 1..=PARAMETER_DEPTH_MAX + 1 {
        let _ = writeln!(deep, "message L{level} {{ string text = 1; L{} next = 2; }}", level + 1);
    }
    let _ = writeln!(deep, "message L{} {{}}", PARAMETER_DEPTH_MAX + 2);
    let document = of(&schema(&deep));
    check(&document);
    let names: Vec<&str> =
        only(&document)["parameters"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), PARAMETER_DEPTH_MAX);
    assert!(names.contains(&"next.next.next.next.text"), "{names:?}");
    assert!(only(&document)["description"].as_str().unwrap().contains("More fields"));
}

/// Fifty messages to the power of five, none of which has a field that could be a parameter.
#[test]
fn looking_for_parameters_ends_somewhere() {
    let mut tree =
        String::from("service S { rpc M(L1) returns (L1) { option (google.api.http) = { get: \"/m\" }; } }\n");
    for level in 1..=4 {
        let _ = writeln!(tree, "message L{level} {{");
        for number in 1..=50 {
            let _ = writeln!(tree, "L{} f{number} = {number};", level + 1);
        }
        tree.push_str("}\n");
    }
    tree.push_str("message L5 { repeated L1 ones = 1; }\n");
    let document = of(&schema(&tree));
    check(&document);
    assert_eq!(only(&document).get("parameters"), None);
    assert!(only(&document)["description"].as_str().unwrap().contains("More fields"));
}

#[test]
fn comments_are_cut() {
    let long = "ü".repeat(COMMENT_BYTES_MAX);
    let clean = text::clean(&long);
    assert!(clean.len() <= COMMENT_BYTES_MAX + '…'.len_utf8() && clean.ends_with("ü…"), "{} bytes", clean.len());
    assert_eq!(text::summary(&clean).chars().count(), 121);
    let schema = schema(&format!("// {long}\nservice S {{ rpc M(In) returns (In); }} message In {{}}"));
    let document = of(&schema);
    assert!(document["tags"][0]["description"].as_str().unwrap().len() <= COMMENT_BYTES_MAX + 3);
}

#[test]
fn what_is_left_out_is_listed_up_to_a_limit() {
    let schema = schema(&large("large", LEFT_OUT_MAX + 100));
    let document = document(&[part("large", &schema)], &Options { memory_max: 0, ..Options::default() });
    check(&document);
    let left_out = document["x-hostel-left-out"].as_array().unwrap();
    assert_eq!(left_out.len(), LEFT_OUT_MAX);
    assert_eq!(left_out.last().unwrap()["reason"], "and 101 more");
}

#[test]
fn a_oneof_with_many_members_is_not_listed_for_each() {
    let mut text = String::from("service S { rpc M(In) returns (In); }\nmessage In { oneof choice {\n");
    for number in 1..=500 {
        let _ = writeln!(text, "string member_with_a_long_name_{number} = {number};");
    }
    text.push_str("} }\n");
    let document = of(&schema(&text));
    check(&document);
    assert!(document.to_string().len() < 500 * 250, "{}", document.to_string().len());
}

/// Rules that a module with them would not be served for. Here they only must do no harm.
#[test]
fn rules_that_make_no_sense_are_left_out() {
    for (rule, reason) in [
        ("get: \"/m/{nothing}\"", "`In` has no field `nothing`"),
        ("get: \"/m/{in}\"", "the field `in` has no text"),
        ("get: \"/m/{many}\"", "the field `many` is repeated or a map, and cannot be in a path"),
        ("get: \"/m/{map.a}\"", "`In` has no field `map.a`"),
        ("get: \"m\"", "its path is no template"),
        ("post: \"/m\" body: \"nothing\"", "`In` has no field `nothing` for the body"),
        ("get: \"/m\" response_body: \"nothing\"", "`In` has no field `nothing` for the response"),
    ] {
        let text = format!(
            "service S {{ rpc M(In) returns (In) {{ option (google.api.http) = {{ {rule} }}; }} }}\n\
             message In {{ In in = 1; repeated string many = 2; map<string, In> map = 3; }}"
        );
        let document = of(&schema(&text));
        check(&document);
        assert_eq!(count(&document, "paths"), 0, "{rule}");
        assert_eq!(document["x-hostel-left-out"][0]["reason"], reason, "{rule}");
    }
}

/// Types that look the same but are made of others are in the document once for each service, and cost each time.
#[test]
fn types_that_only_differ_inside_need_room_too() {
    let chain = |inner: &str| {
        let mut text = String::from("service S { rpc M(L1) returns (L1); }\n");
        for level in 1..100 {
            let _ = writeln!(text, "message L{level} {{ L{} next = 1; }}", level + 1);
        }
        schema(&format!("{text}message L100 {{ {inner} last = 1; }}"))
    };
    let schemas = ["string", "int32", "bool", "bytes", "double", "float", "int64", "uint32"].map(chain);
    let prefixes = ["/a", "/b", "/c", "/d", "/e", "/f", "/g", "/h"];
    let all = schemas.iter().zip(prefixes);
    let parts: Vec<Part<'_>> = all.map(|(schema, prefix)| Part { prefix, ..part("same", schema) }).collect();
    let one = cost::of(&document(&parts[..1], &Options::default()));
    let whole = document(&parts, &Options::default());
    check(&whole);
    assert_eq!(whole["components"]["schemas"].as_object().unwrap().len(), 8 * 100 + 1);
    let cut = document(&parts, &Options { memory_max: 3 * one, ..Options::default() });
    check(&cut);
    assert!(cost::of(&cut) < 5 * one, "{} is more than {one}", cost::of(&cut));
}
