use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use proptest::prelude::*;

use super::*;
use crate::call::{Caller, Deadline, TraceContext};

fn context() -> CallContext {
    CallContext {
        deadline: Deadline::after(Duration::from_secs(9)),
        trace: TraceContext::new_root(),
        caller: Caller::Edge,
        depth: 2,
        route: None,
    }
}

/// What the guest reads of a request: method, scheme, authority, path and fields.
fn as_the_guest_reads(head: Vec<u8>) -> ([String; 4], HeaderMap) {
    let mut reader = Reader(head.into());
    let mut text = || String::from_utf8(reader.text().unwrap().to_vec()).unwrap();
    let parts = [text(), text(), text(), text()];
    let fields = reader.fields().unwrap();
    reader.end().unwrap();
    (parts, fields)
}

fn parts(request: http::request::Builder) -> http::request::Parts {
    request.body(()).unwrap().into_parts().0
}

#[test]
fn a_request_carries_its_headers_and_the_context() {
    let request = http::Request::post("http://shop.internal/carts?id=1").header(ACCEPT, "a").header(ACCEPT, "b");
    let request = request.header("traceparent", "forged").header("hostel-caller", "forged");
    let context = context();
    let (head, fields) = as_the_guest_reads(write_request(&parts(request), &context));
    assert_eq!(head, ["POST", "http", "shop.internal", "/carts?id=1"]);
    assert_eq!(fields.get_all(ACCEPT).iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(fields["traceparent"], context.trace.to_traceparent()[..]);
    assert_eq!(fields.get_all("hostel-caller").iter().collect::<Vec<_>>(), ["edge"]);
    assert_eq!(fields["hostel-depth"], "2");
    assert!(!fields.contains_key("grpc-timeout"));
}

#[test]
fn a_request_without_authority_has_that_of_its_host_header() {
    let request = http::Request::get("/").header(HOST, "example.com").header(CONTENT_TYPE, "application/grpc");
    let (head, fields) = as_the_guest_reads(write_request(&parts(request), &context()));
    assert_eq!(head, ["GET", "http", "example.com", "/"]);
    assert_eq!(fields["grpc-timeout"], fields["hostel-timeout"]);
}

#[test]
fn responses_and_fields_are_read_as_written() {
    let mut headers = HeaderMap::new();
    headers.append("set-cookie", HeaderValue::from_static("a=1"));
    headers.append("set-cookie", HeaderValue::from_static("b=2"));
    headers.append("x-binary", HeaderValue::from_bytes(b"\xff\xfe").unwrap());
    let mut trailers = HeaderMap::new();
    trailers.append("grpc-status", HeaderValue::from_static("0"));
    let read = read_response(write_response(StatusCode::CREATED, &headers, Some(&trailers)).into()).unwrap();
    assert_eq!((read.status, read.headers, read.trailers), (StatusCode::CREATED, headers.clone(), trailers));
    assert_eq!(read_fields(write_fields(&headers).into()).unwrap(), headers);
}

#[test]
fn what_no_message_can_carry_is_refused_with_a_reason() {
    let fields = |name: &str, value: &[u8]| {
        let mut block = Vec::new();
        let mut fields = Fields::begin(&mut block);
        fields.put(name, value);
        fields.end();
        read_fields(block.into()).unwrap_err()
    };
    assert!(fields("x bad", b"1").contains("no header name"));
    assert!(fields("", b"1").contains("no header name"));
    assert!(fields("x-crlf", b"a\r\nb").contains("x-crlf"));
    assert!(read_fields(Bytes::from_static(&[9, 0, 0, 0])).unwrap_err().contains("ends before its end"));
    assert!(read_fields(Bytes::from_static(&[0xff; 4])).unwrap_err().contains("ends before its end"));
    assert!(read_fields(Bytes::from_static(&[0; 5])).unwrap_err().contains("follow the end"));
    let mut response = write_response(StatusCode::OK, &HeaderMap::new(), None);
    response[..2].copy_from_slice(&7_u16.to_le_bytes());
    assert!(read_response(response.into()).err().unwrap().contains("7 is no response status"));
}

#[test]
fn more_fields_than_a_map_takes_are_refused() {
    let mut block = Vec::new();
    let mut fields = Fields::begin(&mut block);
    for number in 0..40_000 {
        fields.put(&format!("x-{number}"), b"");
    }
    fields.end();
    assert!(read_fields(block.into()).unwrap_err().contains("too many"));
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let bytes = Bytes::from(bytes);
        let _ = read_request(bytes.clone());
        let _ = read_response(bytes.clone());
        let _ = read_fields(bytes);
    }

    #[test]
    fn a_changed_byte_is_refused_or_harmless(at in 0..200_usize, byte: u8) {
        let mut headers = HeaderMap::new();
        headers.append("content-type", HeaderValue::from_static("text/plain"));
        headers.append("x-more", HeaderValue::from_static("value"));
        let mut head = write_response(StatusCode::OK, &headers, Some(&headers));
        if let Some(place) = head.get_mut(at) {
            *place = byte;
        }
        let _ = read_response(head.into());
    }
}
