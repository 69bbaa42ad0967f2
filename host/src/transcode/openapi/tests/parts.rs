//! Several services in one document.

use serde_json::json;

use super::super::testing::*;
use super::super::{Options, Part, document};
use super::invariants::check;

const ONE: &str = "
    service One { rpc Get(Ask) returns (Outer) { option (google.api.http) = { get: \"/v1/things/{id}\" }; } }
    message Ask { string id = 1; }
    message Outer { Inner inner = 1; Common common = 2; }
    message Inner { string text = 1; }
    message Common { string text = 1; }";

/// `Inner` is another one, and so `Outer` is.
const TWO: &str = "
    service Two { rpc Get(Ask) returns (Outer) { option (google.api.http) = { get: \"/v1/things/{name}\" }; } }
    message Ask { string name = 1; }
    message Outer { Inner inner = 1; Common common = 2; }
    message Inner { int32 number = 1; }
    message Common { string text = 1; }";

#[test]
fn types_of_one_name_are_told_apart() {
    let (one, two) = (schema(ONE), schema(TWO));
    let again = schema(&TWO.replace("things", "others").replace("Two", "Third"));
    let parts =
        [part("one", &one), Part { prefix: "/two/", ..part("two", &two) }, part("two", &again), part("four", &one)];
    let document = document(&parts, &Options::default());
    check(&document);
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let names: Vec<&str> = schemas.keys().map(String::as_str).collect();
    let expected =
        ["Common", "Inner", "Outer", "hostel-problem", "two-2-Inner", "two-2-Outer", "two-Inner", "two-Outer"];
    assert_eq!(names, expected);
    assert_eq!(schemas["two-Outer"]["properties"]["inner"]["$ref"], "#/components/schemas/two-Inner");
    assert_eq!(schemas["two-Outer"]["properties"]["common"]["$ref"], "#/components/schemas/Common");
    assert_eq!(schemas["Outer"]["properties"]["inner"]["$ref"], "#/components/schemas/Inner");
    let response = &document["paths"]["/two/v1/things/{name}"]["get"]["responses"]["200"];
    assert_eq!(response["content"]["application/json"]["schema"]["$ref"], "#/components/schemas/two-Outer");
}

#[test]
fn the_first_keeps_a_path_that_two_have() {
    let (one, two) = (schema(ONE), schema(TWO));
    let document = document(&[part("one", &one), part("two", &two)], &Options::default());
    check(&document);
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.keys().collect::<Vec<_>>(), ["/v1/things/{id}"]);
    assert_eq!(paths["/v1/things/{id}"]["get"]["x-hostel-service"], "one");
    assert_eq!(
        document["x-hostel-left-out"],
        json!([{
            "service": "two", "method": "/Two/Get", "http": "GET /v1/things/{name}",
            "reason": "/One/Get of `one` has the same path",
        }])
    );
}

#[test]
fn prefixes_are_in_front_of_all_paths() {
    let schema = schema(ONE);
    for (prefix, expected) in [
        ("", "/v1/things/{id}"),
        ("/", "/v1/things/{id}"),
        ("/orders", "/orders/v1/things/{id}"),
        ("orders/", "/orders/v1/things/{id}"),
        ("/{odd}", "/%7Bodd%7D/v1/things/{id}"),
    ] {
        let document = document(&[Part { prefix, ..part("one", &schema) }], &Options::default());
        check(&document);
        assert!(document["paths"].get(expected).is_some(), "{prefix}: {:#}", document["paths"]);
    }
}

#[test]
fn a_service_that_two_have_is_tagged_once_and_its_operations_are_told_apart() {
    let schema = schema(ONE);
    let parts = [part("a", &schema), Part { prefix: "/b", ..part("b <i>", &schema) }];
    let document = document(&parts, &Options::default());
    check(&document);
    assert_eq!(document["tags"], json!([{ "name": "One" }]));
    assert_eq!(document["paths"]["/b/v1/things/{id}"]["get"]["operationId"], "One.Get-2");
    assert_eq!(document["paths"]["/b/v1/things/{id}"]["get"]["x-hostel-service"], "b <i>");
}

#[test]
fn nothing_makes_an_empty_document() {
    let document = document(&[], &Options::default());
    check(&document);
    assert_eq!(document["paths"], json!({}));
    assert_eq!(document.get("x-hostel-left-out"), None);
}
