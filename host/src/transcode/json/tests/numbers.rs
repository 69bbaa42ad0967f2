//! Booleans, numbers, bytes and strings.

use super::*;

#[test]
fn integers_fit_or_are_refused() {
    accepted(&[
        (r#"{"i32": 0}"#, "{}"),
        (r#"{"i32": -0}"#, "{}"),
        (r#"{"i32": 2147483647}"#, r#"{"i32":2147483647}"#),
        (r#"{"i32": -2147483648}"#, r#"{"i32":-2147483648}"#),
        (r#"{"i32": "12"}"#, r#"{"i32":12}"#),
        (r#"{"i32": 1.0}"#, r#"{"i32":1}"#),
        (r#"{"i32": 1e3}"#, r#"{"i32":1000}"#),
        (r#"{"i32": 1E+3}"#, r#"{"i32":1000}"#),
        (r#"{"i32": "1e3"}"#, r#"{"i32":1000}"#),
        (r#"{"i32": "1.000"}"#, r#"{"i32":1}"#),
        (r#"{"i32": 100000.000}"#, r#"{"i32":100000}"#),
        (r#"{"i32": 2.147483647e9}"#, r#"{"i32":2147483647}"#),
        (r#"{"s32": -5, "sf32": -6, "f32": 7}"#, r#"{"s32":-5,"f32":7,"sf32":-6}"#),
        (r#"{"u32": 4294967295}"#, r#"{"u32":4294967295}"#),
        (r#"{"u32": "4.294967295e9"}"#, r#"{"u32":4294967295}"#),
        (r#"{"u32": -0}"#, "{}"),
        (r#"{"i64": 9223372036854775807}"#, r#"{"i64":"9223372036854775807"}"#),
        (r#"{"i64": "-9223372036854775808"}"#, r#"{"i64":"-9223372036854775808"}"#),
        (r#"{"i64": 9007199254740993}"#, r#"{"i64":"9007199254740993"}"#),
        (r#"{"i64": 9007199254740993.0}"#, r#"{"i64":"9007199254740993"}"#),
        (r#"{"u64": 18446744073709551615}"#, r#"{"u64":"18446744073709551615"}"#),
        (r#"{"u64": "18446744073709551615"}"#, r#"{"u64":"18446744073709551615"}"#),
        (r#"{"s64": "-1", "f64": "2", "sf64": "-3"}"#, r#"{"s64":"-1","f64":"2","sf64":"-3"}"#),
        (r#"{"listI64": [1, "2", 3e0]}"#, r#"{"listI64":["1","2","3"]}"#),
    ]);
    refused(&[
        (r#"{"i32": 2147483648}"#, "i32", "out of range"),
        (r#"{"i32": -2147483649}"#, "i32", "out of range"),
        (r#"{"i32": "2147483648"}"#, "i32", "out of range"),
        (r#"{"i32": 0.5}"#, "i32", "fraction"),
        (r#"{"i32": "0.5"}"#, "i32", "fraction"),
        (r#"{"i32": 1e10}"#, "i32", "out of range"),
        (r#"{"i32": 1e999999999999}"#, "i32", "out of range"),
        (r#"{"i32": ""}"#, "i32", "an integer of 32 bits"),
        (r#"{"i32": " 1"}"#, "i32", "\" 1\""),
        (r#"{"i32": "1 "}"#, "i32", "\"1 \""),
        (r#"{"i32": "+1"}"#, "i32", "+1"),
        (r#"{"i32": "01"}"#, "i32", "01"),
        (r#"{"i32": "-01"}"#, "i32", "-01"),
        (r#"{"i32": "12abc"}"#, "i32", "12abc"),
        (r#"{"i32": "0x10"}"#, "i32", "0x10"),
        (r#"{"i32": 01}"#, "", "invalid JSON"),
        (r#"{"i32": 0x10}"#, "", "invalid JSON"),
        (r#"{"i32": -}"#, "i32", "invalid JSON"),
        (r#"{"i32": +1}"#, "i32", "invalid JSON"),
        (r#"{"i32": .5}"#, "i32", "invalid JSON"),
        (r#"{"i32": 1.}"#, "i32", "invalid JSON"),
        (r#"{"i32": true}"#, "i32", "found a boolean"),
        (r#"{"i32": {}}"#, "i32", "found an object"),
        (r#"{"i32": [1]}"#, "i32", "found a list"),
        (r#"{"i32": "NaN"}"#, "i32", "NaN"),
        (r#"{"u32": -1}"#, "u32", "out of range"),
        (r#"{"u32": 4294967296}"#, "u32", "out of range"),
        (r#"{"i64": 9223372036854775808}"#, "i64", "out of range"),
        (r#"{"i64": "-9223372036854775809"}"#, "i64", "out of range"),
        (r#"{"u64": 18446744073709551616}"#, "u64", "out of range"),
        (r#"{"u64": "-1"}"#, "u64", "out of range"),
        (r#"{"listI32": [1, "x"]}"#, "listI32[1]", "an integer of 32 bits"),
    ]);
}

#[test]
fn floating_numbers_are_read_as_the_nearest_and_written_short() {
    accepted(&[
        (r#"{"twice": 0.1}"#, r#"{"twice":0.1}"#),
        (r#"{"twice": 1}"#, r#"{"twice":1}"#),
        (r#"{"twice": "1.5"}"#, r#"{"twice":1.5}"#),
        (r#"{"twice": "-1.5e-3"}"#, r#"{"twice":-0.0015}"#),
        (r#"{"twice": 1.7976931348623157e308}"#, r#"{"twice":1.7976931348623157e308}"#),
        (r#"{"twice": 2.2250738585072014e-308}"#, r#"{"twice":2.2250738585072014e-308}"#),
        (r#"{"twice": 5e-324}"#, r#"{"twice":5e-324}"#),
        (r#"{"twice": 9007199254740993}"#, r#"{"twice":9007199254740992}"#),
        (r#"{"twice": "Infinity"}"#, r#"{"twice":"Infinity"}"#),
        (r#"{"twice": "-Infinity"}"#, r#"{"twice":"-Infinity"}"#),
        (r#"{"single": 0.1}"#, r#"{"single":0.1}"#),
        (r#"{"single": 3.4028235e38}"#, r#"{"single":3.4028235e38}"#),
        (r#"{"single": -3.4028235e38}"#, r#"{"single":-3.4028235e38}"#),
        (r#"{"single": 16777217}"#, r#"{"single":16777216}"#),
        (r#"{"single": 1e-45}"#, r#"{"single":1e-45}"#),
        (r#"{"single": "Infinity"}"#, r#"{"single":"Infinity"}"#),
        (r#"{"twice": 1e17}"#, r#"{"twice":1e17}"#),
        (r#"{"twice": 1e16}"#, r#"{"twice":10000000000000000}"#),
    ]);
    for kind in ["twice", "single"] {
        let message = read(&format!(r#"{{"{kind}": "NaN"}}"#)).unwrap();
        assert_eq!(write(&message, JsonOptions::default()), format!(r#"{{"{kind}":"NaN"}}"#));
    }
    refused(&[
        (r#"{"twice": 1.89769e308}"#, "twice", "out of range"),
        (r#"{"twice": -1.89769e308}"#, "twice", "out of range"),
        (r#"{"twice": "1e400"}"#, "twice", "out of range"),
        (r#"{"single": 3.502823e38}"#, "single", "out of range"),
        (r#"{"single": "-3.502823e38"}"#, "single", "out of range"),
        (r#"{"twice": "nan"}"#, "twice", "a number"),
        (r#"{"twice": "inf"}"#, "twice", "a number"),
        (r#"{"twice": "infinity"}"#, "twice", "a number"),
        (r#"{"twice": "+Infinity"}"#, "twice", "a number"),
        (r#"{"twice": NaN}"#, "twice", "invalid JSON"),
        (r#"{"twice": Infinity}"#, "twice", "invalid JSON"),
        (r#"{"twice": -Infinity}"#, "twice", "invalid JSON"),
        (r#"{"twice": ""}"#, "twice", "a number"),
        (r#"{"twice": " 1"}"#, "twice", "a number"),
        (r#"{"twice": true}"#, "twice", "found a boolean"),
    ]);
}

#[test]
fn booleans_are_words() {
    accepted(&[(r#"{"flag": true}"#, r#"{"flag":true}"#), (r#"{"flag": false}"#, "{}")]);
    refused(&[
        (r#"{"flag": "true"}"#, "flag", "found a string"),
        (r#"{"flag": 1}"#, "flag", "found a number"),
        (r#"{"flag": tru}"#, "flag", "invalid JSON"),
        (r#"{"flag": True}"#, "flag", "invalid JSON"),
        (r#"{"flag": truefalse}"#, "", "invalid JSON"),
    ]);
}

#[test]
fn strings_keep_every_character() {
    accepted(&[
        (r#"{"text": "Grüße 日本 🎉"}"#, r#"{"text":"Grüße 日本 🎉"}"#),
        (r#"{"text": "\u00e4\ud83c\udf89"}"#, r#"{"text":"ä🎉"}"#),
        (r#"{"text": "a\"b\\c\/d\b\f\n\r\t"}"#, r#"{"text":"a\"b\\c/d\u0008\u000c\n\r\t"}"#),
        (r#"{"text": "\u0000\u001f\u007f"}"#, r#"{"text":"\u0000\u001f\u007f"}"#),
        (r#"{"text": ""}"#, "{}"),
        (r#"{"\u0074ext": "x"}"#, r#"{"text":"x"}"#),
    ]);
    refused(&[
        (r#"{"text": "\ud800"}"#, "text", "surrogate"),
        (r#"{"text": "\udc00"}"#, "text", "surrogate"),
        (r#"{"text": "\ud800\u0041"}"#, "text", "surrogate"),
        (r#"{"text": "\udc00\ud800"}"#, "text", "surrogate"),
        (r#"{"text": "\ud800\ud800"}"#, "text", "surrogate"),
        (r#"{"text": "\u12"}"#, "text", "hexadecimal"),
        (r#"{"text": "\u+123"}"#, "text", "hexadecimal"),
        (r#"{"text": "\x41"}"#, "text", "escape"),
        ("{\"text\": \"a\nb\"}", "text", "control character"),
        ("{\"text\": \"a\u{0}b\"}", "text", "control character"),
        (r#"{"text": 'a'}"#, "text", "invalid JSON"),
        (r#"{"text": 1}"#, "text", "found a number"),
        (r#"{"text": "abc"#, "text", "ends inside"),
    ]);
    let error = failed(from_json(&all(), b"{\"text\": \"\xff\"}", JsonOptions::default()), "");
    assert!(error.reason.contains("UTF-8 at byte 10"), "{error}");
}

#[test]
fn bytes_are_read_in_both_alphabets() {
    accepted(&[
        (r#"{"data": "AQID"}"#, r#"{"data":"AQID"}"#),
        (r#"{"data": "-_-_"}"#, r#"{"data":"+/+/"}"#),
        (r#"{"data": "+/+/"}"#, r#"{"data":"+/+/"}"#),
        (r#"{"data": "AQ=="}"#, r#"{"data":"AQ=="}"#),
        (r#"{"data": "AQ"}"#, r#"{"data":"AQ=="}"#),
        (r#"{"data": "AQI"}"#, r#"{"data":"AQI="}"#),
        (r#"{"data": "-_8"}"#, r#"{"data":"+/8="}"#),
        (r#"{"data": "AR"}"#, r#"{"data":"AQ=="}"#),
        (r#"{"data": ""}"#, "{}"),
        (r#"{"listData": ["", "AA=="]}"#, r#"{"listData":["","AA=="]}"#),
    ]);
    refused(&[
        (r#"{"data": "A"}"#, "data", "base64"),
        (r#"{"data": "AQI D"}"#, "data", "base64"),
        (r#"{"data": "AQ=A"}"#, "data", "base64"),
        (r#"{"data": "Ä"}"#, "data", "base64"),
        (r#"{"data": [1, 2]}"#, "data", "found a list"),
    ]);
}
