//! Messages from bytes.

use super::*;

fn schema() -> Schema {
    let text = r#"syntax = "proto2"; package t;
        message M {
          optional M one = 1; repeated M many = 2; repeated int32 numbers = 3 [packed = true];
          repeated group G = 4 { optional int32 x = 1; } optional string text = 5; map<int32, M> map = 6;
          oneof o { int32 a = 7; string b = 8; } extensions 100 to 200;
        }
        extend M { repeated M more = 100; }"#;
    Schema::decode(&compile(&[("t.proto", text)])).unwrap()
}

#[test]
fn large_messages_are_decoded_but_not_those_that_take_too_much() {
    let schema = schema();
    let descriptor = schema.pool().get_message_by_name("t.M").unwrap();
    let size = 4 * 1024 * 1024;
    for (name, part, fits) in [
        ("empty messages", b"\x12\x00".as_slice(), false),
        ("small messages", b"\x12\x02\x38\x01", false),
        ("groups", b"\x23\x08\x01\x24", false),
        ("map entries", b"\x32\x02\x08\x01", false),
        ("unknown groups", b"\xfb\x7f\x08\x01\xfc\x7f", false),
        ("small messages in an extension", b"\xa2\x06\x02\x38\x01", false),
        ("unknown fields", b"\xf8\x7f\x01", true),
        ("the same field", b"\x38\x01", false),
        ("messages with text", &[b"\x12\x52\x2a\x50".as_slice(), &[b'x'; 80]].concat(), true),
    ] {
        let bytes = part.repeat(size / part.len());
        match decode_message(&descriptor, &bytes) {
            Ok(_) => assert!(fits, "{name}"),
            Err(error) => {
                assert_eq!((matches!(error, MessageError::TooMuch { .. }), fits), (true, false), "{name}: {error}")
            }
        }
        let few = part.repeat(1000);
        assert!(decode_message(&descriptor, &few).is_ok(), "{name}");
    }
    let packed = |count: usize| {
        let mut bytes = Vec::new();
        prost::encoding::bytes::encode(3, &vec![1_u8; count], &mut bytes);
        bytes
    };
    assert!(decode_message(&descriptor, &packed(1_000_000)).is_ok());
    assert!(decode_message(&descriptor, &packed(4_000_000)).is_err());
    let text = |count: usize| {
        let mut bytes = Vec::new();
        prost::encoding::bytes::encode(5, &vec![b'x'; count], &mut bytes);
        bytes
    };
    assert!(decode_message(&descriptor, &text(size)).is_ok());
}

#[test]
fn bytes_that_are_no_message() {
    let schema = schema();
    let descriptor = schema.pool().get_message_by_name("t.M").unwrap();
    let pad = [b"\x2a\x80\x80\x20".as_slice(), &[b'x'; 512 * 1024]].concat();
    let deep = {
        let mut bytes = Vec::new();
        for _ in 0..1000 {
            let inner = std::mem::take(&mut bytes);
            prost::encoding::bytes::encode(1, &inner, &mut bytes);
        }
        bytes
    };
    for bad in [
        b"\x0a\x05".as_slice(),
        b"\x23\x08\x01",
        b"\x24",
        b"\x23\x2c",
        b"\x00",
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        &deep,
    ] {
        for bytes in [bad.to_vec(), [&pad, bad].concat()] {
            let error = decode_message(&descriptor, &bytes).err().map(|error| error.to_string());
            assert!(error.as_ref().is_some_and(|error| error.starts_with("not a t.M: ")), "{error:?}");
        }
    }
}
