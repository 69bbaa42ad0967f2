//! Which messages are compressed: seen in requests, chosen in responses. tonic says nothing of the one and leaves no choice in
//! the other, so this is around the service, which gets and gives messages as they are.
//!
//! Source: "gRPC over HTTP2", Length-Prefixed-Message.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use hostel_sdk::{
    axum::{body::Body, extract, middleware::Next, response},
    http::HeaderValue,
    tonic::{Request, Response, Status},
};
use http_body_util::BodyExt;

use crate::pb::BoolValue;

/// In front of each message: flags, of which the lowest says that it is compressed, and its length.
const HEAD_BYTES: usize = 5;
/// More than tonic takes, so that it is who refuses what is too large.
const MESSAGE_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Of the messages of a request that have come and were not looked at yet, whether they were compressed.
#[derive(Clone, Default)]
pub(crate) struct Came(Arc<Mutex<VecDeque<bool>>>);

pub(crate) fn came<M>(request: &Request<M>) -> Came {
    request.extensions().get().cloned().unwrap_or_default()
}

impl Came {
    /// To be called for each message, in their order.
    pub(crate) fn check(&self, expected: Option<BoolValue>) -> Result<(), Status> {
        let compressed = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        match (expected, compressed) {
            (Some(BoolValue { value: true }), Some(false)) => {
                Err(Status::invalid_argument("the message should be compressed, and came as it is"))
            }
            _ => Ok(()),
        }
    }

    fn push(&self, compressed: bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(compressed);
    }
}

/// For each message of a response, whether it has to be compressed.
#[derive(Clone)]
struct Wishes(VecDeque<bool>);

/// A response whose messages have to be compressed or not, as the client has said of each.
pub(crate) fn wished<M>(wishes: impl IntoIterator<Item = Option<BoolValue>>, message: M) -> Response<M> {
    let wishes = wishes.into_iter().map(|wish| wish.is_some_and(|wish| wish.value));
    let mut response = Response::new(message);
    response.extensions_mut().insert(Wishes(wishes.collect()));
    response
}

pub(crate) async fn as_wished(mut request: extract::Request, next: Next) -> response::Response {
    let accepted = request.headers().get_all("grpc-accept-encoding").iter();
    let accepted = accepted.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let gzip_accepted = accepted.map(str::trim).any(|encoding| encoding == "gzip");

    // tonic refuses what it does not know itself, so it is not told.
    let gzip_sent = request.headers().get("grpc-encoding").is_some_and(|encoding| encoding == "gzip");
    if gzip_sent {
        request.headers_mut().remove("grpc-encoding");
    }
    let came = Came::default();
    request.extensions_mut().insert(came.clone());
    let request = request.map(|body| {
        rewritten(body, move |flags, content| {
            let compressed = flags & 1 == 1;
            came.push(compressed);
            // One that is broken goes on as it is, and tonic fails the call for its flag.
            if gzip_sent && compressed { gunzip(content).ok() } else { None }
        })
    });
    let mut response = next.run(request).await;

    let Some(Wishes(mut wishes)) = response.extensions_mut().remove() else { return response };
    // What cannot be read by the client is not sent, whatever it wishes.
    if !gzip_accepted || !wishes.contains(&true) {
        return response;
    }
    response.headers_mut().insert("grpc-encoding", HeaderValue::from_static("gzip"));
    response.map(|body| {
        rewritten(
            body,
            move |_, content| {
                if wishes.pop_front().unwrap_or_default() { gzip(content).ok() } else { None }
            },
        )
    })
}

/// A body with some of its messages replaced, by others that are compressed if these were not, and the other way round.
fn rewritten(body: Body, mut replacement: impl FnMut(u8, &[u8]) -> Option<Vec<u8>> + Send + 'static) -> Body {
    let mut part = BytesMut::new();
    Body::new(body.map_frame(move |frame| {
        frame.map_data(|data| {
            part.extend_from_slice(&data);
            let mut whole = BytesMut::new();
            while let Some((flags, content)) = message(&mut part) {
                match replacement(flags, &content) {
                    Some(other) => put(&mut whole, flags ^ 1, &other),
                    None => put(&mut whole, flags, &content),
                }
            }
            whole.freeze()
        })
    }))
}

/// Takes the message at the front, once all of it is there.
fn message(part: &mut BytesMut) -> Option<(u8, Bytes)> {
    let [flags, length @ ..] = *part.first_chunk::<HEAD_BYTES>()?;
    let length = u32::from_be_bytes(length) as usize;
    if part.len() - HEAD_BYTES < length {
        return None;
    }
    part.advance(HEAD_BYTES);
    Some((flags, part.split_to(length).freeze()))
}

fn put(whole: &mut BytesMut, flags: u8, content: &[u8]) {
    whole.put_u8(flags);
    whole.put_u32(content.len() as u32);
    whole.put_slice(content);
}

fn gzip(content: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content)?;
    encoder.finish()
}

/// What is longer is cut off, and too long for tonic all the same.
fn gunzip(content: &[u8]) -> io::Result<Vec<u8>> {
    let mut whole = Vec::new();
    GzDecoder::new(content).take(MESSAGE_BYTES_MAX).read_to_end(&mut whole)?;
    Ok(whole)
}
