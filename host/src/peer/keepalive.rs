//! Whether the other end of a link is still there.
//!
//! TCP alone takes minutes to notice a machine that is gone, and never notices a process that is frozen. A link that has
//! been silent for a while is asked for a sign of life with a PING; whatever arrives then counts, because an answer may be
//! far behind in a queue of data. Both ends do so, and both take any number of PINGs.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use h2::{Ping, PingPong};
use tokio::time::{Instant, Sleep};

use super::Settings;
use super::io::Seen;

pub(super) struct Keepalive {
    pings: Option<PingPong>,
    seen: Arc<Seen>,
    reads: u64,
    asked: bool,
    timer: Pin<Box<Sleep>>,
    interval: Duration,
    timeout: Duration,
}

impl Keepalive {
    pub(super) fn new(pings: Option<PingPong>, seen: Arc<Seen>, settings: &Settings) -> Self {
        let interval = Duration::from_millis(settings.keepalive_interval_ms);
        Self {
            pings,
            reads: seen.reads(),
            seen,
            asked: false,
            timer: Box::pin(tokio::time::sleep(interval)),
            interval,
            timeout: Duration::from_millis(settings.keepalive_timeout_ms),
        }
    }

    /// Ready when the other end is to be taken for dead. To be polled after the connection, so that what has arrived is
    /// counted even when this host itself was frozen.
    pub(super) fn poll_dead(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let reads = self.seen.reads();
            let wait = if reads != self.reads {
                self.reads = reads;
                self.asked = false;
                self.interval
            } else if !self.asked {
                self.asked = true;
                self.ask(cx);
                self.timeout
            } else {
                return Poll::Ready(());
            };
            self.timer.as_mut().reset(Instant::now() + wait);
        }
    }

    fn ask(&mut self, cx: &mut Context<'_>) {
        let Some(pings) = &mut self.pings else { return };
        // The answer to the last one, if it came: h2 takes one at a time.
        let _ = pings.poll_pong(cx);
        // Fails while one is under way, which then is the one that is waited for.
        let _ = pings.send_ping(Ping::opaque());
    }
}
