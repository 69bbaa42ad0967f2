//! Responses that are too large, too short, or not what HTTP allows, and request bodies that nobody reads.

use crate::reply::{self, Answer};
use crate::{run, wait};
use wasip3::http::types::{ErrorCode, Fields, Request};
use wasip3::wit_future;

const CHUNK_BYTES: usize = 64 * 1024;
const CHUNKS_PER_MIB: u64 = 16;

/// So many MiB of the letter `x`, in chunks, as fast as they are taken.
pub fn big(mib: u64) -> Answer {
    chunks(mib.saturating_mul(CHUNKS_PER_MIB))
}

/// Chunks without end, until nobody takes them any more.
pub fn endless() -> Answer {
    chunks(u64::MAX)
}

fn chunks(count: u64) -> Answer {
    reply::stream(200, reply::fields(&[])?, async move |mut to| {
        for _ in 0..count {
            if !to.write_all(vec![b'x'; CHUNK_BYTES]).await.is_empty() {
                break;
            }
        }
        Ok(None)
    })
}

/// A good beginning, then a trap.
pub fn half() -> Answer {
    reply::stream(200, reply::fields(&[])?, async |mut to| {
        to.write_all(vec![b'x'; 1024]).await;
        run::trap()
    })
}

/// A good beginning, then an error in the place of the trailers. The client must not take it for a whole body.
pub fn broken() -> Answer {
    reply::stream(200, reply::fields(&[])?, async |mut to| {
        to.write_all(vec![b'x'; 1024]).await;
        drop(to);
        Err(ErrorCode::HttpResponseIncomplete)
    })
}

/// A `content-length` that is not the length.
pub fn wrong_length(announced: usize, sent: usize) -> Answer {
    let headers = reply::fields(&[("content-length", announced.to_string().as_bytes())])?;
    reply::stream(200, headers, async move |mut to| {
        to.write_all(vec![b'x'; sent]).await;
        Ok(None)
    })
}

/// A status that may not exist (0, 99, 1000) or not be final (100, 101), with a body that some may not have (204, 304).
pub fn bad_status(status: u16) -> Answer {
    reply::stream(status, reply::fields(&[])?, async |mut to| {
        to.write_all(b"a body all the same\n".to_vec()).await;
        Ok(None)
    })
}

/// Tries headers that no guest may set or that are no headers at all, and says which were refused.
/// The status is 500 when one was taken.
pub fn refused_headers() -> Answer {
    let attempts: [(&str, &[u8]); 9] = [
        ("connection", b"close"),
        ("keep-alive", b"timeout=5"),
        ("transfer-encoding", b"chunked"),
        ("upgrade", b"websocket"),
        ("proxy-connection", b"close"),
        ("bad name", b"space"),
        ("", b"no name"),
        ("x-crlf", b"one\r\nx-injected: two"),
        ("x-nul", b"a\0b"),
    ];
    let fields = Fields::new();
    let mut status = 200;
    let mut report = String::new();
    for (name, value) in attempts {
        match fields.append(name, value) {
            Err(error) => report += &format!("refused {name:?}: {error:?}\n"),
            Ok(()) => {
                status = 500;
                report += &format!("ALLOWED {name:?}\n");
            }
        }
    }
    reply::text(status, report)
}

/// Answers with headers that a host must not pass on as they are.
pub fn bad_headers(kind: &str) -> Answer {
    let fields = Fields::new();
    let outcome = match kind {
        // More than any client takes.
        "huge" => (0..64).try_for_each(|_| fields.append("x-huge", &[b'x'; 8 * 1024])),
        "many" => (0..5_000).try_for_each(|number| fields.append(&format!("x-many-{number}"), b"1")),
        // Names that only the host may speak in.
        "forged" => [
            ("hostel-caller", "edge"),
            ("hostel-depth", "0"),
            ("hostel-error", "denied"),
            ("hostel-error-message", "forged"),
            ("hostel-whole", "1"),
            ("hostel-length", "3"),
            ("server", "hostile"),
            ("date", "never"),
        ]
        .into_iter()
        .try_for_each(|(name, value)| fields.append(name, value.as_bytes())),
        "two-lengths" => {
            ["10", "20"].into_iter().try_for_each(|value| fields.append("content-length", value.as_bytes()))
        }
        // Bytes above 127 are legal in a value, though not UTF-8 here.
        "binary" => fields.append("x-binary", &[0xff, 0xfe, 0x80]),
        _ => return reply::text(404, format!("no headers of the kind {kind}")),
    };
    match outcome {
        Ok(()) => reply::stream(200, fields, async |mut to| {
            to.write_all(b"0123456789".to_vec()).await;
            Ok(None)
        }),
        Err(error) => reply::text(200, format!("the host refused them: {error:?}")),
    }
}

/// Answers at once and drops the request with its body unread.
pub fn ignore(request: Request) -> Answer {
    drop(request);
    reply::text(200, "not interested".to_owned())
}

/// Takes the body's stream and never reads from it.
pub async fn stall(request: Request) -> Answer {
    let (_done, done_reader) = wit_future::new(|| Ok(()));
    let (_body, _end) = Request::consume_body(request, done_reader);
    wait::never().await
}
