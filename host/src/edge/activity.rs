//! What a connection is doing, and when it has been doing it for too long.
//!
//! A client that sends a request head byte by byte, or nothing at all, holds a connection for free. The transport tells
//! here when bytes arrive, the handler when a request begins and ends, and the connection's task closes it when a head
//! is incomplete, or nothing is in flight, for too long. That works alike for both versions of HTTP, and before it is
//! known which one it is.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

#[derive(Clone)]
pub(super) struct Activity(Arc<Mutex<State>>);

struct State {
    in_flight: usize,
    /// When the connection last fell idle.
    idle_since: Instant,
    /// When the first byte came of something that is not a request yet.
    head_since: Option<Instant>,
}

/// Why a connection should be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overdue {
    Head,
    Idle,
}

impl Activity {
    pub(super) fn new() -> Self {
        let state = State { in_flight: 0, idle_since: Instant::now(), head_since: None };
        Self(Arc::new(Mutex::new(state)))
    }

    /// A request's head is complete.
    pub(super) fn begin(&self) -> InFlight {
        self.with(|state| {
            state.in_flight += 1;
            state.head_since = None;
        });
        InFlight(self.clone())
    }

    fn received(&self) {
        self.with(|state| {
            if state.in_flight == 0 {
                state.head_since.get_or_insert_with(Instant::now);
            }
        });
    }

    /// Waits until the connection should be closed.
    pub(super) async fn overdue(&self, head_max: Duration, idle_max: Duration) -> Overdue {
        loop {
            let now = Instant::now();
            let (due, overdue) = self.with(|state| match (state.in_flight, state.head_since) {
                // Looking again is enough: a head cannot be due before the requests have ended.
                (1.., _) => (now + head_max, None),
                (0, Some(since)) => (since + head_max, Some(Overdue::Head)),
                (0, None) => (state.idle_since + idle_max, Some(Overdue::Idle)),
            });
            if let Some(overdue) = overdue
                && due <= now
            {
                return overdue;
            }
            // A head may begin while this waits for idleness; it must not get more time for that.
            tokio::time::sleep_until(due.min(now + head_max)).await;
        }
    }

    fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A request in flight, until its response has been sent.
pub(super) struct InFlight(Activity);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.with(|state| {
            state.in_flight -= 1;
            state.idle_since = Instant::now();
            state.head_since = None;
        });
    }
}

/// A transport that tells when bytes arrive.
pub(super) struct Watched<S> {
    stream: S,
    activity: Activity,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, activity: Activity) -> Self {
        Self { stream, activity }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.activity.received();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Duration = Duration::from_secs(5);
    const IDLE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_head_that_does_not_end_is_overdue() {
        let activity = Activity::new();
        let begun = Instant::now();
        tokio::time::sleep(Duration::from_secs(2)).await;
        activity.received();
        assert_eq!(activity.overdue(HEAD, IDLE).await, Overdue::Head);
        assert!(begun.elapsed() < Duration::from_secs(13));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_in_flight_is_not_overdue_and_its_end_begins_idleness() {
        let activity = Activity::new();
        let request = activity.begin();
        assert!(tokio::time::timeout(IDLE * 3, activity.overdue(HEAD, IDLE)).await.is_err());
        drop(request);
        let begun = Instant::now();
        assert_eq!(activity.overdue(HEAD, IDLE).await, Overdue::Idle);
        assert!(begun.elapsed() >= IDLE);
    }
}
