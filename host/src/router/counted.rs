//! Counts an attempt of a call when its response has ended, whichever way.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::call::{CallError, ErrorKind, Request, Response, StreamBody, grpc};
use crate::observe::metrics::{CallMetrics, InFlight};

/// A call that has begun. Counted as cancelled when it is dropped before its outcome is known.
pub(super) struct Counted {
    metrics: CallMetrics,
    _in_flight: InFlight,
    begun: Instant,
    is_grpc: bool,
    outcome: (u16, Option<i32>),
}

impl Counted {
    pub(super) fn begin(metrics: CallMetrics, request: &Request) -> Self {
        let is_grpc = grpc::is_grpc(request.headers());
        let mut counted =
            Self { _in_flight: metrics.begin(), metrics, begun: Instant::now(), is_grpc, outcome: (0, None) };
        counted.failed(ErrorKind::Cancelled);
        counted
    }

    fn failed(&mut self, kind: ErrorKind) {
        self.outcome = (kind.http_status().as_u16(), self.is_grpc.then_some(kind.grpc_code() as i32));
    }

    pub(super) fn end(mut self, answer: Result<Response, CallError>) -> Result<Response, CallError> {
        match answer {
            Err(error) => {
                self.failed(error.kind());
                Err(error)
            }
            Ok(response) => {
                let status = response.status().as_u16();
                // A trailers-only response has its status among the headers.
                let in_headers = grpc::status(response.headers());
                if !response.body().is_stream() {
                    let at_hand = response.body().trailers_at_hand().and_then(grpc::status);
                    self.outcome = (status, self.grpc_status(at_hand.or(in_headers)));
                    return Ok(response);
                }
                Ok(response
                    .map(|body| body.map_stream(|body| CountedBody { body, status, in_headers, counted: Some(self) })))
            }
        }
    }

    /// gRPC calls that end without a status are counted as what their callers see: UNKNOWN.
    fn grpc_status(&self, status: Option<i32>) -> Option<i32> {
        self.is_grpc.then(|| status.unwrap_or(grpc::Code::Unknown as i32))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let (status, grpc) = self.outcome;
        self.metrics.record(status, grpc, self.begun.elapsed());
    }
}

struct CountedBody {
    body: StreamBody,
    status: u16,
    in_headers: Option<i32>,
    counted: Option<Counted>,
}

impl CountedBody {
    fn end(&mut self, trailers: Option<i32>) {
        if let Some(mut counted) = self.counted.take() {
            counted.outcome = (self.status, counted.grpc_status(trailers.or(self.in_headers)));
        }
    }
}

impl http_body::Body for CountedBody {
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        let frame = ready!(self.body.as_mut().poll_frame(cx));
        match &frame {
            None => self.end(None),
            Some(Err(error)) => {
                if let Some(mut counted) = self.counted.take() {
                    counted.failed(error.kind());
                }
            }
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    self.end(grpc::status(trailers));
                } else if self.body.is_end_stream() {
                    self.end(None);
                }
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
