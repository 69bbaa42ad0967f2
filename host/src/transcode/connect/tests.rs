use bytes::{Bytes, BytesMut};
use http::{HeaderValue, header::CONTENT_TYPE};
use prost_types::Any;
use serde_json::{Value, json};

use super::*;
use crate::transcode::compression::{self, Encoding};
use crate::transcode::content::Codec;
use crate::transcode::frame::{Decoder, Dialect, FrameLimits};
use crate::transcode::fuzz;
use crate::transcode::status::{GrpcStatus, bad_request};

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

fn value(json: &[u8]) -> Value {
    serde_json::from_slice(json).unwrap()
}

#[test]
fn time_outs() {
    for (text, millis) in [("0", 0), ("5000", 5000), ("9999999999", 9_999_999_999), ("0000000001", 1)] {
        let timeout = timeout(&headers(&[("connect-timeout-ms", text)])).unwrap();
        assert_eq!(timeout, Some(Duration::from_millis(millis)));
    }
    for text in ["", "10000000000", "-1", "+1", "1.5", "1s", " 1"] {
        assert_eq!(timeout(&headers(&[("connect-timeout-ms", text)])), Err(RequestError::Timeout), "{text}");
    }
    assert_eq!(timeout(&HeaderMap::new()), Ok(None));
    for (timeout, text) in [
        (Duration::ZERO, "0"),
        (Duration::from_nanos(1), "1"),
        (Duration::from_millis(5000), "5000"),
        (Duration::from_secs(1 << 40), "9999999999"),
        (Duration::MAX, "9999999999"),
    ] {
        assert_eq!(timeout_text(timeout), text);
    }
}

#[test]
fn versions() {
    assert_eq!(has_version(&HeaderMap::new()), Ok(false));
    assert_eq!(has_version(&headers(&[("connect-protocol-version", "1")])), Ok(true));
    assert_eq!(has_version(&headers(&[("connect-protocol-version", "2")])), Err(RequestError::Version));
}

#[test]
fn answers_are_compressed_as_the_client_reads() {
    for (accept, request, answer) in [
        (None, Encoding::Identity, Encoding::Identity),
        (None, Encoding::Gzip, Encoding::Gzip),
        (Some("identity"), Encoding::Gzip, Encoding::Identity),
        (Some("gzip, br"), Encoding::Identity, Encoding::Gzip),
        (Some("gzip,zstd"), Encoding::Gzip, Encoding::Zstd),
    ] {
        assert_eq!(answer_encoding(accept, request), answer, "{accept:?}");
    }
}

#[test]
fn errors_have_a_code_a_message_and_details() {
    assert_eq!(value(&error_json(&GrpcStatus::new(Code::Cancelled, ""), None)), json!({"code": "canceled"}));
    let unknown = Any { type_url: "type.googleapis.com/x.Y".to_owned(), value: vec![0] };
    let status =
        GrpcStatus::new(Code::InvalidArgument, "no ß").with_detail(bad_request([("a", "b")])).with_detail(unknown);
    let json = error_json(&status, None);
    assert_eq!(
        value(&json),
        json!({
            "code": "invalid_argument",
            "message": "no ß",
            "details": [
                {
                    "type": "google.rpc.BadRequest",
                    "value": "CgYKAWESAWI",
                    "debug": {"fieldViolations": [{"field": "a", "description": "b"}]},
                },
                {"type": "x.Y", "value": "AA"},
            ],
        })
    );
    assert_eq!(read_error(StatusCode::OK, &json), status);
    // What is no error, or of no code, is still one.
    for number in [0, 17, -1] {
        let status = GrpcStatus { number, ..GrpcStatus::new(Code::Ok, "") };
        assert_eq!(value(&error_json(&status, None)), json!({"code": "unknown"}));
    }
}

#[test]
fn errors_of_others_are_read() {
    let service_unavailable = StatusCode::SERVICE_UNAVAILABLE;
    for (body, code, message) in [
        (&br#"{"code":"aborted","message":"m","other":1}"#[..], Code::Aborted, "m"),
        (br#"{"code":"aborted"}"#, Code::Aborted, ""),
        (br#"{"code":"nonsense","message":"m"}"#, Code::Unavailable, "m"),
        (br#"{"code":"ok","message":"m"}"#, Code::Unavailable, "m"),
        (br#"{"code":null}"#, Code::Unavailable, "the service answered HTTP status 503"),
        (b"{}", Code::Unavailable, "the service answered HTTP status 503"),
        (b"<html>", Code::Unavailable, "the service answered HTTP status 503"),
        (b"", Code::Unavailable, "the service answered HTTP status 503"),
    ] {
        let status = read_error(service_unavailable, body);
        assert_eq!((status.code(), &*status.message), (code, message), "{body:?}");
    }
    let padded = br#"{"code":"aborted","details":[{"type":"x.Y","value":"AA=="},{"type":"x.Z","value":"!"}]}"#;
    let status = read_error(StatusCode::CONFLICT, padded);
    assert_eq!(status.details, [Any { type_url: "type.googleapis.com/x.Y".to_owned(), value: vec![0] }]);
    let many = format!(r#"{{"code":"aborted","details":[{}]}}"#, [r#"{"type":"x","value":""}"#; 1000].join(","));
    assert_eq!(read_error(StatusCode::CONFLICT, many.as_bytes()).details.len(), 64);
}

#[test]
fn a_stream_ends_with_an_envelope() {
    let trailers = headers(&[
        ("grpc-status", "5"),
        ("grpc-message", "no%20such"),
        ("x", "1"),
        ("x", "2"),
        ("x-bin", "AAE"),
        ("connect-own", "v"),
        ("hostel-own", "v"),
    ]);
    let end = EndOfStream::of_trailers(&trailers);
    let mut out = BytesMut::new();
    encode_end(&end, None, &mut out);
    let mut decoder = Decoder::new(Dialect::Connect, FrameLimits::default());
    decoder.push(out.freeze());
    let frame = decoder.next().unwrap().unwrap();
    assert!(frame.is_end() && decoder.has_ended());
    let expected = json!({
        "error": {"code": "not_found", "message": "no such"},
        "metadata": {"x": ["1", "2"], "x-bin": ["AAE"]},
    });
    assert_eq!(value(&frame.payload), expected);
    let read = EndOfStream::from_json(&frame.payload).unwrap();
    assert_eq!((read.status, read.trailers), (end.status, headers(&[("x", "1"), ("x", "2"), ("x-bin", "AAE")])));

    let well = EndOfStream::of_trailers(&headers(&[("grpc-status", "0")]));
    assert_eq!(well.to_json(None), b"{}");
    assert!(EndOfStream::from_json(b"{}").unwrap().status.is_ok());
    // Nobody said that it went well.
    assert_eq!(EndOfStream::of_trailers(&HeaderMap::new()).status.code(), Code::Unknown);
}

#[test]
fn what_ends_no_stream_is_refused() {
    for payload in [
        &b""[..],
        b"null",
        br#"{"error":null}"#,
        br#"{"error":{}}"#,
        br#"{"error":{"code":null}}"#,
        br#"{"metadata":{"x":"y"}}"#,
        br#"{"metadata":{"a b":["y"]}}"#,
        br#"{"metadata":{"x":["a\nb"]}}"#,
    ] {
        assert!(EndOfStream::from_json(payload).is_err(), "{payload:?}");
    }
    let nested = [&b"{\"other\":"[..], &b"[".repeat(1000)].concat();
    assert!(matches!(EndOfStream::from_json(&nested), Err(EndError::Json(_))));
    let many = format!(r#"{{"metadata":{{"x":[{}]}}}}"#, [r#""v""#; 257].join(","));
    assert_eq!(EndOfStream::from_json(many.as_bytes()), Err(EndError::TooMany));
}

#[test]
fn trailers_of_unary_responses_are_headers() {
    let trailers = headers(&[("grpc-status", "0"), ("x", "1"), ("x", "2"), ("y-bin", "AA"), ("content-type", "v")]);
    let mut response = trailers_as_headers(&trailers);
    assert_eq!(response, headers(&[("trailer-x", "1"), ("trailer-x", "2"), ("trailer-y-bin", "AA")]));
    response.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    assert_eq!(take_trailers(&mut response), headers(&[("x", "1"), ("x", "2"), ("y-bin", "AA")]));
    assert_eq!(response, headers(&[("content-type", "application/json")]));
    assert_eq!(take_trailers(&mut headers(&[("trailer-", "v")])), HeaderMap::new());
}

#[test]
fn queries_have_messages() {
    let json = |message: &'static str| GetQuery {
        codec: Codec::Json,
        compression: Encoding::Identity,
        message: Bytes::from_static(message.as_bytes()),
    };
    let proto =
        |message: &'static [u8]| GetQuery { codec: Codec::Proto, message: Bytes::from_static(message), ..json("") };
    for (query, expected) in [
        ("connect=v1&encoding=json&message=%7B%22a%22%3A%22b+%2Bc%22%7D", json(r#"{"a":"b +c"}"#)),
        ("message={}&encoding=json", json("{}")),
        ("message=&encoding=json&other=1&other=2&&x", json("")),
        ("message&encoding=json", json("")),
        ("encoding=proto&message=CgE_&base64=1&connect=v1", proto(b"\x0a\x01\x3f")),
        ("encoding=proto&message=AA%3D%3D&base64=1", proto(b"\0")),
        ("encoding=proto&message=AA==&base64=1", proto(b"\0")),
        ("encoding=proto&message=AA&base64=1", proto(b"\0")),
        ("encoding=proto&message=%00%ff", proto(b"\0\xff")),
        ("encoding=json&message=AA&base64=0", json("AA")),
        ("encoding=json&message={}&compression=identity", json("{}")),
        ("encoding=json&message=&compression=gzip", GetQuery { compression: Encoding::Gzip, ..json("") }),
    ] {
        assert!(GetQuery::is_one(query), "{query}");
        assert_eq!(GetQuery::parse(query, 100), Ok(expected), "{query}");
    }
}

#[test]
fn queries_have_compressed_messages() {
    use base64::Engine as _;
    for encoding in [Encoding::Gzip, Encoding::Zstd] {
        let compressed = compression::compress(encoding, &[b'x'; 1000]).unwrap();
        let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(compressed);
        let query = format!("encoding=json&compression={}&base64=1&message={text}", encoding.name());
        let parsed = GetQuery::parse(&query, 1000).unwrap();
        assert_eq!((parsed.compression, parsed.message.len()), (encoding, 1000));
        let error = GetQuery::parse(&query, 999).unwrap_err();
        assert_eq!((error.code(), error.http_status().as_u16()), (Code::ResourceExhausted, 429));
    }
}

#[test]
fn queries_that_are_none_are_refused() {
    for (query, error, code, status) in [
        ("", "the query has no `encoding`", Code::InvalidArgument, 400),
        ("encoding=json", "the query has no `message`", Code::InvalidArgument, 400),
        ("message=a&message=b&encoding=json", "the query has more than one `message`", Code::InvalidArgument, 400),
        ("message=a&encoding=json&connect=v2", "`connect` in the query has to be `v1`", Code::InvalidArgument, 400),
        (
            "message=a&encoding=xml",
            "there is no encoding `xml`; `proto` and `json` are known",
            Code::Unimplemented,
            415,
        ),
        (
            "message=a&encoding=json&compression=br",
            "unknown compression `br`; identity, gzip, zstd are known",
            Code::Unimplemented,
            501,
        ),
        (
            "message=%4&encoding=json",
            "`message` in the query has a percent sign that two hexadecimal digits do not follow",
            Code::InvalidArgument,
            400,
        ),
        (
            "message=%+1&encoding=json",
            "`message` in the query has a percent sign that two hexadecimal digits do not follow",
            Code::InvalidArgument,
            400,
        ),
        (
            "message=a%2Bb%2F&encoding=proto&base64=1",
            "`message` in the query is not the base64 of URLs",
            Code::InvalidArgument,
            400,
        ),
        ("message=aaaaaa&encoding=json", "decompressed, it has more than 5 bytes", Code::ResourceExhausted, 429),
    ] {
        let found = GetQuery::parse(query, 5).unwrap_err();
        assert_eq!(found.to_string(), error, "{query}");
        assert_eq!((found.code(), found.http_status().as_u16()), (code, status), "{query}");
    }
    for query in ["", "message=a", "encoding=json", "xmessage=a&encoding=json", "a=message&b=encoding"] {
        assert!(!GetQuery::is_one(query), "{query}");
    }
}

#[test]
fn any_query_is_answered() {
    let seeds: [&[u8]; 3] = [
        b"connect=v1&encoding=json&message=%7B%22a%22%3A1%7D",
        b"base64=1&encoding=proto&message=CgE_%3D",
        b"encoding=proto&compression=gzip&base64=1&message=H4sIAAAAAAAA_wMAAAAAAAAAAAA",
    ];
    fuzz::inputs(&seeds, |input, _| {
        let query = String::from_utf8_lossy(input);
        GetQuery::is_one(&query);
        if let Ok(parsed) = GetQuery::parse(&query, 64) {
            assert!(parsed.message.len() <= 64);
        }
    });
}

#[test]
fn any_end_and_error_is_answered() {
    let seeds: [&[u8]; 3] = [
        br#"{"error":{"code":"not_found","message":"m"},"metadata":{"x":["1","2"]}}"#,
        br#"{"code":"aborted","details":[{"type":"google.rpc.RetryInfo","value":"CgIIPA","debug":{}}]}"#,
        br#"{"metadata":{"x-bin":["AAE"]}}"#,
    ];
    fuzz::inputs(&seeds, |input, _| {
        let status = read_error(StatusCode::CONFLICT, input);
        assert_eq!(read_error(StatusCode::CONFLICT, &error_json(&status, None)), status);
        if let Ok(end) = EndOfStream::from_json(input) {
            assert_eq!(EndOfStream::from_json(&end.to_json(None)).unwrap().status, end.status);
        }
    });
}
