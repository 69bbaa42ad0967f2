//! OpenAPI documents, by the judgement of a validator that is not ours.

use std::fs;
use std::process::Command;
use std::sync::Mutex;

use hostel::transcode::json::{self, Defaults, Enums, FieldNames, JsonOptions};
use hostel::transcode::openapi::{ErrorBodies, Options, Part, document};
use hostel::transcode::schema::Schema;
use serde_json::{Value, json};

use crate::harness::paths::root;

/// The service in `tests/openapi/proto`, which has something of everything.
fn depot() -> Schema {
    let mut compiler = protox::Compiler::new([root().join("tests/openapi/proto")]).expect("the folder is there");
    compiler.include_imports(true).include_source_info(true);
    compiler.open_file("depot.proto").expect("it compiles");
    Schema::decode(&compiler.encode_file_descriptor_set()).expect("descriptors that make sense")
}

/// The first one who validates installs the validator.
static VALIDATOR: Mutex<()> = Mutex::new(());

/// Has a document validated, and values against its schemas: a schema's name, a value, and whether it is to fit.
fn validate(document: &Value, values: &[(String, Value, bool)]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, value: &Value| {
        let path = folder.path().join(name);
        fs::write(&path, value.to_string()).expect("room on the disk");
        path
    };
    let values = values.iter().map(|(schema, value, fits)| json!({ "schema": schema, "value": value, "fits": fits }));
    let _one_at_a_time = VALIDATOR.lock();
    let output = Command::new(root().join("tests/openapi/validate.sh"))
        .arg(write("openapi.json", document))
        .arg(write("values.json", &values.collect()))
        .output()
        .expect("bash is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What the host writes for a message, given in any form it reads.
fn written(schema: &Schema, message: &str, value: &Value, options: JsonOptions) -> Value {
    let descriptor = schema.pool().get_message_by_name(message).expect("a message of the service");
    let message = json::from_json(&descriptor, value.to_string().as_bytes(), options).expect("JSON of this message");
    let mut out = Vec::new();
    json::to_json(&message, options, &mut out).expect("a form in JSON");
    serde_json::from_slice(&out).expect("JSON")
}

#[test]
fn documents_are_valid_and_describe_what_the_host_writes() {
    let schema = depot();
    let everything = json!({
        "aDouble": 1.5, "aFloat": 2, "anInt32": -1, "anInt64": -5_000_000_000_i64, "aUint32": 7, "aUint64": 8,
        "aBool": true, "someBytes": "_-8=", "byNumber": { "-3": true }, "byBool": { "true": "LABEL", "false": 2 },
        "duration": "1.000000001s", "object": { "a": [1, null] }, "value": null, "list": [{}], "null": null,
        "any": { "@type": "type.googleapis.com/depot.v1.Parcel", "name": "x" }, "maybeString": "", "maybeNumber": 0,
        "maybeBytes": "AA==", "times": ["2026-01-02T03:04:05+01:00"], "@odd \"name\"": "x", "empty": {},
    });
    let parcel = json!({
        "name": "shelves/1/parcels/2", "weight": 3, "receivedAt": "2026-01-02T03:04:05.5Z", "labels": { "a": "b" },
        "inside": [{ "name": "y" }], "to": { "beside": { "city": "Q" } }, "train": { "number": 9 }, "maybe": "",
    });
    let styles = [
        JsonOptions::default(),
        JsonOptions { field_names: FieldNames::Proto, enums: Enums::Numbers, ..JsonOptions::default() },
        JsonOptions { defaults: Defaults::Emit, ..JsonOptions::default() },
    ];
    for json in styles {
        let part = Part { service: "depot", schema: &schema, json, prefix: "/depot" };
        let document = document(&[part], &Options::default());
        let all = written(&schema, "depot.v1.All", &everything, json);
        let mut values = vec![
            ("depot.v1.All".to_owned(), all.clone(), true),
            ("depot.v1.Parcel".to_owned(), written(&schema, "depot.v1.Parcel", &parcel, json), true),
            ("depot.v1.Parcel".to_owned(), json!({}), false),
            ("old.Old".to_owned(), written(&schema, "old.Old", &json!({ "needed": "", "kind": "DEUX" }), json), true),
            ("old.Old".to_owned(), json!({ "kind": 1 }), false),
        ];
        // Nothing of it is there by chance: a value of another type fits none of the schemas.
        for (name, value) in all.as_object().expect("an object") {
            if !["value", "null", "empty"].contains(&name.as_str()) {
                let other = if value.is_string() { json!(["x"]) } else { json!("x") };
                values.push(("depot.v1.All".to_owned(), json!({ name: other }), false));
            }
        }
        validate(&document, &values);
    }
}

#[test]
fn a_document_of_many_services_is_valid() {
    let schema = depot();
    let part = |service, prefix, field_names| {
        let json = JsonOptions { field_names, ..JsonOptions::default() };
        Part { service, schema: &schema, json, prefix }
    };
    let parts = [
        part("depot", "", FieldNames::Json),
        part("depot", "/again", FieldNames::Proto),
        part("odd name", "/{odd}", FieldNames::Proto),
        part("late", "", FieldNames::Json),
    ];
    let whole = document(&parts, &Options { errors: ErrorBodies::Status, ..Options::default() });
    validate(&whole, &[]);
    let cut = document(&parts, &Options { memory_max: 256 * 1024, ..Options::default() });
    assert!(cut.to_string().len() < whole.to_string().len() / 2, "{}", cut.to_string().len());
    validate(&cut, &[]);
}
