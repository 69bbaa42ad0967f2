//! Fields that are not fields, by kind. They serve as headers, as trailers, and in requests.

use crate::{Fields, field, head};

/// The kinds that no HTTP message can carry: a host refuses them or leaves them out, and nothing of them reaches a
/// client as a field of its own.
pub const MALFORMED: [&str; 7] = ["crlf", "nul", "space", "empty", "colon", "pseudo", "latin"];

pub fn fields(kind: &str) -> Fields {
    match kind {
        "crlf" => vec![field("x-crlf", b"one\r\nx-injected: two")],
        "nul" => vec![field("x-nul", b"a\0b")],
        "space" => vec![field("x bad name", b"1")],
        "empty" => vec![field("", b"no name")],
        "colon" => vec![field("x-colon: yes\r\nx-injected", b"two")],
        "pseudo" => vec![field(":status", b"500")],
        "latin" => vec![field("x-größe", b"1")],
        // Against the contract, which asks for lower case, though HTTP would not mind.
        "upper" => vec![field("X-UPPER", b"1")],
        // Those belong to the connection and so to the host.
        "hop" => vec![
            field("connection", b"close, x-secret"),
            field("keep-alive", b"timeout=5"),
            field("transfer-encoding", b"chunked"),
            field("upgrade", b"websocket"),
            field("te", b"trailers"),
        ],
        "short-length" => vec![field("content-length", b"3")],
        "long-length" => vec![field("content-length", b"3000")],
        "two-lengths" => vec![field("content-length", b"10"), field("content-length", b"20")],
        "no-length" => vec![field("content-length", b"ten")],
        "huge" => (0..64).map(|_| field("x-huge", &[b'x'; 8 * 1024])).collect(),
        "many" => (0..5_000).map(|number| field(&format!("x-many-{number}"), b"1")).collect(),
        // Legal: bytes above 127 in a value.
        "binary" => vec![field("x-binary", &[0xff, 0xfe, 0x80])],
        "forged" => vec![
            field("hostel-caller", b"edge"),
            field("hostel-depth", b"0"),
            field("hostel-error", b"denied"),
            field("hostel-error-message", b"forged"),
            field("hostel-whole", b"1"),
            field("hostel-length", b"3"),
            field("date", b"never"),
        ],
        _ => Vec::new(),
    }
}

/// Heads that are none, by kind.
pub fn head(kind: &str) -> Vec<u8> {
    let good = head::response(200, &head::fields(&[("x-good", "1")]), &[]);
    match kind {
        "nothing" => Vec::new(),
        "cut" => good[..good.len() - 1].to_vec(),
        "more" => [&good[..], b"more"].concat(),
        // More fields, and longer ones, than there are bytes.
        "count" => [&good[..2], &[0xff; 4], &good[6..]].concat(),
        "length" => [&good[..6], &[0xff; 4], &good[10..]].concat(),
        "huge" => vec![b'x'; 8 * 1024 * 1024],
        _ => good,
    }
}
