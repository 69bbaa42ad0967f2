use std::{
    collections::VecDeque,
    task::{Waker, ready},
};

use http::HeaderValue;
use http_body::Frame;

use super::*;

/// What a body does next when it is polled.
enum Step {
    Data(&'static [u8]),
    Trailers,
    Wait,
    Fail,
}

struct Script(VecDeque<Step>);

impl Body for Script {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        let step = ready!(match self.0.pop_front() {
            Some(Step::Wait) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            other => Poll::Ready(other),
        });
        Poll::Ready(match step {
            None | Some(Step::Wait) => None,
            Some(Step::Data(data)) => Some(Ok(Frame::data(Bytes::from_static(data)))),
            Some(Step::Trailers) => Some(Ok(Frame::trailers(HeaderMap::from_iter([(
                http::HeaderName::from_static("grpc-status"),
                HeaderValue::from_static("0"),
            )])))),
            Some(Step::Fail) => Some(Err("broken")),
        })
    }
}

fn batch_of(body: &mut Script) -> Batch {
    poll_batch(body, &mut Context::from_waker(Waker::noop()))
}

fn script(steps: impl IntoIterator<Item = Step>) -> Script {
    Script(steps.into_iter().collect())
}

#[test]
fn a_body_at_hand_is_one_batch() {
    let mut body = script([Step::Data(b"hel"), Step::Data(b""), Step::Data(b"lo"), Step::Trailers]);
    let batch = batch_of(&mut body);
    assert_eq!(batch.data, b"hello");
    let State::Ended(trailers) = batch.state else { panic!("it has ended") };
    assert_eq!(trailers["grpc-status"], "0");
}

#[test]
fn an_empty_body_is_one_batch() {
    let batch = batch_of(&mut script([]));
    assert!(batch.data.is_empty() && matches!(batch.state, State::Ended(trailers) if trailers.is_empty()));
}

#[test]
fn what_is_not_ready_stays_for_later() {
    let mut body = script([Step::Data(b"now"), Step::Wait, Step::Data(b"later")]);
    let batch = batch_of(&mut body);
    assert!(batch.data == b"now" && matches!(batch.state, State::Open));
    let batch = batch_of(&mut body);
    assert!(batch.data == b"later" && matches!(batch.state, State::Ended(_)));
}

#[test]
fn a_body_that_is_always_ready_is_cut() {
    static CHUNK: [u8; 10 * 1024] = [0; 10 * 1024];
    let mut body = script((0..100).map(|_| Step::Data(&CHUNK)));
    let batch = batch_of(&mut body);
    assert!(matches!(batch.state, State::Open));
    assert!((BATCH_BYTES_MAX..BATCH_BYTES_MAX + CHUNK.len()).contains(&batch.data.len()));
}

#[test]
fn a_failure_comes_with_what_was_before_it() {
    let batch = batch_of(&mut script([Step::Data(b"half"), Step::Fail]));
    assert_eq!(batch.data, b"half");
    assert!(matches!(batch.state, State::Failed(error) if error.to_string() == "broken"));
}

#[test]
fn waiting_ends_with_the_first_data() {
    let mut body = script([Step::Data(b""), Step::Wait, Step::Wait, Step::Data(b"x"), Step::Wait]);
    let mut next = std::pin::pin!(next_batch(&mut body));
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..2 {
        assert!(next.as_mut().poll(&mut cx).is_pending());
    }
    let Poll::Ready(batch) = next.as_mut().poll(&mut cx) else { panic!("there is data") };
    assert!(batch.data == b"x" && matches!(batch.state, State::Open));
}
