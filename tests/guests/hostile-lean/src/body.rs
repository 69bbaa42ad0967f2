//! Streams that go on too long, end badly, or do not end; and request bodies that nobody reads.

use crate::hostel::service::types::{Body, BodyError, Fields as Block, Response};
use crate::{response, text, wit_future, wit_stream};
use std::cell::RefCell;
use wit_bindgen::{FutureReader, StreamReader, StreamWriter};

type End = Result<Block, BodyError>;

thread_local! {
    /// What `/keep-body` has kept, of calls that are long over.
    static KEPT: RefCell<Vec<(StreamReader<u8>, FutureReader<End>)>> = const { RefCell::new(Vec::new()) };
}

/// So many chunks of so many bytes, until nobody takes them any more.
pub fn chunks(count: u64, len: usize) -> Response {
    stream(async move |mut to| {
        for _ in 0..count {
            if !to.write_all(vec![b'x'; len]).await.is_empty() {
                break;
            }
        }
        drop(to);
        Ok(Vec::new())
    })
}

pub fn half() -> Response {
    stream(async |mut to| {
        to.write_all(vec![b'x'; 1024]).await;
        core::arch::wasm32::unreachable()
    })
}

/// The client must not take this for a whole body.
pub fn broken() -> Response {
    stream(async |mut to| {
        to.write_all(vec![b'x'; 1024]).await;
        drop(to);
        Err(BodyError::Failed("the guest says so".to_owned()))
    })
}

/// All bytes are there, but the word that they were all never comes.
pub fn stuck() -> Response {
    stream(async |mut to| {
        to.write_all(vec![b'x'; 1024]).await;
        drop(to);
        crate::never().await;
        Ok(Vec::new())
    })
}

fn stream<F>(produce: F) -> Response
where
    F: AsyncFnOnce(StreamWriter<u8>) -> End + 'static,
{
    let (to, bytes) = wit_stream::new();
    let (end, end_reader) = wit_future::new(|| Err(BodyError::Cancelled));
    wit_bindgen::spawn_local(async move {
        let outcome = produce(to).await;
        let _ = end.write(outcome).await;
    });
    response(200, Vec::new(), Body::Streaming((bytes, end_reader)))
}

/// Takes the body's stream and never reads from it.
pub async fn stall(_body: Body) -> Response {
    crate::never().await;
    text(200, "never came")
}

/// Answers, and keeps the body's stream for as long as the instance lives.
pub fn keep(body: Body) -> Response {
    let kept = KEPT.with_borrow_mut(|kept| {
        if let Body::Streaming(ends) = body {
            kept.push(ends);
        }
        kept.len()
    });
    text(200, &format!("keeping {kept}"))
}
