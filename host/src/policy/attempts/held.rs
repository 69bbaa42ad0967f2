//! A call's place at its endpoint, held until the body of the response has ended.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::StatusCode;
use http_body::{Frame, SizeHint};
use tokio::time::Instant;

use crate::call::{CallError, Response, StreamBody, grpc};
use crate::policy::endpoints::{Key, Picked};
use crate::policy::outcome::{self, Outcome};

/// Reports on the last attempt, now or when the body has ended.
pub(super) fn finish<K: Key>(
    answer: Result<Response, CallError>,
    mut picked: Picked<K>,
) -> Result<Response, CallError> {
    let now = Instant::now();
    let outcome = Outcome::of(&answer, picked.locality());
    match answer {
        Ok(response) if response.body().is_stream() => {
            if outcome == Outcome::Success {
                picked.head(now);
            } else {
                picked.record(now, outcome);
            }
            let status = response.status();
            let in_head = outcome::grpc_status(&response);
            Ok(response.map(|body| body.map_stream(|body| Held { body, status, in_head, picked: Some(picked) })))
        }
        answer => {
            picked.record(now, outcome);
            answer
        }
    }
}

struct Held<K: Key> {
    body: StreamBody,
    status: StatusCode,
    in_head: Option<i32>,
    picked: Option<Picked<K>>,
}

impl<K: Key> Held<K> {
    fn end(&mut self, outcome: Outcome) {
        if let Some(mut picked) = self.picked.take() {
            picked.record(Instant::now(), outcome);
        }
    }
}

impl<K: Key> http_body::Body for Held<K> {
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        let frame = ready!(self.body.as_mut().poll_frame(cx));
        let trailers = match &frame {
            Some(Ok(frame)) => frame.trailers_ref(),
            Some(Err(_)) | None => None,
        };
        let status = trailers.and_then(grpc::status).or(self.in_head);
        match &frame {
            Some(Err(error)) => {
                if let Some(locality) = self.picked.as_ref().map(Picked::locality) {
                    self.end(Outcome::of_error(error, locality));
                }
            }
            // A reader that knows the length may never ask for the end.
            Some(Ok(_)) if trailers.is_none() && !self.body.is_end_stream() => {}
            Some(Ok(_)) | None => {
                let outcome = Outcome::of_response(self.status, status);
                self.end(outcome);
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
