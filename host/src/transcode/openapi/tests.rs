mod invariants;
mod limits;
mod parts;

use serde_json::{Value, json};

use super::testing::*;
use super::*;
use crate::transcode::json::{Enums, FieldNames};

/// An operation of the document of the depot.
fn operation(document: &Value, path: &str, method: &str) -> Value {
    let operation = document["paths"][path][method].clone();
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    assert!(operation.is_object(), "no {method} {path} among {paths:?}");
    operation
}

fn parameter(operation: &Value, name: &str) -> Value {
    let all = operation["parameters"].as_array().unwrap();
    let found = all.iter().find(|parameter| parameter["name"] == name);
    found.unwrap_or_else(|| panic!("no `{name}` among {all:#?}")).clone()
}

fn names(operation: &Value) -> Vec<&str> {
    let all = operation["parameters"].as_array().unwrap();
    all.iter().map(|parameter| parameter["name"].as_str().unwrap()).collect()
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

#[test]
fn a_document_says_what_it_describes() {
    let options =
        Options { title: "The depot".to_owned(), description: Some("Ask first.".to_owned()), ..Options::default() };
    let document = document(&[part("depot", &depot())], &options);
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["title"], "The depot");
    assert_eq!(document["info"]["description"], "Ask first.");
    assert_eq!(document["servers"], json!([{ "url": "/" }]));
    assert_eq!(
        document["tags"],
        json!([{ "name": "depot.v1.Depot", "description": "Keeps parcels. And gives them back." }])
    );
}

#[test]
fn an_operation_says_what_the_comment_says() {
    let document = of(&depot());
    let get = operation(&document, "/v1/{parcel.name}", "get");
    assert_eq!(get["summary"], "Finds a parcel");
    assert_eq!(
        get["description"],
        "Finds a parcel. Asks all shelves, and takes\n`a while` for <b>heavy</b> ones.\n\n\
         It changes nothing: clients of Connect can also call it by `GET /depot.v1.Depot/GetParcel`."
    );
    assert_eq!(get["tags"], json!(["depot.v1.Depot"]));
    assert_eq!(get["operationId"], "depot.v1.Depot.GetParcel");
    assert_eq!(get["x-hostel-service"], "depot");
    assert_eq!(get["x-hostel-method"], "/depot.v1.Depot/GetParcel");
    let list = operation(&document, "/v1/{shelf}/parcels", "get");
    assert_eq!((&list["summary"], &list["description"]), (&json!("Lists parcels"), &Value::Null));
    assert_eq!(operation(&document, "/v1/parcels/{id}", "delete")["deprecated"], true);
    let silent = operation(&document, "/depot.v1.Depot/Talk", "post");
    assert_eq!((&silent["summary"], &silent["description"]), (&json!("Talk"), &Value::Null));
}

#[test]
fn a_variable_of_several_segments_is_one_parameter() {
    let document = of(&depot());
    let list = operation(&document, "/v1/{shelf}/parcels", "get");
    assert_eq!(
        parameter(&list, "shelf"),
        json!({
            "name": "shelf", "in": "path", "required": true, "x-hostel-slashes": true,
            "description": "Looks like `shelves/*`.",
            "schema": { "type": "string", "pattern": "^shelves/[^/]+$" },
        })
    );
    let file = operation(&document, "/v1/files/{name}", "get");
    assert_eq!(parameter(&file, "name")["schema"]["pattern"], "^.*$");
    assert_eq!(parameter(&file, "name")["x-hostel-slashes"], true);
    let send = operation(&document, "/v1/parcels/{name}:send", "post");
    assert_eq!(parameter(&send, "name")["schema"], json!({ "type": "string" }));
    // One that goes nowhere has a name of its own.
    let write = operation(&document, "/v1/uploads/{segment.3}/{name}", "put");
    assert_eq!(parameter(&write, "segment.3")["description"], "Any segment. Is not looked at.");
}

#[test]
fn rules_with_one_look_do_not_hide_each_other() {
    let document = of(&depot());
    // Of one method: the later ones are spelled out.
    let shelf = operation(&document, "/v1/shelves/{name.3}", "get");
    assert_eq!(shelf["operationId"], "depot.v1.Depot.GetShelf");
    assert_eq!(parameter(&shelf, "name.3")["description"], "Any segment. A part of `name`, which is `shelves/*`.");
    assert_eq!(operation(&document, "/v1/rooms/{name.3}", "get")["operationId"], "depot.v1.Depot.GetRoom");
    // Of several methods: they share the path, and so the names in it.
    let get = operation(&document, "/v1/parcels/{id}", "get");
    assert_eq!(get["operationId"], "depot.v1.Depot.GetParcel-2");
    assert_eq!(parameter(&get, "id")["description"], "Its full name.\n\nThe field `name`.");
    assert_eq!(parameter(&operation(&document, "/v1/parcels/{id}", "delete"), "id")["in"], "path");
    assert_eq!(document["paths"].get("/v1/parcels/{name}"), None);
}

#[test]
fn a_query_has_what_path_and_body_do_not() {
    let document = of(&depot());
    let list = operation(&document, "/v1/{shelf}/parcels", "get");
    let expected = [
        "shelf",
        "pageSize",
        "pageToken",
        "views",
        "to.city",
        "to.street.name",
        "to.street.number",
        "since",
        "within",
        "readMask",
        "weightMax",
        "labels",
        "filter",
        "token",
        "byName",
        "byWeight",
    ];
    assert_eq!(names(&list), expected, "no maps or lists of messages, no message within itself, no `Any`");
    let text = json!({ "type": "string" });
    let cases = [
        ("pageSize", json!({ "schema": { "type": "integer", "format": "int32" } })),
        ("views", json!({ "explode": true, "schema": { "type": "array", "items": reference("depot.v1.View") } })),
        ("since", json!({ "schema": { "type": "string", "format": "date-time" } })),
        ("weightMax", json!({ "schema": { "type": "string", "format": "int64" } })),
        ("token", json!({ "schema": { "type": "string", "contentEncoding": "base64", "format": "byte" } })),
        ("filter", json!({ "content": { "application/json": { "schema": { "type": "object" } } } })),
        (
            "labels",
            json!({ "style": "deepObject", "explode": true,
                "schema": { "type": "object", "additionalProperties": text } }),
        ),
        ("byName", json!({ "description": "Only one of `order` can be set.", "schema": { "type": "boolean" } })),
    ];
    for (name, mut expected) in cases {
        expected["name"] = name.into();
        expected["in"] = "query".into();
        assert_eq!(parameter(&list, name), expected);
    }
    let put = operation(&document, "/v1/{shelf}/parcels", "post");
    assert_eq!(names(&put), ["shelf", "checkOnly"]);
    let change = operation(&document, "/v1/{parcel.name}", "patch");
    assert_eq!(names(&change), ["parcel.name", "updateMask"]);
    let send = operation(&document, "/v1/parcels/{name}:send", "post");
    assert_eq!(names(&send), ["name"], "the body has all others");
}

#[test]
fn a_body_has_what_the_rule_says() {
    let document = of(&depot());
    let body = |path: &str, method: &str| operation(&document, path, method)["requestBody"].clone();
    let put = body("/v1/{shelf}/parcels", "post");
    assert_eq!(
        put,
        json!({ "required": true, "content": { "application/json": { "schema": reference("depot.v1.Parcel") } } })
    );
    // What the path gives is not asked for again.
    let send = &body("/v1/parcels/{name}:send", "post")["content"]["application/json"]["schema"];
    assert_eq!(send["properties"], json!({ "carrier": { "type": "string" } }));
    assert_eq!(send["required"], json!(["carrier"]));
    let change = &body("/v1/{parcel.name}", "patch")["content"]["application/json"]["schema"];
    assert_eq!((change["properties"].get("name"), change.get("required")), (None, None), "{change:#}");
    assert_eq!(change["properties"]["inside"]["items"], reference("depot.v1.Parcel"));
    let raw = json!({ "*/*": { "schema": { "type": "string", "format": "binary" } } });
    assert_eq!(body("/v1/uploads/{segment.3}/{name}", "put")["content"], raw);
    assert_eq!(body("/v1/events", "get"), Value::Null);
    let file = operation(&document, "/v1/files/{name}", "get");
    assert_eq!(file["responses"]["200"]["content"], raw);
    let list = operation(&document, "/v1/{shelf}/parcels", "get");
    let listed = &list["responses"]["200"]["content"]["application/json"]["schema"];
    assert_eq!(*listed, json!({ "type": "array", "items": reference("depot.v1.Parcel") }), "its `response_body`");
}

#[test]
fn a_method_without_rules_is_a_post() {
    let document = of(&depot());
    let all = operation(&document, "/depot.v1.Depot/Everything", "post");
    let content = json!({ "application/json": { "schema": reference("depot.v1.All") } });
    assert_eq!(all["requestBody"]["content"], content);
    assert_eq!(all["responses"]["200"]["content"], content);
    assert_eq!(all.get("parameters"), None);
    assert_eq!(all["responses"]["default"], json!({ "$ref": "#/components/responses/hostel-error" }));
}

#[test]
fn streams_are_lines_and_events() {
    let document = of(&depot());
    let watch = operation(&document, "/v1/events", "get");
    let content = watch["responses"]["200"]["content"].as_object().unwrap();
    assert_eq!(content.keys().collect::<Vec<_>>(), ["application/x-ndjson", "text/event-stream"]);
    for media in content.values() {
        assert_eq!(media["schema"]["contentSchema"]["items"], reference("depot.v1.Event"));
        assert_eq!(media["schema"]["type"], "string");
    }
    let fill = operation(&document, "/depot.v1.Depot/Fill", "post");
    assert_eq!(
        fill["requestBody"]["content"]["application/x-ndjson"]["schema"]["contentSchema"]["items"],
        reference("depot.v1.Parcel")
    );
    assert_eq!(fill["responses"]["200"]["content"]["application/json"]["schema"], reference("depot.v1.Count"));
    let talk = operation(&document, "/depot.v1.Depot/Talk", "post");
    assert!(talk["requestBody"]["content"]["application/x-ndjson"].is_object());
    assert!(talk["responses"]["200"]["content"]["text/event-stream"].is_object());
}

#[test]
fn a_message_is_an_object_as_in_protobufs_json() {
    let document = of(&depot());
    let all = &document["components"]["schemas"]["depot.v1.All"]["properties"];
    let cases = [
        ("aDouble", json!({ "type": "number", "format": "double" })),
        ("anInt64", json!({ "type": "string", "format": "int64" })),
        ("aUint32", json!({ "type": "integer", "format": "uint32", "minimum": 0 })),
        ("aUint64", json!({ "type": "string", "format": "uint64" })),
        ("someBytes", json!({ "type": "string", "contentEncoding": "base64", "format": "byte" })),
        (
            "byNumber",
            json!({ "type": "object", "additionalProperties": { "type": "boolean" },
                "propertyNames": { "pattern": "^-?[0-9]+$" } }),
        ),
        (
            "byBool",
            json!({ "type": "object", "additionalProperties": reference("depot.v1.View"),
                "propertyNames": { "enum": ["true", "false"] } }),
        ),
        ("object", json!({ "type": "object" })),
        ("value", json!({})),
        ("list", json!({ "type": "array", "items": {} })),
        ("null", json!({ "type": "null" })),
        ("maybeString", json!({ "type": ["string", "null"] })),
        ("times", json!({ "type": "array", "items": { "type": "string", "format": "date-time" } })),
        ("@odd \"name\"", json!({ "type": "string" })),
        ("empty", json!({ "type": "object" })),
    ];
    for (name, expected) in cases {
        assert_eq!(all[name], expected, "{name}");
    }
    assert_eq!(all["duration"]["pattern"], "^-?[0-9]+(\\.[0-9]{1,9})?s$");
    assert_eq!(all["any"]["properties"]["@type"]["type"], "string");
    let parcel = &document["components"]["schemas"]["depot.v1.Parcel"];
    assert_eq!(parcel["description"], "What is kept.");
    assert_eq!(parcel["required"], json!(["name"]));
    assert_eq!(parcel["x-oneof"], json!({ "way": ["ship", "train"] }), "none for `optional`");
    let properties = &parcel["properties"];
    assert_eq!(properties["receivedAt"]["readOnly"], true);
    assert_eq!(properties["pin"]["writeOnly"], true);
    assert_eq!(properties["note"]["deprecated"], true);
    assert_eq!(properties["inside"], json!({ "type": "array", "items": reference("depot.v1.Parcel") }));
    assert_eq!(properties["ship"]["description"], "Only one of `way` can be set.");
    assert_eq!(properties["train"]["$ref"], "#/components/schemas/depot.v1.Parcel.Train");
}

#[test]
fn enums_and_proto2_are_described() {
    let document = of(&depot());
    let schemas = &document["components"]["schemas"];
    assert_eq!(
        schemas["depot.v1.View"],
        json!({
            "type": "string", "enum": ["VIEW_UNSPECIFIED", "LABEL", "FULL"],
            "description": "- `LABEL`: Only what is on the label.\n- `FULL`: All of it.",
        })
    );
    assert_eq!(schemas["old.Kind"]["enum"], json!(["ONE", "TWO", "DEUX"]));
    assert_eq!(schemas["old.Old"]["required"], json!(["needed"]));
    assert_eq!(schemas["old.Old"]["properties"]["bag"], reference("old.Old.Bag"));
}

#[test]
fn the_style_of_json_is_that_of_the_service() {
    let schema = depot();
    let json = JsonOptions { field_names: FieldNames::Proto, enums: Enums::Numbers, ..JsonOptions::default() };
    let document = document(&[Part { json, ..part("depot", &schema) }], &Options::default());
    let list = operation(&document, "/v1/{shelf}/parcels", "get");
    assert!(names(&list).contains(&"page_size"), "{list:#}");
    let schemas = &document["components"]["schemas"];
    assert!(schemas["depot.v1.Parcel"]["properties"]["received_at"].is_object());
    let view = &schemas["depot.v1.View"];
    assert_eq!((&view["type"], view.get("enum")), (&json!("integer"), None));
    let expected = "- 0: `VIEW_UNSPECIFIED`\n- 1: `LABEL`: Only what is on the label.\n- 2: `FULL`: All of it.";
    assert_eq!(view["description"], expected);
}

#[test]
fn errors_are_problems_or_statuses() {
    let schema = depot();
    let error = |errors| {
        let document = document(&[part("depot", &schema)], &Options { errors, ..Options::default() });
        let (name, media) = {
            let content = document["components"]["responses"]["hostel-error"]["content"].as_object().unwrap();
            let (name, media) = content.iter().next().unwrap();
            (name.clone(), media["schema"]["$ref"].as_str().unwrap().rsplit_once('/').unwrap().1.to_owned())
        };
        let properties = document["components"]["schemas"][&media]["properties"].as_object().unwrap().clone();
        (name, properties.keys().cloned().collect::<Vec<_>>())
    };
    let (name, members) = error(ErrorBodies::Problem);
    assert_eq!(name, "application/problem+json");
    assert_eq!(members, ["code", "detail", "details", "status", "title", "trace_id", "type"]);
    let (name, members) = error(ErrorBodies::Status);
    assert_eq!((name.as_str(), members.join(" ").as_str()), ("application/json", "code details message"));
}

#[test]
fn what_openapi_cannot_say_is_listed() {
    assert_eq!(
        of(&depot())["x-hostel-left-out"],
        json!([{
            "service": "depot", "method": "/depot.v1.Depot/Lock", "http": "LOCK /v1/lock/{name}",
            "reason": "OpenAPI 3.1 has no operations of the method LOCK",
        }])
    );
}
