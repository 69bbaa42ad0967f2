//! The well-known types, but `Any`.

use prost_reflect::Value;

use super::*;

#[test]
fn timestamps() {
    accepted(&[
        (r#"{"time": "1970-01-01T00:00:00Z"}"#, r#"{"time":"1970-01-01T00:00:00Z"}"#),
        (r#"{"time": "0001-01-01T00:00:00Z"}"#, r#"{"time":"0001-01-01T00:00:00Z"}"#),
        (r#"{"time": "9999-12-31T23:59:59.999999999Z"}"#, r#"{"time":"9999-12-31T23:59:59.999999999Z"}"#),
        (r#"{"time": "2024-02-29T12:30:15.5Z"}"#, r#"{"time":"2024-02-29T12:30:15.500Z"}"#),
        (r#"{"time": "2024-02-29T12:30:15.000001Z"}"#, r#"{"time":"2024-02-29T12:30:15.000001Z"}"#),
        (r#"{"time": "2024-02-29T12:30:15.00000001Z"}"#, r#"{"time":"2024-02-29T12:30:15.000000010Z"}"#),
        (r#"{"time": "2024-02-29T12:30:15.000Z"}"#, r#"{"time":"2024-02-29T12:30:15Z"}"#),
        (r#"{"time": "2024-01-01T01:00:00+02:00"}"#, r#"{"time":"2023-12-31T23:00:00Z"}"#),
        (r#"{"time": "2023-12-31T22:30:00-01:30"}"#, r#"{"time":"2024-01-01T00:00:00Z"}"#),
        (r#"{"time": "1969-12-31T23:59:59.5Z"}"#, r#"{"time":"1969-12-31T23:59:59.500Z"}"#),
        (r#"{"time": "2000-02-29T00:00:00+00:00"}"#, r#"{"time":"2000-02-29T00:00:00Z"}"#),
        (r#"{"listTime": ["2000-02-29T00:00:00Z"]}"#, r#"{"listTime":["2000-02-29T00:00:00Z"]}"#),
    ]);
    for text in [
        "",
        "2024-01-01",
        "2024-01-01T00:00:00",
        "2024-01-01t00:00:00Z",
        "2024-01-01T00:00:00z",
        "2024-01-01 00:00:00Z",
        "2024-1-1T00:00:00Z",
        "2024-01-01T0:00:00Z",
        "2024-01-01T00:00Z",
        "2024-13-01T00:00:00Z",
        "2024-00-01T00:00:00Z",
        "2024-01-32T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2024-04-31T00:00:00Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T00:60:00Z",
        "2024-01-01T00:00:60Z",
        "2024-01-01T00:00:00.Z",
        "2024-01-01T00:00:00.0000000001Z",
        "2024-01-01T00:00:00,5Z",
        "2024-01-01T00:00:00+1:00",
        "2024-01-01T00:00:00+0100",
        "2024-01-01T00:00:00+24:00",
        "2024-01-01T00:00:00+01:60",
        " 2024-01-01T00:00:00Z",
        "2024-01-01T00:00:00Z ",
        "12024-01-01T00:00:00Z",
        "-2024-01-01T00:00:00Z",
        "2024-01-01T00:00:00Zä",
    ] {
        refused(&[(&format!(r#"{{"time": "{text}"}}"#), "time", "a timestamp such as")]);
    }
    refused(&[
        (r#"{"time": "0000-12-31T23:59:59Z"}"#, "time", "from 0001"),
        (r#"{"time": "0001-01-01T00:00:00+00:01"}"#, "time", "from 0001"),
        (r#"{"time": "9999-12-31T23:59:59-00:01"}"#, "time", "from 0001"),
        (r#"{"time": 0}"#, "time", "found a number"),
        (r#"{"time": {"seconds": 0}}"#, "time", "found an object"),
    ]);
    cannot_be_written(
        "time",
        &[(253_402_300_800, 0), (-62_135_596_801, 0), (0, -1), (0, 1_000_000_000), (i64::MIN, 0)],
    );
}

#[test]
fn durations() {
    accepted(&[
        (r#"{"duration": "0s"}"#, r#"{"duration":"0s"}"#),
        (r#"{"duration": "-0s"}"#, r#"{"duration":"0s"}"#),
        (r#"{"duration": "1.5s"}"#, r#"{"duration":"1.500s"}"#),
        (r#"{"duration": "-1.5s"}"#, r#"{"duration":"-1.500s"}"#),
        (r#"{"duration": "-0.000001s"}"#, r#"{"duration":"-0.000001s"}"#),
        (r#"{"duration": "0.000000001s"}"#, r#"{"duration":"0.000000001s"}"#),
        (r#"{"duration": "315576000000s"}"#, r#"{"duration":"315576000000s"}"#),
        (r#"{"duration": "-315576000000.999999999s"}"#, r#"{"duration":"-315576000000.999999999s"}"#),
        (r#"{"duration": "1.000s"}"#, r#"{"duration":"1s"}"#),
        (r#"{"duration": "007s"}"#, r#"{"duration":"7s"}"#),
    ]);
    refused(&[
        (r#"{"duration": "315576000001s"}"#, "duration", "from -315576000000s"),
        (r#"{"duration": "-315576000001s"}"#, "duration", "from -315576000000s"),
        (r#"{"duration": "99999999999999999999s"}"#, "duration", "from -315576000000s"),
        (r#"{"duration": "1"}"#, "duration", "a duration such as"),
        (r#"{"duration": "1.0000000001s"}"#, "duration", "a duration such as"),
        (r#"{"duration": 1}"#, "duration", "found a number"),
    ]);
    cannot_be_written(
        "duration",
        &[(1, -1), (-1, 1), (315_576_000_001, 0), (0, 1_000_000_000), (0, i32::MIN), (i64::MIN, 0)],
    );
}

#[track_caller]
fn cannot_be_written(field: &str, values: &[(i64, i32)]) {
    for (seconds, nanos) in values {
        let mut message = DynamicMessage::new(all());
        let value = message.get_field_by_name_mut(field).unwrap().as_message_mut().unwrap();
        value.set_field_by_number(1, Value::I64(*seconds));
        value.set_field_by_number(2, Value::I32(*nanos));
        let mut out = b"before".to_vec();
        let error = to_json(&message, JsonOptions::default(), &mut out).unwrap_err();
        assert_eq!((error.field.as_str(), out.as_slice()), (field, b"before".as_slice()), "{error}");
    }
}

#[test]
fn field_masks() {
    accepted(&[
        (r#"{"mask": ""}"#, r#"{"mask":""}"#),
        (r#"{"mask": "foo"}"#, r#"{"mask":"foo"}"#),
        (r#"{"mask": "fooBar,baz.quxQuux"}"#, r#"{"mask":"fooBar,baz.quxQuux"}"#),
        (r#"{"mask": "Foo,a1,*"}"#, r#"{"mask":"Foo,a1,*"}"#),
    ]);
    let message = read(r#"{"mask": "fooBar,baz.quxQuux"}"#).unwrap();
    let mask = message.get_field_by_name("mask").unwrap();
    let paths = mask.as_message().unwrap().get_field_by_number(1).unwrap();
    let paths: Vec<&str> = paths.as_list().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
    assert_eq!(paths, ["foo_bar", "baz.qux_quux"]);
    refused(&[
        (r#"{"mask": "foo_bar"}"#, "mask", "paths of fields"),
        (r#"{"mask": "a,b_c"}"#, "mask", "paths of fields"),
        (r#"{"mask": "a,,b"}"#, "mask", "paths of fields"),
        (r#"{"mask": ","}"#, "mask", "paths of fields"),
        (r#"{"mask": ["a"]}"#, "mask", "found a list"),
    ]);
    for path in ["fooBar", "foo__bar", "foo_3", "foo_", "a,b", "", "foo_Bar", "_"] {
        let mut message = DynamicMessage::new(all());
        let mask = message.get_field_by_name_mut("mask").unwrap().as_message_mut().unwrap();
        mask.set_field_by_number(1, Value::List(vec![Value::String(path.to_owned())]));
        let error = to_json(&message, JsonOptions::default(), &mut Vec::new()).expect_err(path);
        assert_eq!(error.field, "mask");
    }
}

#[test]
fn dynamic_values() {
    accepted(&[
        (r#"{"value": null}"#, r#"{"value":null}"#),
        (r#"{"value": true}"#, r#"{"value":true}"#),
        (r#"{"value": 1.5}"#, r#"{"value":1.5}"#),
        (r#"{"value": "NaN"}"#, r#"{"value":"NaN"}"#),
        (r#"{"value": {}}"#, r#"{"value":{}}"#),
        (r#"{"value": []}"#, r#"{"value":[]}"#),
        (r#"{"value": [1, [null], {"a": [false]}]}"#, r#"{"value":[1,[null],{"a":[false]}]}"#),
        (r#"{"struct": {"b": 1, "a": {"c": null}}}"#, r#"{"struct":{"a":{"c":null},"b":1}}"#),
        (r#"{"struct": {}}"#, r#"{"struct":{}}"#),
        (r#"{"listValue": [1, "a", null]}"#, r#"{"listValue":[1,"a",null]}"#),
        (r#"{"listValue": []}"#, r#"{"listValue":[]}"#),
        (r#"{"listValues": [null, 1, [2]]}"#, r#"{"listValues":[null,1,[2]]}"#),
        (r#"{"listNull": [null, "NULL_VALUE", 0]}"#, r#"{"listNull":[null,null,null]}"#),
        (r#"{"null": null}"#, "{}"),
        (r#"{"maybeNull": null}"#, r#"{"maybeNull":null}"#),
        (r#"{"choiceNull": null}"#, r#"{"choiceNull":null}"#),
        (r#"{"choiceNull": "NULL_VALUE"}"#, r#"{"choiceNull":null}"#),
        (r#"{"choiceValue": null}"#, r#"{"choiceValue":null}"#),
    ]);
    refused(&[
        (r#"{"struct": []}"#, "struct", "found a list"),
        (r#"{"struct": 1}"#, "struct", "found a number"),
        (r#"{"listValue": {}}"#, "listValue", "found an object"),
        (r#"{"value": 1e400}"#, "value", "out of range"),
        (r#"{"struct": {"a": {"b": [1, 1e400]}}}"#, r#"struct["a"]["b"][1]"#, "out of range"),
        (r#"{"choiceNull": "x"}"#, "choiceNull", "is not a value"),
    ]);
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut message = DynamicMessage::new(all());
        let value = message.get_field_by_name_mut("value").unwrap().as_message_mut().unwrap();
        value.set_field_by_name("number_value", Value::F64(number));
        let error = to_json(&message, JsonOptions::default(), &mut Vec::new()).unwrap_err();
        assert_eq!(error.field, "value");
    }
    // Nothing at all is written as null.
    let mut message = DynamicMessage::new(all());
    message.get_field_by_name_mut("value").unwrap();
    assert_eq!(write(&message, JsonOptions::default()), r#"{"value":null}"#);
}

#[test]
fn wrappers() {
    accepted(&[
        (r#"{"wBool": false}"#, r#"{"wBool":false}"#),
        (r#"{"wI32": 0}"#, r#"{"wI32":0}"#),
        (r#"{"wI32": "1e1"}"#, r#"{"wI32":10}"#),
        (r#"{"wI64": 5}"#, r#"{"wI64":"5"}"#),
        (r#"{"wU32": 5, "wU64": "5"}"#, r#"{"wU32":5,"wU64":"5"}"#),
        (r#"{"wSingle": "Infinity", "wDouble": 0}"#, r#"{"wSingle":"Infinity","wDouble":0}"#),
        (r#"{"wText": ""}"#, r#"{"wText":""}"#),
        (r#"{"wData": "AQ"}"#, r#"{"wData":"AQ=="}"#),
        (r#"{"listWI32": [0, 1]}"#, r#"{"listWI32":[0,1]}"#),
    ]);
    refused(&[
        (r#"{"wI32": {"value": 1}}"#, "wI32", "found an object"),
        (r#"{"wBool": "true"}"#, "wBool", "found a string"),
        (r#"{"listWI32": [1, "x"]}"#, "listWI32[1]", "an integer"),
    ]);
    let options = JsonOptions { defaults: Defaults::Emit, ..JsonOptions::default() };
    let message = read(r#"{"wI32": 0, "struct": {}}"#).unwrap();
    let json: serde_json::Value = serde_json::from_str(&write(&message, options)).unwrap();
    assert_eq!((&json["wI32"], &json["struct"]), (&serde_json::json!(0), &serde_json::json!({})));
}

#[test]
fn well_known_types_at_the_top() {
    let pool = all().parent_pool().clone();
    for (name, json) in [
        ("Timestamp", r#""2024-01-01T00:00:00Z""#),
        ("Duration", r#""1s""#),
        ("Value", "null"),
        ("Value", "[1]"),
        ("ListValue", "[1,null]"),
        ("Struct", r#"{"a":1}"#),
        ("Empty", "{}"),
        ("Int64Value", r#""1""#),
        ("BoolValue", "false"),
        ("FieldMask", r#""a.b""#),
        ("Any", "{}"),
    ] {
        let descriptor = pool.get_message_by_name(&format!("google.protobuf.{name}")).unwrap();
        let message = from_json(&descriptor, json.as_bytes(), JsonOptions::default()).unwrap();
        assert_eq!(write(&message, JsonOptions::default()), json);
    }
}
