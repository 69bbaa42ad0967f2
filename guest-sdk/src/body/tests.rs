use std::task::Waker;

use http::{HeaderName, HeaderValue};

use super::*;

fn next(body: &mut Body) -> Option<Frame<Bytes>> {
    match Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(frame) => frame.map(|frame| frame.expect("it cannot fail")),
        Poll::Pending => panic!("all of it is here"),
    }
}

fn trailers() -> HeaderMap {
    HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))])
}

#[test]
fn a_whole_body_knows_its_size_and_is_one_frame() {
    let mut body = Body::from("hello");
    assert_eq!(body.size_hint().exact(), Some(5));
    assert!(!body.is_end_stream());
    assert_eq!(next(&mut body).and_then(|frame| frame.into_data().ok()).as_deref(), Some(&b"hello"[..]));
    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
    assert!(next(&mut body).is_none());
}

#[test]
fn trailers_follow_the_data() {
    let mut body = Body::whole(Bytes::from_static(b"data"), trailers());
    assert!(next(&mut body).is_some_and(|frame| frame.is_data()));
    assert!(!body.is_end_stream());
    assert!(next(&mut body).is_some_and(|frame| frame.is_trailers()));
    assert!(body.is_end_stream());
}

#[test]
fn trailers_alone_come_without_an_empty_frame() {
    let mut body = Body::whole(Bytes::new(), trailers());
    assert_eq!(body.size_hint().exact(), Some(0));
    assert!(next(&mut body).is_some_and(|frame| frame.is_trailers()));
    assert!(next(&mut body).is_none());
}

#[test]
fn nothing_is_the_end() {
    for body in [Body::empty(), Body::default(), Body::from(""), Body::from(Vec::new()), Body::from(())] {
        assert!(body.is_end_stream());
    }
}

#[test]
fn reading_text() {
    fn ready<T>(future: impl Future<Output = T>) -> T {
        match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("all of it is here"),
        }
    }
    assert_eq!(ready(Body::from("hällo").text()).as_deref(), Ok("hällo"));
    assert_eq!(ready(Body::from(vec![0xff]).text()), Err(BodyError::Failed("not UTF-8".into())));
    assert_eq!(ready(Body::whole(Bytes::from_static(b"x"), trailers()).bytes()).as_deref(), Ok(&b"x"[..]));
}
