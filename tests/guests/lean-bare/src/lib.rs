//! The lean door, `hostel:service/handler`, implemented from its WIT alone.
//!
//! It is what an SDK for another language has to do, and no more: read the request record, answer with a response
//! record, and use the third kind of body when bytes come over time. It echoes what it gets. `bad/control-lean.wat`
//! beside it goes one step further down: the same door without a compiler.
//!
//! - any path: the request line (`METHOD /path?query`), a newline, then the body, as `bytes`; trailers come back too.
//! - `/stream`: the same as `streaming`, each chunk sent on as it arrives, then the trailers.
//! - `/call/{service}/{rest}`: sends a GET of `/{rest}` to that service and hands its answer on, body unread.

mod head;

use hostel::service::client;
use hostel::service::types::{Body, BodyError, CallError, ErrorKind, Fields, Request, Response};
use wit_bindgen::{FutureWriter, StreamReader, StreamResult, StreamWriter};

wit_bindgen::generate!({ path: "../../../guest-sdk/wit", world: "hostel:service/service" });

/// How many bytes of a body to take at a time. A read returns what is there, up to this much.
const CHUNK_BYTES: usize = 64 * 1024;

struct Echo;

export!(Echo);

impl exports::hostel::service::handler::Guest for Echo {
    async fn handle(request: Request) -> Response {
        let (method, path) = head::request_line(&request.head);
        let line = format!("{method} {path}\n");
        if let Some(target) = path.strip_prefix("/call/") {
            forward(target).await
        } else if path.starts_with("/stream") {
            streamed(line.into_bytes(), request.body)
        } else {
            whole(line.into_bytes(), request.body).await
        }
    }
}

/// Answers once the whole body is here.
async fn whole(mut answer: Vec<u8>, body: Body) -> Response {
    let trailers = match body {
        Body::None => Vec::new(),
        Body::Bytes(bytes) => {
            answer.extend(bytes);
            Vec::new()
        }
        Body::Streaming((mut bytes, end)) => {
            let mut buffer = Vec::with_capacity(CHUNK_BYTES);
            loop {
                let (result, read) = bytes.read(buffer).await;
                answer.extend_from_slice(&read);
                buffer = read;
                buffer.clear();
                if !matches!(result, StreamResult::Complete(_)) {
                    break;
                }
            }
            // The stream says that the bytes are over; only the future says whether that was all of them.
            match end.await {
                Ok(trailers) => trailers,
                Err(error) => {
                    return text(400, format!("the request's body broke off: {error:?}\n"));
                }
            }
        }
    };
    let head = head::response(200, &content_type("application/octet-stream"), &trailers);
    Response { head, body: Body::Bytes(answer) }
}

/// Answers at once with the reading ends of a stream and a future, and fills them from a task of its own: nobody
/// reads from them before the response is returned.
fn streamed(line: Vec<u8>, body: Body) -> Response {
    let (bytes, bytes_reader) = wit_stream::new();
    // The default is what the reader gets if this guest ends without a word.
    let (end, end_reader) = wit_future::new(|| Err(BodyError::Failed("the guest stopped".to_owned())));
    wit_bindgen::spawn_local(copy(line, body, bytes, end));
    let head = head::response(200, &content_type("application/octet-stream"), &[]);
    Response { head, body: Body::Streaming((bytes_reader, end_reader)) }
}

async fn copy(line: Vec<u8>, body: Body, mut to: StreamWriter<u8>, end: FutureWriter<Result<Fields, BodyError>>) {
    // What `write_all` hands back was not taken: the reader has gone, so there is nobody left to serve.
    if !to.write_all(line).await.is_empty() {
        return;
    }
    let outcome = match body {
        Body::None => Ok(Vec::new()),
        Body::Bytes(bytes) => {
            if !to.write_all(bytes).await.is_empty() {
                return;
            }
            Ok(Vec::new())
        }
        Body::Streaming((bytes, from_end)) => match pump(bytes, &mut to).await {
            Ok(()) => from_end.await,
            Err(ReaderGone) => return,
        },
    };
    // In this order: the stream closes before the future resolves.
    drop(to);
    // The reader may have gone in the meantime, which is its right.
    let _ = end.write(outcome).await;
}

struct ReaderGone;

async fn pump(mut from: StreamReader<u8>, to: &mut StreamWriter<u8>) -> Result<(), ReaderGone> {
    let mut buffer = Vec::with_capacity(CHUNK_BYTES);
    loop {
        let (result, read) = from.read(buffer).await;
        buffer = to.write_all(read).await;
        if !buffer.is_empty() {
            return Err(ReaderGone);
        }
        if !matches!(result, StreamResult::Complete(_)) {
            return Ok(());
        }
    }
}

/// Calls another service and hands its answer on. A streaming body is passed through without being touched.
async fn forward(target: &str) -> Response {
    let (service, rest) = target.split_once('/').unwrap_or((target, ""));
    let head = head::request("GET", &format!("/{rest}"), &head::fields::<&str, &str>(&[]));
    let request = Request { head, body: Body::None };
    match client::call(service.to_owned(), request).await {
        Ok(response) => response,
        Err(CallError { kind, message, retryable }) => {
            text(status_of(kind), format!("{kind:?} (retryable: {retryable}): {message}\n"))
        }
    }
}

fn status_of(kind: ErrorKind) -> u16 {
    match kind {
        ErrorKind::NotFound => 404,
        ErrorKind::Denied => 403,
        ErrorKind::Unavailable => 503,
        ErrorKind::Timeout => 504,
        _ => 502,
    }
}

fn text(status: u16, body: String) -> Response {
    Response { head: head::response(status, &content_type("text/plain"), &[]), body: Body::Bytes(body.into_bytes()) }
}

fn content_type(value: &str) -> Fields {
    head::fields(&[("content-type", value)])
}
