use bytes::Bytes;
use prost_reflect::DynamicMessage;

use super::*;
use crate::transcode::json::from_json;
use crate::transcode::rule::testing::{method, rule};

fn respond(name: &str, response_body: Option<&str>, json: &str) -> Result<(String, String), JsonError> {
    let message = from_json(&method(name).output, json.as_bytes(), JsonOptions::default()).unwrap();
    of(&message, response_body)
}

fn of(message: &DynamicMessage, response_body: Option<&str>) -> Result<(String, String), JsonError> {
    let rule = HttpRule { response_body: response_body.map(str::to_owned), ..rule("GET /v1", "") };
    let (content_type, bytes) = response_body_of(&rule, message)?;
    Ok((content_type.to_str().unwrap().to_owned(), String::from_utf8(bytes.to_vec()).unwrap()))
}

fn response_body_of(rule: &HttpRule, message: &DynamicMessage) -> Result<(HeaderValue, Bytes), JsonError> {
    response_body(rule, message, JsonOptions::default())
}

fn json(text: &str) -> Result<(String, String), JsonError> {
    Ok(("application/json".to_owned(), text.to_owned()))
}

#[test]
fn the_whole_or_one_field() {
    let update = r#"{"book":{"title":"Dune"},"updateMask":"title","number":7,"labels":{"k":"v"}}"#;
    assert_eq!(respond("Update", Some("book"), update), json(r#"{"title":"Dune"}"#));
    assert_eq!(respond("Update", Some("number"), update), json("7"));
    assert_eq!(respond("Update", Some("labels"), update), json(r#"{"k":"v"}"#));
    assert_eq!(respond("Update", Some("updateMask"), update), json(r#""title""#));
    assert_eq!(respond("Update", Some("books"), update), json("[]"));
    assert_eq!(respond("Update", None, r#"{"number":7}"#), json(r#"{"number":7}"#));
    assert_eq!(respond("Update", None, "{}"), json("{}"));
    let error = respond("Update", Some("nobody"), "{}").unwrap_err();
    assert_eq!((&*error.field, &*error.reason), ("nobody", "is no field of `library.UpdateBook`"));
}

#[test]
fn http_bodies_are_passed_raw() {
    let raw = r#"{"contentType":"text/html; charset=utf-8","data":"PGI+"}"#;
    let html = Ok(("text/html; charset=utf-8".to_owned(), "<b>".to_owned()));
    assert_eq!(respond("Raw", None, raw), html);
    let inside = format!(r#"{{"name":"x","file":{raw}}}"#);
    assert_eq!(respond("Send", Some("file"), &inside), html);
    // Not as a part of a larger message.
    assert_eq!(respond("Send", None, &inside).unwrap().0, "application/json");
    // A field of it is a field.
    assert_eq!(respond("Raw", Some("data"), raw), json(r#""PGI+""#));
    let unknown = Ok(("application/octet-stream".to_owned(), "a".to_owned()));
    assert_eq!(respond("Raw", None, r#"{"data":"YQ=="}"#), unknown);
    assert_eq!(respond("Raw", None, "{}").unwrap().1, "");

    for hostile in ["text/plain\r\nset-cookie: a=b", "\u{0}"] {
        let mut message = DynamicMessage::new(method("Raw").output.clone());
        message.set_field_by_name("content_type", Value::String(hostile.to_owned()));
        assert_eq!(of(&message, None).unwrap_err().field, "content_type");
    }
}
