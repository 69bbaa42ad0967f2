//! Says in every part of a response which version it is from: in a header, in each piece of the body, in a trailer.
//!
//! The tests make versions of it by writing another marker into the compiled file; so each is a component of its own,
//! with its own digest.
//!
//! - `/whole`: the marker 64 times, at once
//! - `/stream/{pieces}/{ms}`: so many pieces, each the marker, with so many milliseconds between them
//! - `/sleep/{ms}`: waits, then answers with the marker
//! - `/instance`: the marker, and how many calls this instance has had, itself included

use std::{
    convert::Infallible,
    hint::black_box,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use hostel_sdk::{
    axum::{
        Router,
        body::Body,
        extract::Path,
        response::{IntoResponse, Response},
        routing::get,
    },
    bytes::Bytes,
};
use http_body::Frame;
use http_body_util::StreamBody;

/// What the tests look for in the file, and replace.
static MARKER: [u8; 16] = *b"marker:00000000;";

const HEADER: &str = "x-marker";

fn app() -> Router {
    Router::new()
        .route("/whole", get(async || marked(marker().repeat(64))))
        .route("/stream/{pieces}/{ms}", get(pieces))
        .route("/sleep/{ms}", get(sleep))
        .route("/instance", get(instance))
}

hostel_sdk::serve!(app);

/// Read in a way that the compiler cannot look through, or it would put copies elsewhere.
fn marker() -> String {
    let marker: &'static [u8; 16] = black_box(&MARKER);
    String::from_utf8_lossy(marker).into_owned()
}

fn marked(body: impl Into<Body>) -> Response {
    ([(HEADER, marker())], body.into()).into_response()
}

async fn pieces(Path((count, ms)): Path<(u32, u64)>) -> Response {
    let pieces = stream::iter(0..count).then(move |_| async move {
        hostel_sdk::sleep(Duration::from_millis(ms)).await;
        Frame::data(Bytes::from(marker()))
    });
    let trailers = stream::once(async {
        let fields = [(HEADER, marker())];
        let fields = fields.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        Frame::trailers(fields.into_iter().collect())
    });
    let frames = pieces.chain(trailers).map(Ok::<_, Infallible>);
    marked(Body::new(StreamBody::new(frames)))
}

async fn sleep(Path(ms): Path<u64>) -> Response {
    hostel_sdk::sleep(Duration::from_millis(ms)).await;
    marked(marker())
}

async fn instance() -> Response {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
    marked(format!("{} {calls}", marker()))
}
