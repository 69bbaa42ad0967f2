//! The deadline: the shortest of what the caller asks for, the route and the service allow.
//!
//! When it passes, the call is dropped, which cancels the guest's work and everything downstream of it. It covers the
//! response's body too: a body that is still coming then breaks off.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::Sleep;

use crate::call::{CallError, Deadline, Response, StreamBody};

const MESSAGE: &str = "the deadline passed before the service had answered";

/// The caller's deadline, or the callee's own limit from now, whichever is first.
pub fn capped(deadline: Deadline, limit: Duration) -> Deadline {
    deadline.min(Deadline::after(limit))
}

/// Makes a call, unless it is too late for it, and gives it until its deadline.
///
/// # Errors
///
/// A time-out when the deadline passes first; whatever the call fails with otherwise.
pub fn within<F>(deadline: Deadline, call: impl FnOnce() -> F) -> impl Future<Output = Result<Response, CallError>>
where
    F: Future<Output = Result<Response, CallError>>,
{
    // Made here and not in the future, which then need not carry the request.
    let calling = (!deadline.has_passed()).then(|| tokio::time::timeout_at(deadline.instant(), call()));
    async move {
        let late = || CallError::timeout("the deadline had passed before the call was made");
        let response = calling.ok_or_else(late)?.await.map_err(|_| CallError::timeout(MESSAGE))??;
        in_time(deadline, response)
    }
}

fn in_time(deadline: Deadline, response: Response) -> Result<Response, CallError> {
    // Guests whose own calls time out at this very moment answer something; it comes too late all the same, and its
    // body would break off at once.
    if deadline.has_passed() {
        return Err(CallError::timeout(MESSAGE));
    }
    Ok(response.map(|body| {
        body.map_stream(|body| Expiring { body, timer: Box::pin(tokio::time::sleep_until(deadline.instant())) })
    }))
}

struct Expiring {
    body: StreamBody,
    timer: Pin<Box<Sleep>>,
}

impl http_body::Body for Expiring {
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        if self.timer.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err(CallError::timeout("the deadline passed before the body had ended"))));
        }
        self.body.as_mut().poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, StreamBody};

    use super::*;
    use crate::call::{Body, ErrorKind};

    #[tokio::test(start_paused = true)]
    async fn a_call_that_takes_too_long_times_out() {
        let never = std::future::pending();
        let error = within(Deadline::after(Duration::from_secs(1)), || never).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(!error.is_retryable());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_breaks_off() {
        let call = || async {
            let endless = futures::stream::pending::<Result<Frame<Bytes>, CallError>>();
            Ok(Response::new(Body::stream(StreamBody::new(endless))))
        };
        let response = within(Deadline::after(Duration::from_secs(1)), call).await.unwrap();
        let error = response.into_body().collect().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
    }

    #[tokio::test(start_paused = true)]
    async fn a_passed_deadline_makes_no_call() {
        let deadline = Deadline::after(Duration::ZERO);
        let error = within(deadline, || -> std::future::Ready<_> { panic!("must not be made") }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
    }
}
