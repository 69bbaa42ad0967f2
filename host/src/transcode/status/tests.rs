use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use http::{HeaderMap, HeaderValue};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::{Value, json};

use super::*;
use crate::call::{ErrorKind, Side, grpc};
use crate::transcode::fuzz;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn written(status: &GrpcStatus) -> HeaderMap {
    let mut headers = HeaderMap::new();
    status.write(&mut headers);
    headers
}

fn any(name: &str, value: Vec<u8>) -> Any {
    Any { type_url: format!("{TYPE_URL_PREFIX}{name}"), value }
}

/// A detail of this type from its JSON.
fn detail(name: &str, value: &Value) -> Any {
    let descriptor = known::pool().get_message_by_name(name).unwrap();
    any(name, DynamicMessage::deserialize(descriptor, value).unwrap().encode_to_vec())
}

#[test]
fn every_code_has_an_http_status() {
    let expected = [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401];
    for (code, status) in Code::ALL.into_iter().zip(expected) {
        assert_eq!(http_status(code), status, "{code:?}");
    }
    assert_eq!(GrpcStatus { number: 99, message: String::new(), details: vec![] }.http_status(), 500);
}

#[test]
fn http_statuses_have_codes() {
    for (status, code) in [
        (400, Code::Internal),
        (401, Code::Unauthenticated),
        (403, Code::PermissionDenied),
        (404, Code::Unimplemented),
        (429, Code::Unavailable),
        (502, Code::Unavailable),
        (503, Code::Unavailable),
        (504, Code::Unavailable),
        (200, Code::Unknown),
        (408, Code::Unknown),
        (500, Code::Unknown),
    ] {
        let status = GrpcStatus::from_http(StatusCode::from_u16(status).unwrap());
        assert_eq!(status.code(), code, "{status:?}");
    }
}

#[test]
fn a_call_without_a_response_has_a_status() {
    let error = CallError::new(ErrorKind::Timeout, Side::Callee, "too slow");
    assert_eq!(GrpcStatus::from(&error), GrpcStatus::new(Code::DeadlineExceeded, "too slow"));
}

#[test]
fn what_is_written_is_read() {
    for status in [
        GrpcStatus::new(Code::Ok, ""),
        GrpcStatus::new(Code::NotFound, "50 % of\nß, and \u{1f980}"),
        GrpcStatus { number: 4711, message: "own".to_owned(), details: vec![] },
        GrpcStatus { number: -3, message: String::new(), details: vec![] },
        GrpcStatus::new(Code::InvalidArgument, "no").with_detail(bad_request([("a.b", "is missing")])),
        GrpcStatus::new(Code::Internal, "").with_detail(any("x.Y", vec![0, 255])).with_detail(Any::default()),
    ] {
        assert_eq!(GrpcStatus::of_headers(&written(&status)), Some(status));
    }
    assert_eq!(written(&GrpcStatus::new(Code::Ok, "")).len(), 1);
}

#[test]
fn another_status_is_replaced() {
    let mut headers =
        headers(&[("grpc-status", "1"), ("grpc-message", "m"), ("grpc-status-details-bin", "AA"), ("x", "y")]);
    GrpcStatus::new(Code::Ok, "").write(&mut headers);
    let left: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    assert_eq!(left, [("grpc-status", "0"), ("x", "y")]);
}

#[test]
fn messages_are_percent_encoded() {
    for (message, encoded) in [("plain ~ text!", "plain ~ text!"), ("50 % of\nß\u{7f}", "50 %25 of%0A%C3%9F%7F")] {
        assert_eq!(written(&GrpcStatus::new(Code::Unknown, message))["grpc-message"], encoded);
    }
    for (sent, read) in [
        ("100%", "100%"),
        ("%zz %4 %41", "%zz %4 A"),
        ("%C3%9F", "ß"),
        ("%FF", "\u{fffd}"),
        ("%0a%0A", "\n\n"),
        ("", ""),
    ] {
        let status = GrpcStatus::of_headers(&headers(&[("grpc-status", "2"), ("grpc-message", sent)])).unwrap();
        assert_eq!(status.message, read, "{sent}");
    }
    let mut raw = headers(&[("grpc-status", "2")]);
    raw.insert(grpc::MESSAGE, HeaderValue::from_bytes(b"a\xffb").unwrap());
    assert_eq!(GrpcStatus::of_headers(&raw).unwrap().message, "a\u{fffd}b");
}

#[test]
fn a_status_that_cannot_be_read_is_unknown() {
    for value in ["", "abc", "1.0", "99999999999", " 1"] {
        let status = GrpcStatus::of_headers(&headers(&[("grpc-status", value), ("grpc-message", "m")])).unwrap();
        assert_eq!(status.code(), Code::Unknown, "{value}");
        assert!(status.message.contains("is no number"), "{}", status.message);
    }
    assert_eq!(GrpcStatus::of_headers(&headers(&[("grpc-message", "m")])), None);
}

#[test]
fn details_are_read_with_padding_or_without() {
    let status = GrpcStatus::new(Code::NotFound, "m").with_detail(any("x.Y", vec![1, 2, 3]));
    let sent = written(&status);
    let text = sent["grpc-status-details-bin"].to_str().unwrap();
    assert!(!text.contains('='));
    let padded = STANDARD.encode(STANDARD_NO_PAD.decode(text).unwrap());
    assert_ne!(padded, text);
    for details in [text, &padded] {
        // The message of the headers counts; without it, the one that came with the details.
        for (message, expected) in [(Some("other"), "other"), (None, "m")] {
            let mut headers = headers(&[("grpc-status", "5"), ("grpc-status-details-bin", details)]);
            message.map(|message| headers.insert(grpc::MESSAGE, HeaderValue::from_static(message)));
            let read = GrpcStatus::of_headers(&headers).unwrap();
            assert_eq!((&*read.message, &read.details), (expected, &status.details));
        }
    }
    for broken in ["%", "A", "====", "/////w", &"A".repeat(100_000)] {
        let read = GrpcStatus::of_headers(&headers(&[("grpc-status", "5"), ("grpc-status-details-bin", broken)]));
        assert_eq!(read, Some(GrpcStatus::new(Code::NotFound, "")));
    }
}

#[test]
fn headers_stay_small() {
    // A long message is cut between characters, and then details still have room.
    let long = GrpcStatus::new(Code::Internal, "ß".repeat(100_000));
    let sent = written(&long);
    assert!((4090..=4096).contains(&sent["grpc-message"].len()), "{}", sent["grpc-message"].len());
    assert!(GrpcStatus::of_headers(&sent).unwrap().message.chars().all(|character| character == 'ß'));
    // Details without room are left out, and nothing else.
    for bytes in [6_000, 10_000, 10_000_000] {
        let large = GrpcStatus::new(Code::Internal, "why").with_detail(any("x.Y", vec![0; bytes]));
        let read = GrpcStatus::of_headers(&written(&large)).unwrap();
        assert_eq!((&*read.message, read.details.len()), ("why", usize::from(bytes == 6_000)), "{bytes}");
    }
    let total =
        |headers: &HeaderMap| headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>();
    let both = GrpcStatus::new(Code::Internal, "x".repeat(5_000)).with_detail(any("x.Y", vec![0; 2_000]));
    assert!(total(&written(&both)) < 8 * 1024 + 100);
    // Many details are cut to a number, when written and when read.
    let many = GrpcStatus { details: vec![Any::default(); 200], ..GrpcStatus::new(Code::Internal, "") };
    assert_eq!(GrpcStatus::of_headers(&written(&many)).unwrap().details.len(), DETAILS_MAX);
    let raw = STANDARD.encode([0x1a, 0].repeat(1000));
    let read = GrpcStatus::of_headers(&headers(&[("grpc-status", "5"), ("grpc-status-details-bin", &raw)])).unwrap();
    assert_eq!(read.details.len(), DETAILS_MAX);
}

#[test]
fn the_usual_details_are_known() {
    for (name, value) in [
        ("ErrorInfo", json!({"reason": "STOCKOUT", "domain": "shop", "metadata": {"sku": "1"}})),
        ("RetryInfo", json!({"retryDelay": "1.500s"})),
        ("DebugInfo", json!({"stackEntries": ["a", "b"], "detail": "d"})),
        (
            "QuotaFailure",
            json!({"violations": [{
                "subject": "s", "description": "d", "apiService": "a", "quotaMetric": "m", "quotaId": "i",
                "quotaDimensions": {"region": "eu"}, "quotaValue": "10", "futureQuotaValue": "0",
            }]}),
        ),
        ("PreconditionFailure", json!({"violations": [{"type": "TOS", "subject": "s", "description": "d"}]})),
        (
            "BadRequest",
            json!({"fieldViolations": [{
                "field": "a.b", "description": "d", "reason": "r", "localizedMessage": {"locale": "de", "message": "m"},
            }]}),
        ),
        ("RequestInfo", json!({"requestId": "r", "servingData": "s"})),
        ("ResourceInfo", json!({"resourceType": "t", "resourceName": "n", "owner": "o", "description": "d"})),
        ("Help", json!({"links": [{"description": "d", "url": "u"}]})),
        ("LocalizedMessage", json!({"locale": "de", "message": "m"})),
    ] {
        let name = format!("google.rpc.{name}");
        let status = GrpcStatus::new(Code::Internal, "m").with_detail(detail(&name, &value));
        let mut expected = value;
        expected["@type"] = format!("type.googleapis.com/{name}").into();
        let json: Value = serde_json::from_slice(&status.to_json(None)).unwrap();
        assert_eq!(json, json!({"code": 13, "message": "m", "details": [expected]}));
        assert_eq!(
            Value::Object(status.problem_members(None)),
            json!({"code": "INTERNAL", "details": json["details"]})
        );
    }
}

#[test]
fn a_bad_request_says_which_fields() {
    let status = GrpcStatus::new(Code::InvalidArgument, "").with_detail(bad_request([("a", "b"), ("c[1].d", "e")]));
    let members = status.problem_members(None);
    let violations = json!([{"field": "a", "description": "b"}, {"field": "c[1].d", "description": "e"}]);
    assert_eq!(members["details"][0]["fieldViolations"], violations);
}

#[test]
fn details_are_rendered_by_whoever_knows_them() {
    let compiled = protox::Compiler::with_file_resolver(File)
        .include_imports(true)
        .open_file("own.proto")
        .unwrap()
        .file_descriptor_set();
    let pool = DescriptorPool::from_file_descriptor_set(compiled).unwrap();
    let own = any("own.v1.Problem", vec![0x0a, 1, b'x']);
    let rendered = |any: &Any, types| {
        let status = GrpcStatus::new(Code::Internal, "").with_detail(any.clone());
        let json: Value = serde_json::from_slice(&status.to_json(types)).unwrap();
        json["details"][0].clone()
    };
    let url = "type.googleapis.com/own.v1.Problem";
    assert_eq!(rendered(&own, Some(&pool)), json!({"@type": url, "what": "x"}));
    // Unknown, or not of its type: its bytes.
    assert_eq!(rendered(&own, None), json!({"@type": url, "value": "CgF4"}));
    let broken = Any { value: vec![0x0a, 9], ..own };
    assert_eq!(rendered(&broken, Some(&pool)), json!({"@type": url, "value": "Cgk="}));
    // What has a JSON of its own is a member; a pool without google.rpc does not hide it.
    let duration = any("google.protobuf.Duration", vec![0x08, 3]);
    let url = "type.googleapis.com/google.protobuf.Duration";
    assert_eq!(rendered(&duration, None), json!({"@type": url, "value": "3s"}));
    assert_eq!(
        rendered(&bad_request([("a", "b")]), Some(&pool))["fieldViolations"],
        json!([{"field": "a", "description": "b"}])
    );
    assert_eq!(rendered(&Any::default(), Some(&pool)), json!({"@type": "", "value": ""}));
    assert_eq!(json::type_name(&Any { type_url: "own.v1.Problem".to_owned(), value: vec![] }), "own.v1.Problem");
}

#[test]
fn any_headers_are_answered() {
    let status = GrpcStatus::new(Code::NotFound, "no such %").with_detail(bad_request([("a", "b")]));
    let details = written(&status)["grpc-status-details-bin"].clone();
    let seeds: [&[u8]; 3] = [b"5", b"no%20such%20%C3%9F", details.as_bytes()];
    fuzz::inputs(&seeds, |input, _| {
        let Ok(value) = HeaderValue::from_bytes(input) else { return };
        for name in [grpc::STATUS, grpc::MESSAGE, DETAILS] {
            let mut headers = written(&status);
            headers.insert(name, value.clone());
            let read = GrpcStatus::of_headers(&headers).unwrap();
            assert_eq!(GrpcStatus::of_headers(&written(&read)), Some(read));
        }
    });
}

proptest::proptest! {
    #[test]
    fn any_status_comes_back(
        number: i32,
        message: String,
        values in proptest::collection::vec(proptest::collection::vec(0u8.., 0..50), 0..5),
    ) {
        let details = values.into_iter().map(|value| any("x.Y", value)).collect();
        let status = GrpcStatus { number, message, details };
        proptest::prop_assert_eq!(GrpcStatus::of_headers(&written(&status)), Some(status));
    }

    #[test]
    fn any_message_stays_within_its_budget(message in "[\\PC%\n]{0,6000}") {
        let sent = written(&GrpcStatus::new(Code::Unknown, &*message));
        let read = GrpcStatus::of_headers(&sent).unwrap().message;
        proptest::prop_assert!(message.starts_with(&read));
        proptest::prop_assert!(sent.get(grpc::MESSAGE).is_none_or(|value| value.len() <= 4096));
    }
}

/// A file of a module's own.
struct File;

impl protox::file::FileResolver for File {
    fn open_file(&self, name: &str) -> Result<protox::file::File, protox::Error> {
        let source = "syntax = \"proto3\"; package own.v1; message Problem { string what = 1; }";
        protox::file::File::from_source(name, source)
    }
}
