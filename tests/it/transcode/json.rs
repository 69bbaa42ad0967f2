//! Messages in JSON: what is read, what is written, and what manifests say about it.

use serde_json::{Value, json};

use crate::harness::guests::LIBRARY;
use crate::harness::host::Host;
use crate::harness::library::method;
use crate::harness::world::Place;

crate::both_ways! { every_kind_of_field_comes_back }

const ALL: &str = "/v1/everything";

/// Each field of `Everything`, as it is written.
const EVERYTHING: &str = r#"{
    "double": 1.5, "float": -0.25, "int32": -2147483648, "int64": "-9223372036854775808",
    "uint32": 4294967295, "uint64": "18446744073709551615", "sint32": -1, "sint64": "-1",
    "fixed32": 1, "fixed64": "1", "sfixed32": -1, "sfixed64": "-1",
    "bool": true, "string": "ünï \" \\ \n \ud83d\udcda", "bytes": "AP/+", "kind": "KIND_BELOW",
    "maybeInt32": 0, "maybeString": "", "maybeKind": "KIND_UNSPECIFIED",
    "message": {"text": "inner", "otherName": "x"},
    "int64s": ["1", "2"], "doubles": [1.5, "NaN", "-Infinity"], "strings": ["", "a"],
    "manyBytes": ["", "AA=="], "kinds": ["KIND_FIRST", "KIND_BELOW"],
    "messages": [{}, {"int32": 1}],
    "stringMap": {"": "empty", "a": "b"}, "int64Map": {"-7": {"bool": true}}, "boolMap": {"true": "KIND_FIRST"},
    "otherName": "renamed",
    "any": {"@type": "type.googleapis.com/library.v1.Author", "givenName": "Ada"},
    "timestamp": "2024-02-29T12:00:00.000000001Z", "duration": "-1.000000001s",
    "fieldMask": "author.givenName,title",
    "struct": {"a": [1, null, {"b": "c"}], "d": true}, "value": [null, "x"], "listValue": [1.5, false],
    "empty": {},
    "doubleValue": 0, "floatValue": 0, "int64Value": "0", "uint64Value": "0", "int32Value": 0, "uint32Value": 0,
    "boolValue": false, "stringValue": "", "bytesValue": "",
    "timestamps": ["1970-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z"], "int64Values": ["0", "5"]
}"#;

async fn every_kind_of_field_comes_back(place: Place) {
    let world = place.with(&[], &[&LIBRARY]).await;
    let all: Value = serde_json::from_str(EVERYTHING).unwrap();
    for path in [ALL, &method("EchoAll")] {
        let reply = world.sends_json("POST", path, &all).await.expect(200);
        let came: Value = reply.json();
        for (name, value) in all.as_object().unwrap() {
            assert_eq!(&came[name], value, "{path}: {name}");
        }
        assert_eq!(came.as_object().unwrap().len(), all.as_object().unwrap().len(), "{path}: {came}");
    }
}

/// There is more than one way to write most things.
#[tokio::test]
async fn what_is_read_is_more_than_what_is_written() {
    let host = Host::with(&[&LIBRARY]).await;
    for (sent, came) in [
        (r#"{"int64": 7, "uint64": 8.0, "int32": "9", "int32": "9"}"#, None),
        (
            r#"{"int64": 7, "uint64": 8.0, "int32": "9", "double": "1.5"}"#,
            Some(json!({"int64": "7", "uint64": "8", "int32": 9, "double": 1.5})),
        ),
        (r#"{"int32": 1e2, "uint32": "1e2"}"#, Some(json!({"int32": 100, "uint32": 100}))),
        (r#"{"bytes": "_-8"}"#, Some(json!({"bytes": "/+8="}))),
        (r#"{"kind": 1, "kinds": [-1, 99]}"#, Some(json!({"kind": "KIND_FIRST", "kinds": ["KIND_BELOW", 99]}))),
        (r#"{"maybe_int32": 1, "string_map": {"a": "b"}}"#, Some(json!({"maybeInt32": 1, "stringMap": {"a": "b"}}))),
        (r#"{"renamed": "x"}"#, Some(json!({"otherName": "x"}))),
        (r#"{"int32": null, "strings": null, "any": null, "int64Value": null}"#, Some(json!({}))),
        (r#"{"value": null}"#, Some(json!({"value": null}))),
        (r#"{"nothing": null}"#, Some(json!({"nothing": null}))),
        (r#"{"timestamp": "2024-01-01T01:00:00+01:00"}"#, Some(json!({"timestamp": "2024-01-01T00:00:00Z"}))),
        (
            r#"{"any": {"givenName": "A", "@type": "type.googleapis.com/library.v1.Author"}}"#,
            Some(json!({"any": {"@type": "type.googleapis.com/library.v1.Author", "givenName": "A"}})),
        ),
        (" {\n}\t", Some(json!({}))),
        ("", Some(json!({}))),
        // Not what JSON has.
        ("{", None),
        ("{} {}", None),
        ("[]", None),
        ("null", None),
        ("\"x\"", None),
        ("{'a': 1}", None),
        (r#"{"int32": 2147483648}"#, None),
        (r#"{"int32": 1.5}"#, None),
        (r#"{"uint64": -1}"#, None),
        (r#"{"int64": 1e400}"#, None),
        (r#"{"float": 1e39}"#, None),
        (r#"{"int64": "0x7"}"#, None),
        (r#"{"bool": "true"}"#, None),
        (r#"{"string": "\ud800"}"#, None),
        (r#"{"bytes": "*"}"#, None),
        (r#"{"text": "a", "number": 1}"#, None),
        (r#"{"strings": [null]}"#, None),
        (r#"{"timestamp": "0000-01-01T00:00:00Z"}"#, None),
        (r#"{"duration": "315576000001s"}"#, None),
        (r#"{"any": {"@type": "type.googleapis.com/library.v1.Nobody"}}"#, None),
        (r#"{"any": {"givenName": "A"}}"#, None),
    ] {
        let reply = host.sends("POST", ALL, &[("content-type", "application/json")], sent.to_owned()).await;
        match came {
            Some(came) => assert_eq!(reply.expect(200).json::<Value>(), came, "{sent}"),
            None => {
                let problem: Value = reply.expect(400).json();
                assert_eq!(problem["code"], "INVALID_ARGUMENT", "{sent}: {problem}");
            }
        }
    }
    let invalid = b"{\"string\": \"\xff\"}".to_vec();
    host.sends("POST", ALL, &[("content-type", "application/json")], invalid).await.expect(400);
    host.in_flight("library", 0).await;
}

#[tokio::test]
async fn what_nobody_knows_is_an_error_or_left_out() {
    let body = json!({"title": "x", "colour": "red", "author": {"shoes": 3, "givenName": "Ada"}});
    for (manifest, ignored) in
        [("", false), ("[json]\nunknown_fields = 'reject'\n", false), ("[json]\nunknown_fields = 'ignore'\n", true)]
    {
        let host = Host::builder().guest(&LIBRARY).manifest("library", manifest).start().await;
        let reply = host.sends_json("POST", "/v1/shelves/1/books?weather=fine&bookId=7", &body).await;
        if ignored {
            let answer = json!({"name": "shelves/1/books/7", "title": "x", "author": {"givenName": "Ada"}});
            assert_eq!(reply.expect(200).json::<Value>(), answer);
        } else {
            reply.expect(400);
        }
        let reply = host.sends_json("POST", &method("GetShelf"), &json!({"name": "shelves/1", "colour": "red"})).await;
        reply.expect(if ignored { 200 } else { 400 });
    }
}

/// Per service, and for a route of its own.
#[tokio::test]
async fn manifests_say_how_json_is_written() {
    let manifest = "
[json]
field_names = 'proto'
enums = 'numbers'
defaults = 'emit'

[[route]]
path = '/as-the-service/{*rest}'
strip_prefix = '/as-the-service'

[[route]]
path = '/otherwise/{*rest}'
strip_prefix = '/otherwise'
json = { field_names = 'json', enums = 'names', unknown_fields = 'ignore', errors = 'status' }
";
    let host = Host::builder().guest(&LIBRARY).manifest("library", manifest).start().await;
    let path = "/v1/shelves/1/books/2";
    let answer: Value = host.get(&format!("/as-the-service{path}")).await.expect(200).json();
    assert_eq!((&answer["genre"], &answer["author"]["given_name"]), (&json!(1), &json!("Ada")), "{answer}");
    assert_eq!((&answer["tags"], &answer["labels"]), (&json!([]), &json!({})), "{answer}");
    let answer: Value = host.get(&format!("/otherwise{path}")).await.expect(200).json();
    assert_eq!((&answer["genre"], &answer["author"]["givenName"]), (&json!("GENRE_NOVEL"), &json!("Ada")), "{answer}");
    assert_eq!(answer["tags"], json!([]), "what a route does not say is as for the service: {answer}");
    for (prefix, status) in [("/as-the-service", 400), ("/otherwise", 200)] {
        let reply = host.sends_json("POST", &format!("{prefix}/v1/shelves/1/books"), &json!({"colour": "red"})).await;
        reply.expect(status);
    }
    let missing = "/v1/shelves/missing";
    assert_eq!(host.get(&format!("/as-the-service{missing}")).await.expect(404).json::<Value>()["code"], "NOT_FOUND");
    assert_eq!(host.get(&format!("/otherwise{missing}")).await.expect(404).json::<Value>()["code"], 5);
}

/// Messages may be within messages, but not without end.
#[tokio::test]
async fn json_may_be_only_so_deep() {
    let host = Host::with(&[&LIBRARY]).await;
    // Of the guest's messages, one whose nesting takes little of its stack.
    let path = "/v1/shelves/1/books";
    let teachers = |depth: usize| "{\"teacher\":".repeat(depth) + "{}" + &"}".repeat(depth);
    let nested = |depth: usize| format!("{{\"author\":{}}}", teachers(depth));
    let headers = [("content-type", "application/json")];
    host.sends("POST", path, &headers, nested(90)).await.expect(200);
    for depth in [110, 5_000, 300_000] {
        let problem: Value = host.sends("POST", path, &headers, nested(depth)).await.expect(400).json();
        assert_eq!(problem["code"], "INVALID_ARGUMENT", "{depth}: {problem}");
    }
    for text in
        ["[".repeat(300_000), format!("{{\"value\":{}", "[".repeat(300_000)), "{\"struct\":{\"a\":".repeat(100_000)]
    {
        host.sends("POST", ALL, &headers, text).await.expect(400);
    }
    // What nobody looks at has to end, too.
    let builder = Host::builder().guest(&LIBRARY).manifest("library", "[json]\nunknown_fields = 'ignore'\n");
    let host = builder.start().await;
    let text = format!("{{\"unknown\":{}{}}}", "[".repeat(300_000), "]".repeat(300_000));
    host.sends("POST", ALL, &headers, text).await.expect(400);
    host.get("/v1/shelves/1").await.expect(200);
}
