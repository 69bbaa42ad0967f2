//! Objects, lists, maps, oneofs, enums, null, names and what is unknown.

use super::*;

#[test]
fn names_are_read_in_both_styles_and_written_in_one() {
    accepted(&[
        (r#"{"listI32": [1]}"#, r#"{"listI32":[1]}"#),
        (r#"{"list_i32": [1]}"#, r#"{"listI32":[1]}"#),
        (r#"{"@other": "a"}"#, r#"{"@other":"a"}"#),
        (r#"{"other_name": "a"}"#, r#"{"@other":"a"}"#),
        (r#"{"FieldName": "a"}"#, r#"{"FieldName":"a"}"#),
        (r#"{"fieldName2": "a"}"#, r#"{"fieldName2":"a"}"#),
        (r#"{"field__name2_": "a"}"#, r#"{"fieldName2":"a"}"#),
        (r#"{"Leading": "a"}"#, r#"{"Leading":"a"}"#),
    ]);
    refused(&[
        (r#"{"otherName": "a"}"#, "otherName", "not a field of t.All"),
        (r#"{"I32": 1}"#, "I32", "not a field"),
        (r#"{"LIST_I32": [1]}"#, "LIST_I32", "not a field"),
        (r#"{"": 1}"#, "", "not a field"),
    ]);
    let message = read(r#"{"listI32": [1], "@other": "a", "mapText": {"b": "c"}}"#).unwrap();
    let options = JsonOptions { field_names: FieldNames::Proto, ..JsonOptions::default() };
    assert_eq!(write(&message, options), r#"{"list_i32":[1],"map_text":{"b":"c"},"other_name":"a"}"#);
}

#[test]
fn a_name_that_is_two_fields_follows_the_style() {
    let text = r#"syntax = "proto3"; package t;
        message M { string a = 1 [json_name = "b"]; string b = 2 [json_name = "c"]; }"#;
    let schema = Schema::decode(&compile(&[("m.proto", text)])).unwrap();
    let descriptor = schema.pool().get_message_by_name("t.M").unwrap();
    for field_names in [FieldNames::Json, FieldNames::Proto] {
        let options = JsonOptions { field_names, ..JsonOptions::default() };
        let message = from_json(&descriptor, br#"{"a": "1", "c": "2"}"#, options).unwrap();
        let json = write(&message, options);
        assert!(from_json(&descriptor, json.as_bytes(), options).unwrap() == message, "{json}");
    }
}

#[test]
fn null_is_absent() {
    accepted(&[
        (r#"{"i32": null}"#, "{}"),
        (r#"{"flag": null, "text": null, "data": null, "twice": null, "color": null, "child": null}"#, "{}"),
        (r#"{"listI32": null}"#, "{}"),
        (r#"{"mapText": null}"#, "{}"),
        (r#"{"maybe": null}"#, "{}"),
        (r#"{"wI32": null, "any": null, "time": null, "struct": null, "listValue": null, "mask": null}"#, "{}"),
        (r#"{"choiceNumber": null, "choiceText": "a"}"#, r#"{"choiceText":"a"}"#),
        (r#"{"listValues": null}"#, "{}"),
    ]);
    refused(&[
        (r#"{"listI32": [null]}"#, "listI32[0]", "found null"),
        (r#"{"listText": ["a", null]}"#, "listText[1]", "found null"),
        (r#"{"listChild": [{}, null]}"#, "listChild[1]", "found null"),
        (r#"{"listWI32": [null]}"#, "listWI32[0]", "found null"),
        (r#"{"listStruct": [null]}"#, "listStruct[0]", "found null"),
        (r#"{"mapText": {"a": null}}"#, r#"mapText["a"]"#, "found null"),
        (r#"{"mapChild": {"a": null}}"#, r#"mapChild["a"]"#, "found null"),
        ("null", "", "found null"),
    ]);
}

#[test]
fn presence_is_kept() {
    accepted(&[
        (r#"{"maybe": 0}"#, r#"{"maybe":0}"#),
        (r#"{"maybeColor": 0}"#, r#"{"maybeColor":"RED"}"#),
        (r#"{"child": {}}"#, r#"{"child":{}}"#),
        (r#"{"choiceNumber": 0}"#, r#"{"choiceNumber":0}"#),
        (r#"{"choiceText": ""}"#, r#"{"choiceText":""}"#),
        (r#"{"listI32": []}"#, "{}"),
        (r#"{"mapText": {}}"#, "{}"),
        (r#"{"listI32": [0], "listText": [""]}"#, r#"{"listI32":[0],"listText":[""]}"#),
    ]);
}

#[test]
fn nothing_is_set_twice() {
    accepted(&[(r#"{"choiceColor": "GREEN"}"#, r#"{"choiceColor":"GREEN"}"#)]);
    refused(&[
        (r#"{"i32": 1, "i32": 1}"#, "i32", "set twice"),
        (r#"{"i32": null, "i32": 1}"#, "i32", "set twice"),
        (r#"{"listI32": [1], "list_i32": [1]}"#, "list_i32", "set twice"),
        (r#"{"child": {"i32": 1}, "child": {}}"#, "child", "set twice"),
        (r#"{"mapText": {"a": "1", "a": "2"}}"#, r#"mapText["a"]"#, "set twice"),
        (r#"{"mapI32": {"1": "1", "1.0": "2"}}"#, r#"mapI32["1.0"]"#, "set twice"),
        (r#"{"struct": {"a": 1, "a": 2}}"#, r#"struct["a"]"#, "set twice"),
        (r#"{"choiceNumber": 1, "choiceText": "a"}"#, "choiceText", "oneof `choice`"),
        (r#"{"choiceText": "a", "choiceNull": null}"#, "choiceNull", "oneof `choice`"),
        (r#"{"choiceText": "a", "choiceValue": null}"#, "choiceValue", "oneof `choice`"),
        (r#"{"choiceChild": {}, "choice_number": 0}"#, "choice_number", "oneof `choice`"),
    ]);
}

#[test]
fn enums_are_names_or_numbers() {
    accepted(&[
        (r#"{"color": "GREEN"}"#, r#"{"color":"GREEN"}"#),
        (r#"{"color": 1}"#, r#"{"color":"GREEN"}"#),
        (r#"{"color": -2}"#, r#"{"color":"BLUE"}"#),
        (r#"{"color": 1.0}"#, r#"{"color":"GREEN"}"#),
        (r#"{"color": 123}"#, r#"{"color":123}"#),
        (r#"{"color": "RED"}"#, "{}"),
        (r#"{"listColor": ["RED", 1, 99]}"#, r#"{"listColor":["RED","GREEN",99]}"#),
        (r#"{"mapColor": {"a": "GREEN"}}"#, r#"{"mapColor":{"a":"GREEN"}}"#),
        (r#"{"alias": "C1"}"#, r#"{"alias":"A1"}"#),
        (r#"{"alias": "b1"}"#, r#"{"alias":"A1"}"#),
        (r#"{"alias": 1}"#, r#"{"alias":"A1"}"#),
        (r#"{"alias": 7}"#, r#"{"alias":7}"#),
    ]);
    refused(&[
        (r#"{"color": "green"}"#, "color", "\"green\" is not a value of t.Color"),
        (r#"{"color": "1"}"#, "color", "is not a value"),
        (r#"{"color": ""}"#, "color", "is not a value"),
        (r#"{"color": 1.5}"#, "color", "fraction"),
        (r#"{"color": 2147483648}"#, "color", "out of range"),
        (r#"{"color": true}"#, "color", "found a boolean"),
        (r#"{"listColor": ["RED", "PINK"]}"#, "listColor[1]", "PINK"),
        (r#"{"mapColor": {"a": "PINK"}}"#, r#"mapColor["a"]"#, "PINK"),
    ]);
    let message = read(r#"{"color": "BLUE", "listColor": ["RED"], "alias": "B1", "null": null}"#).unwrap();
    let options = JsonOptions { enums: Enums::Numbers, ..JsonOptions::default() };
    assert_eq!(write(&message, options), r#"{"color":-2,"listColor":[0],"alias":1}"#);
}

#[test]
fn maps_have_strings_as_keys() {
    accepted(&[
        (r#"{"mapText": {"b": "1", "a": "2", "": "3"}}"#, r#"{"mapText":{"":"3","a":"2","b":"1"}}"#),
        (r#"{"mapI32": {"10": "a", "-1": "b", "9": "c"}}"#, r#"{"mapI32":{"-1":"b","9":"c","10":"a"}}"#),
        (r#"{"mapI64": {"9223372036854775807": "a"}}"#, r#"{"mapI64":{"9223372036854775807":"a"}}"#),
        (r#"{"mapU64": {"18446744073709551615": "a"}}"#, r#"{"mapU64":{"18446744073709551615":"a"}}"#),
        (r#"{"mapFlag": {"true": "a", "false": "b"}}"#, r#"{"mapFlag":{"false":"b","true":"a"}}"#),
        (r#"{"mapChild": {"a": {"mapChild": {"b": {}}}}}"#, r#"{"mapChild":{"a":{"mapChild":{"b":{}}}}}"#),
        (r#"{"mapValue": {"a": null, "b": 1}}"#, r#"{"mapValue":{"a":null,"b":1}}"#),
        (r#"{"mapU32": {"4294967295": "Infinity"}}"#, r#"{"mapU32":{"4294967295":"Infinity"}}"#),
    ]);
    refused(&[
        (r#"{"mapI32": {"a": "a"}}"#, r#"mapI32["a"]"#, "an integer of 32 bits"),
        (r#"{"mapI32": {"": "a"}}"#, r#"mapI32[""]"#, "an integer of 32 bits"),
        (r#"{"mapI32": {" 1": "a"}}"#, r#"mapI32[" 1"]"#, "an integer of 32 bits"),
        (r#"{"mapI32": {"2147483648": "a"}}"#, r#"mapI32["2147483648"]"#, "out of range"),
        (r#"{"mapU64": {"-1": "a"}}"#, r#"mapU64["-1"]"#, "out of range"),
        (r#"{"mapFlag": {"True": "a"}}"#, r#"mapFlag["True"]"#, "as key"),
        (r#"{"mapI32": {1: "a"}}"#, "mapI32", "invalid JSON"),
        (r#"{"mapText": [["a", "b"]]}"#, "mapText", "found a list"),
        (r#"{"mapChild": {"a\"b": {"i32": "x"}}}"#, r#"mapChild["a\"b"].i32"#, "an integer"),
    ]);
}

#[test]
fn what_is_unknown_is_refused_or_left_out() {
    refused(&[
        (r#"{"what": 1}"#, "what", "not a field of t.All"),
        (r#"{"child": {"what": 1}}"#, "child.what", "not a field of t.All"),
        (
            r#"{"listChild": [{}, {"mapChild": {"a": {"what": 1}}}]}"#,
            r#"listChild[1].mapChild["a"].what"#,
            "not a field",
        ),
        (r#"{"empty": {"what": 1}}"#, "empty.what", "not a field of google.protobuf.Empty"),
        (r#"{"[t.ext]": 1}"#, "[t.ext]", "not a field"),
    ]);
    for (json, expected) in [
        (r#"{"what": 1, "i32": 2}"#, r#"{"i32":2}"#),
        (r#"{"what": {"a": [1, {"b": null}], "c": "\u00e4"}, "i32": 2}"#, r#"{"i32":2}"#),
        (r#"{"what": [[[]]], "what": 2}"#, "{}"),
        (r#"{"child": {"what": true}}"#, r#"{"child":{}}"#),
        (r#"{"[t.ext]": 1}"#, "{}"),
        (r#"{"color": "PINK"}"#, "{}"),
        (r#"{"maybeColor": "PINK"}"#, "{}"),
        (r#"{"choiceColor": "PINK", "choiceText": "a"}"#, r#"{"choiceText":"a"}"#),
        (r#"{"listColor": ["GREEN", "PINK", "GREEN"]}"#, r#"{"listColor":["GREEN","GREEN"]}"#),
        (r#"{"mapColor": {"a": "PINK", "b": "GREEN"}}"#, r#"{"mapColor":{"b":"GREEN"}}"#),
    ] {
        let message = from_json(&all(), json.as_bytes(), IGNORE).unwrap_or_else(|error| panic!("{json}: {error}"));
        assert_eq!(write(&message, JsonOptions::default()), expected, "{json}");
    }
    for json in
        [r#"{"what": }"#, r#"{"what": [1,]}"#, r#"{"what": {"a" 1}}"#, r#"{"what": "\ud800"}"#, r#"{"what": 01}"#]
    {
        failed(from_json(&all(), json.as_bytes(), IGNORE), json);
    }
}

#[test]
fn only_json_is_json() {
    accepted(&[(" \t\r\n{ \"i32\" : 1 , \"listI32\" : [ 1 , 2 ] } \n", r#"{"i32":1,"listI32":[1,2]}"#), ("{}", "{}")]);
    refused(&[
        ("", "", "the end of the text"),
        (" ", "", "the end of the text"),
        ("{", "", "the end of the text"),
        ("}", "", "expected a value"),
        ("[]", "", "found a list"),
        ("1", "", "found a number"),
        ("{}{}", "", "expected the end"),
        ("{} x", "", "expected the end"),
        (r#"{"i32": 1,}"#, "", "a name in quotes"),
        (r#"{,"i32": 1}"#, "", "a name in quotes"),
        (r#"{"i32": 1 "u32": 2}"#, "", "`,` or `}`"),
        (r#"{"i32" 1}"#, "", "a colon"),
        (r#"{i32: 1}"#, "", "a name in quotes"),
        (r#"{'i32': 1}"#, "", "a name in quotes"),
        (r#"{"listI32": [1,]}"#, "listI32[1]", "invalid JSON"),
        (r#"{"listI32": [,1]}"#, "listI32[0]", "invalid JSON"),
        (r#"{"listI32": [1 2]}"#, "listI32", "`,` or `]`"),
        (r#"{"listI32": [1}"#, "listI32", "`,` or `]`"),
        (r#"{"i32": 1} // yes"#, "", "expected the end"),
        ("\u{feff}{}", "", "expected a value"),
        ("{\u{a0}}", "", "a name in quotes"),
        (r#"{"child": []}"#, "child", "found a list"),
        (r#"{"listI32": {}}"#, "listI32", "found an object"),
        (r#"{"listI32": 1}"#, "listI32", "found a number"),
    ]);
}

#[test]
fn defaults_are_written_where_asked() {
    let text = r#"syntax = "proto3"; package t;
        message M { int32 a = 1; optional int32 b = 2; repeated int32 c = 3; map<string, int64> d = 4; M e = 5;
            oneof f { string g = 6; } E h = 7; int64 i = 8; bytes j = 9; double k = 10; }
        enum E { ZERO = 0; }"#;
    let schema = Schema::decode(&compile(&[("m.proto", text)])).unwrap();
    let descriptor = schema.pool().get_message_by_name("t.M").unwrap();
    let options = JsonOptions { defaults: Defaults::Emit, ..JsonOptions::default() };
    let message = from_json(&descriptor, b"{}", options).unwrap();
    let expected = r#"{"a":0,"c":[],"d":{},"h":"ZERO","i":"0","j":"","k":0}"#;
    assert_eq!(write(&message, options), expected);
    let message = from_json(&descriptor, br#"{"e": {}, "b": 0}"#, options).unwrap();
    assert_eq!(
        write(&message, options),
        format!(r#"{{"a":0,"b":0,"c":[],"d":{{}},"e":{expected},"h":"ZERO","i":"0","j":"","k":0}}"#)
    );
}

#[test]
fn proto2_has_presence_defaults_required_fields_groups_and_extensions() {
    let text = r#"syntax = "proto2"; package t;
        message M { optional int32 a = 1 [default = 5]; required string b = 2; optional E c = 3;
            repeated group Part = 4 { optional int32 x = 1; required int32 y = 2; }
            extensions 100 to 199; extend M { optional int32 inner = 101; } }
        enum E { SECOND = 2; FIRST = 1; }
        extend M { optional int64 big = 100; repeated E many = 102; optional M nested = 103; }
        message N { extensions 100 to max; }"#;
    let schema = Schema::decode(&compile(&[("m.proto", text)])).unwrap();
    let descriptor = schema.pool().get_message_by_name("t.M").unwrap();
    let read = |json: &str| from_json(&descriptor, json.as_bytes(), JsonOptions::default());
    for (json, expected) in [
        (r#"{"b": ""}"#, r#"{"b":""}"#),
        (r#"{"b": "", "a": 0}"#, r#"{"a":0,"b":""}"#),
        (r#"{"b": "", "a": 5}"#, r#"{"a":5,"b":""}"#),
        (r#"{"b": "", "c": "SECOND"}"#, r#"{"b":"","c":"SECOND"}"#),
        (r#"{"b": "", "part": [{"x": 1, "y": 2}]}"#, r#"{"b":"","part":[{"x":1,"y":2}]}"#),
        (r#"{"b": "", "[t.big]": "7", "[t.M.inner]": 0}"#, r#"{"b":"","[t.big]":"7","[t.M.inner]":0}"#),
        (r#"{"b": "", "[t.many]": ["FIRST", 2]}"#, r#"{"b":"","[t.many]":["FIRST","SECOND"]}"#),
        (r#"{"b": "", "[t.nested]": {"b": "x"}, "[t.big]": null}"#, r#"{"b":"","[t.nested]":{"b":"x"}}"#),
    ] {
        let message = read(json).unwrap_or_else(|error| panic!("{json}: {error}"));
        assert_eq!(write(&message, JsonOptions::default()), expected);
    }
    for (json, field, reason) in [
        ("{}", "b", "required"),
        (r#"{"b": null}"#, "b", "required"),
        (r#"{"b": "", "part": [{"y": 1}, {"x": 1}]}"#, "part[1].y", "required"),
        (r#"{"b": "", "[t.nested]": {}}"#, "[t.nested].b", "required"),
        (r#"{"b": "", "[t.big]": "x"}"#, "[t.big]", "an integer"),
        (r#"{"b": "", "[t.big]": 1, "[t.big]": 1}"#, "[t.big]", "twice"),
        (r#"{"b": "", "[.t.big]": 1}"#, "[.t.big]", "not a field"),
        (r#"{"b": "", "t.big": 1}"#, "t.big", "not a field"),
        (r#"{"b": "", "big": 1}"#, "big", "not a field"),
    ] {
        let error = failed(read(json), json);
        assert_eq!((error.field.as_str(), error.reason.contains(reason)), (field, true), "{json}: {error}");
    }
    // An extension of another message.
    let other = schema.pool().get_message_by_name("t.N").unwrap();
    failed(from_json(&other, br#"{"[t.big]": 1}"#, JsonOptions::default()), "");
}

#[test]
fn one_field_alone() {
    let descriptor = all();
    let field = |name: &str| descriptor.get_field_by_name(name).unwrap();
    let options = JsonOptions::default();
    let mut message = DynamicMessage::new(descriptor.clone());
    for (name, json) in [
        ("i64", r#""5""#),
        ("list_i32", "[1,2]"),
        ("map_text", r#"{"a":"b"}"#),
        ("child", r#"{"i32":1}"#),
        ("time", r#""2024-01-01T00:00:00Z""#),
        ("value", "null"),
        ("choice_text", r#""x""#),
    ] {
        set_field_from_json(&mut message, &field(name), json.as_bytes(), options).unwrap();
        let mut out = b"> ".to_vec();
        field_to_json(&message, &field(name), options, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), format!("> {json}"));
    }
    for (name, json) in
        [("w_i32", "null"), ("maybe", "null"), ("u64", r#""0""#), ("list_text", "[]"), ("map_child", "{}")]
    {
        let mut out = Vec::new();
        field_to_json(&message, &field(name), options, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), json, "{name}");
    }
    let before = message.clone();
    for (name, json, path) in [
        ("list_i32", r#"[1, "x"]"#, "listI32[1]"),
        ("child", r#"{"child": {"what": 1}}"#, "child.child.what"),
        ("text", r#""a" "b""#, ""),
        ("text", "", "text"),
    ] {
        let error = set_field_from_json(&mut message, &field(name), json.as_bytes(), options).unwrap_err();
        assert_eq!(error.field, path, "{error}");
        assert!(message == before);
    }
    set_field_from_json(&mut message, &field("child"), b"null", options).unwrap();
    assert!(!message.has_field(&field("child")));
    let foreign = descriptor.parent_pool().get_message_by_name("t.Inner").unwrap().get_field(1).unwrap();
    field_to_json(&message, &foreign, options, &mut Vec::new()).unwrap_err();
    set_field_from_json(&mut message, &foreign, b"null", options).unwrap_err();
}

#[test]
fn options_are_words_in_a_manifest() {
    let options: JsonOptions = serde_json::from_str(r#"{"unknown-fields": "ignore", "enums": "numbers"}"#).unwrap();
    assert_eq!(options, JsonOptions { enums: Enums::Numbers, ..IGNORE });
    let text = serde_json::to_string(&JsonOptions::default()).unwrap();
    assert_eq!(text, r#"{"unknown-fields":"reject","field-names":"json","enums":"names","defaults":"omit"}"#);
    serde_json::from_str::<JsonOptions>(r#"{"unknown_fields": "ignore"}"#).unwrap_err();
    serde_json::from_str::<JsonOptions>(r#"{"enums": "Names"}"#).unwrap_err();
}
