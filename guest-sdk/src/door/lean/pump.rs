//! The pump: a task that moves a body into a stream at the reader's pace.

use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    pin::{Pin, pin},
    rc::Rc,
    task::{Poll, Waker},
};

use bytes::Bytes;
use http_body::Body;
use wit_bindgen::{FutureWriter, StreamWriter};

use super::{convert, head, wit};
use crate::{
    batch::{Batch, State, next_batch},
    bindings::{wit_future, wit_stream},
    error::{BodyError, BoxError},
};

type EndWriter = FutureWriter<Result<wit::Fields, wit::BodyError>>;

/// Starts to send `first` and then what follows in `body`.
///
/// The pump ends with the body, when the reader goes away, or when the guard is dropped; whichever way, the future of
/// trailers is resolved. A reader that goes away is noticed at the next piece of the body, not before: there is no signal
/// for it.
pub(super) fn start<B>(first: Batch, body: B) -> (wit::Body, PumpGuard)
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    let (data_writer, data) = wit_stream::new();
    // The value for an end nobody wrote, because the pump or the whole call was dropped.
    let (end_writer, end) = wit_future::new(|| Err(wit::BodyError::Cancelled));
    let guard = PumpGuard(Rc::default());
    let stop = guard.0.clone();
    wit_bindgen::spawn_local(async move { stop.unless_set(run(first, body, data_writer, end_writer)).await });
    (wit::Body::Streaming((data, end)), guard)
}

async fn run<B>(first: Batch, mut body: B, mut data_writer: StreamWriter<u8>, end_writer: EndWriter)
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let mut batch = first;
    let end = loop {
        if !batch.data.is_empty() && !data_writer.write_all(batch.data).await.is_empty() {
            // The reader is gone. The body goes before anything else is awaited, so that its source hears of it.
            drop(body);
            return;
        }
        match batch.state {
            State::Open => batch = next_batch(&mut body).await,
            State::Ended(trailers) => break Ok(head::write_fields(&trailers)),
            State::Failed(error) => break Err(convert::body_error_out(BodyError::from_source(&*error))),
        }
    };
    drop(body);
    drop(data_writer);
    // A reader that does not care for the end is no error.
    let _ = end_writer.write(end).await;
}

/// Stops the pump when dropped.
pub(super) struct PumpGuard(Rc<Stop>);

impl PumpGuard {
    /// Lets the pump run on for as long as it has a reader.
    pub(super) fn detach(self) {
        self.0.detached.set(true);
    }
}

impl Drop for PumpGuard {
    fn drop(&mut self) {
        self.0.set();
    }
}

#[derive(Default)]
struct Stop {
    set: Cell<bool>,
    detached: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Stop {
    fn set(&self) {
        if self.detached.get() {
            return;
        }
        self.set.set(true);
        let waker = self.waker.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Runs `task` until it is done or the flag is set; then `task` is dropped where it stands.
    async fn unless_set(&self, task: impl Future<Output = ()>) {
        let mut task: Pin<&mut _> = pin!(task);
        poll_fn(|cx| {
            if self.set.get() {
                return Poll::Ready(());
            }
            *self.waker.borrow_mut() = Some(cx.waker().clone());
            task.as_mut().poll(cx)
        })
        .await;
    }
}
