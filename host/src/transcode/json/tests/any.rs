//! `Any`, and how deep and how large messages may be.

use prost_reflect::Value;

use super::*;

#[test]
fn any_of_a_message_and_of_a_well_known_type() {
    accepted(&[
        (r#"{"any": {}}"#, r#"{"any":{}}"#),
        (
            r#"{"any": {"@type": "type.googleapis.com/t.Inner", "name": "a", "count": "1"}}"#,
            r#"{"any":{"@type":"type.googleapis.com/t.Inner","name":"a","count":"1"}}"#,
        ),
        (
            r#"{"any": {"count": 1, "value": "v", "@type": "example.com/x/t.Inner"}}"#,
            r#"{"any":{"@type":"example.com/x/t.Inner","count":"1","value":"v"}}"#,
        ),
        (r#"{"any": {"@type": "/t.Inner"}}"#, r#"{"any":{"@type":"/t.Inner"}}"#),
        (
            r#"{"any": {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1.5s"}}"#,
            r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1.500s"}}"#,
        ),
        (
            r#"{"any": {"value": {"a": [1]}, "@type": "a/google.protobuf.Struct"}}"#,
            r#"{"any":{"@type":"a/google.protobuf.Struct","value":{"a":[1]}}}"#,
        ),
        (
            r#"{"any": {"@type": "a/google.protobuf.Value", "value": null}}"#,
            r#"{"any":{"@type":"a/google.protobuf.Value","value":null}}"#,
        ),
        (
            r#"{"any": {"@type": "a/google.protobuf.Int32Value", "value": 0}}"#,
            r#"{"any":{"@type":"a/google.protobuf.Int32Value","value":0}}"#,
        ),
        (
            r#"{"any": {"@type": "a/google.protobuf.FieldMask", "value": "aB"}}"#,
            r#"{"any":{"@type":"a/google.protobuf.FieldMask","value":"aB"}}"#,
        ),
        (
            r#"{"any": {"@type": "a/google.protobuf.Any", "value": {"@type": "a/t.Inner", "name": "b"}}}"#,
            r#"{"any":{"@type":"a/google.protobuf.Any","value":{"@type":"a/t.Inner","name":"b"}}}"#,
        ),
        (
            r#"{"any": {"any": {"name": "b", "@type": "a/t.Inner"}, "@type": "a/t.Inner"}}"#,
            r#"{"any":{"@type":"a/t.Inner","any":{"@type":"a/t.Inner","name":"b"}}}"#,
        ),
        (r#"{"any": {"@type": "a/google.protobuf.Empty"}}"#, r#"{"any":{"@type":"a/google.protobuf.Empty"}}"#),
        (
            r#"{"any": {"@type": "a/google.protobuf.Empty", "value": {}}}"#,
            r#"{"any":{"@type":"a/google.protobuf.Empty"}}"#,
        ),
        (r#"{"listAny": [{"@type": "a/t.Inner"}, {}]}"#, r#"{"listAny":[{"@type":"a/t.Inner"},{}]}"#),
    ]);
    refused(&[
        (r#"{"any": {"name": "a"}}"#, "any.@type", "missing"),
        (r#"{"any": {"@type": "a/t.Nothing"}}"#, "any.@type", "no message \"t.Nothing\""),
        (r#"{"any": {"@type": "t.Inner"}}"#, "any.@type", "expected a URL"),
        (r#"{"any": {"@type": ""}}"#, "any.@type", "expected a URL"),
        (r#"{"any": {"@type": "a/"}}"#, "any.@type", "expected a URL"),
        (r#"{"any": {"@type": "a/.t.Inner"}}"#, "any.@type", "no message"),
        (r#"{"any": {"@type": "a/t.All.MapTextEntry"}}"#, "any.@type", "no message"),
        (r#"{"any": {"@type": 1}}"#, "any.@type", "found a number"),
        (r#"{"any": {"@type": null}}"#, "any.@type", "found null"),
        (r#"{"any": {"@type": "a/t.Inner", "@type": "a/t.Inner"}}"#, "any.@type", "twice"),
        (r#"{"any": {"@type": "a/t.Inner", "what": 1}}"#, "any.what", "not a field of t.Inner"),
        (r#"{"any": {"@type": "a/t.Inner", "count": "x"}}"#, "any.count", "an integer"),
        (r#"{"any": {"@type": "a/google.protobuf.Duration"}}"#, "any.value", "missing"),
        (r#"{"any": {"@type": "a/google.protobuf.Duration", "value": "1"}}"#, "any.value", "a duration"),
        (r#"{"any": {"@type": "a/google.protobuf.Duration", "value": "1s", "x": 1}}"#, "any.x", "not expected"),
        (r#"{"any": {"@type": "a/google.protobuf.Duration", "value": "1s", "value": "1s"}}"#, "any.value", "twice"),
        (r#"{"any": {"@type": "a/google.protobuf.Empty", "value": {"a": 1}}}"#, "any.value.a", "not a field"),
        (
            r#"{"any": {"@type": "a/google.protobuf.Any", "value": {"@type": "a/t.X"}}}"#,
            "any.value.@type",
            "no message",
        ),
        (r#"{"listAny": [{}, {"name": "a"}]}"#, "listAny[1].@type", "missing"),
        (r#"{"any": []}"#, "any", "found a list"),
        (r#"{"any": "x"}"#, "any", "found a string"),
    ]);
    let json = br#"{"any": {"what": 1, "@type": "a/google.protobuf.Duration", "value": "1s"}}"#;
    from_json(&all(), json, IGNORE).unwrap();
}

#[test]
fn an_any_that_cannot_be_read_is_not_written() {
    for (url, bytes, field) in [
        ("a/t.Nothing", b"".as_slice(), "any.@type"),
        ("", b"\x08\x01", "any.@type"),
        ("t.Inner", b"", "any.@type"),
        ("a/t.Inner", b"\x0a", "any.value"),
        ("a/google.protobuf.Timestamp", b"\x10\xff\xff\xff\xff\x07", "any.value"),
    ] {
        let mut message = DynamicMessage::new(all());
        let any = message.get_field_by_name_mut("any").unwrap().as_message_mut().unwrap();
        any.set_field_by_number(1, Value::String(url.to_owned()));
        any.set_field_by_number(2, Value::Bytes(bytes.to_vec().into()));
        let error = to_json(&message, JsonOptions::default(), &mut Vec::new()).expect_err(url);
        assert_eq!(error.field, field, "{error}");
    }
}

#[test]
fn depth_has_a_bound() {
    let nested = |open: &str, inner: &str, close: &str, levels: usize| {
        format!("{}{inner}{}", open.repeat(levels), close.repeat(levels))
    };
    let child = |levels| nested(r#"{"child":"#, "{}", "}", levels);
    read(&child(DEPTH_MAX - 1)).unwrap();
    refused(&[(&child(DEPTH_MAX), &vec!["child"; DEPTH_MAX].join("."), "deeper than 100")]);
    let value = |levels| format!(r#"{{"value": {}}}"#, nested("[", "", "]", levels));
    let deepest = read(&value(DEPTH_MAX - 1)).unwrap();
    write(&deepest, JsonOptions::default());
    failed(read(&value(DEPTH_MAX)), "");
    failed(read(&value(1_000_000)), "");
    let unknown = |levels| format!(r#"{{"what": {}}}"#, nested("[", "", "]", levels));
    from_json(&all(), unknown(DEPTH_MAX - 1).as_bytes(), IGNORE).unwrap();
    failed(from_json(&all(), unknown(1_000_000).as_bytes(), IGNORE), "");
    // As a message it may be deeper than as a text.
    let mut message = DynamicMessage::new(all());
    for _ in 0..DEPTH_MAX {
        let mut outer = DynamicMessage::new(all());
        outer.set_field_by_name("child", Value::Message(message));
        message = outer;
    }
    let error = to_json(&message, JsonOptions::default(), &mut Vec::new()).unwrap_err();
    assert!(error.reason.contains("deeper"), "{error}");
}

#[test]
fn memory_has_a_bound() {
    for (start, part, end) in [
        (r#"{"listChild":["#, r#"{"i32":1},"#, "{}]}"),
        (r#"{"listValues":["#, "1,", "1]}"),
        (r#"{"listI32":["#, "1,", "1]}"),
        (r#"{"mask":""#, "a,", "a\"}"),
    ] {
        let json = format!("{start}{}{end}", part.repeat(4 * 1024 * 1024 / part.len()));
        let error = failed(read(&json), start);
        assert!(error.reason.contains("too many parts"), "{error}");
        // What is ordinary still fits.
        read(&format!("{start}{}{end}", part.repeat(100_000))).unwrap();
    }
}

#[test]
fn types_that_come_last_are_not_looked_for_again_and_again() {
    let pad = "x".repeat(1000);
    let nest = |levels: usize| {
        let open = format!(r#"{{"name":"{pad}","any":"#).repeat(levels);
        let close = r#","@type":"a/t.Inner"}"#.repeat(levels);
        format!(r#"{{"any":{open}{{"@type":"a/t.Inner"}}{close}}}"#)
    };
    read(&nest(10)).unwrap();
    let error = failed(read(&nest(90)), "");
    assert!(error.reason.contains("does not come first"), "{error}");
    let first = format!(r#"{{"any":{}{{}}{}}}"#, r#"{"@type":"a/t.Inner","any":"#.repeat(90), "}".repeat(90));
    read(&first).unwrap();
}

#[test]
fn output_has_a_bound() {
    let name = "N".repeat(400);
    let text = format!(r#"syntax = "proto3"; package t; message M {{ repeated E e = 1; }} enum E {{ {name} = 0; }}"#);
    let schema = Schema::decode(&compile(&[("m.proto", &text)])).unwrap();
    let descriptor = schema.pool().get_message_by_name("t.M").unwrap();
    let mut message = DynamicMessage::new(descriptor);
    message.set_field_by_number(1, Value::List(vec![Value::EnumNumber(0); 200_000]));
    let mut out = Vec::new();
    let error = to_json(&message, JsonOptions::default(), &mut out).unwrap_err();
    assert!(error.reason.contains("longer than") && out.is_empty(), "{error}");
}

#[test]
fn errors_repeat_little_of_what_was_sent() {
    let long = "k".repeat(100_000);
    for json in [
        format!(r#"{{"{long}": 1}}"#),
        format!(r#"{{"i32": "{long}"}}"#),
        format!(r#"{{"mapI32": {{"{long}": ""}}}}"#),
        format!(r#"{{"color": "{long}"}}"#),
        format!(r#"{{"any": {{"@type": "a/{long}"}}}}"#),
        format!(r#"{{"time": "{long}"}}"#),
        format!(r#"{{"data": "{long}="}}"#),
    ] {
        let error = failed(read(&json), "");
        assert!(error.to_string().len() < 300, "{error}");
    }
    let error = failed(read("{\"a\\nb\": 1}"), "");
    assert_eq!(error.to_string(), "`a\\nb`: not a field of t.All");
}
