//! What a connection is doing, and when it has been doing it for too long.
//!
//! A client that sends a request head byte by byte, or nothing at all, holds a connection for free. The transport tells
//! here when bytes arrive, the handler when a request begins and ends, and the connection's task closes it when a head
//! is incomplete, or nothing is in flight, for too long. That works alike for both versions of HTTP, and before it is
//! known which one it is.
//!
//! A client may also be gone without a word. HTTP/2 can find out in time: it is asked, and anything that arrives is an
//! answer, because the one to the question may be far behind in a queue of data. With either version, a client that takes
//! nothing of what it is sent for as long is no better.
//!
//! And a connection may be old: it is kept by a client that would never look for another host otherwise. Over HTTP/2 the
//! client is told, and what is in flight has a grace to end. Over HTTP/1.1 only a response can say it. So an idle
//! connection waits for the next request, or for idleness to end it: closing it would meet a request on its way.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Settings;
use super::counters::Reason;

/// A client may give up so many requests before they are answered, as soon as they have begun, and as long as these are
/// fewer than half of all. What they cost is work; the host does it for those who wait for it.
const GIVEN_UP_MAX: u64 = 1_000;
const GIVEN_UP_WITHIN: Duration = Duration::from_millis(100);

#[derive(Clone)]
pub(super) struct Activity(Arc<Mutex<State>>);

struct State {
    in_flight: usize,
    begun: u64,
    given_up: u64,
    last_begun: Instant,
    /// When the connection last fell idle.
    idle_since: Instant,
    /// When the first byte came of something that is not a request yet.
    head_since: Option<Instant>,
    is_http2: bool,
    /// When anything was last heard of the client.
    heard: Instant,
    /// Since when there are bytes for the client that it does not take.
    stuck_since: Option<Instant>,
    opened: Instant,
    leaving: Option<Leaving>,
    is_flooded: bool,
}

/// The connection is to end.
#[derive(Clone, Copy)]
struct Leaving {
    since: Instant,
    /// The client does not know yet: the next response will tell it.
    is_secret: bool,
}

/// What a connection may do for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) head: Duration,
    pub(super) idle: Duration,
    pub(super) silent: Duration,
    pub(super) age: Option<Duration>,
    pub(super) grace: Duration,
}

impl Limits {
    /// `jitter` from 0 to 1: connections that were opened at once should not be closed at once.
    pub(super) fn new(settings: &Settings, jitter: f64) -> Self {
        let spread = |age: Duration| age.mul_f64(0.9 + 0.2 * jitter.clamp(0.0, 1.0));
        Self {
            head: settings.header_timeout(),
            idle: settings.idle_timeout(),
            silent: settings.keepalive_interval() + settings.keepalive_timeout(),
            age: settings.connection_age_max().map(spread),
            grace: settings.connection_age_grace(),
        }
    }
}

impl Activity {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        let state = State {
            in_flight: 0,
            begun: 0,
            given_up: 0,
            last_begun: now,
            idle_since: now,
            head_since: None,
            is_http2: false,
            heard: now,
            stuck_since: None,
            opened: now,
            leaving: None,
            is_flooded: false,
        };
        Self(Arc::new(Mutex::new(state)))
    }

    /// A request's head is complete.
    pub(super) fn begin(&self) -> InFlight {
        self.with(|state| {
            state.in_flight += 1;
            state.begun += 1;
            state.last_begun = Instant::now();
            state.head_since = None;
        });
        InFlight(self.clone())
    }

    /// To be dropped when a request is not answered any more, or said to be answered before.
    pub(super) fn unanswered(&self) -> Unanswered {
        Unanswered { activity: self.clone(), begun: Instant::now(), is_answered: false }
    }

    /// Bytes have come. `awaits_more` if they may be the beginning of a request and not all of it. False when the client
    /// gives up nearly all that it asks for.
    pub(super) fn received(&self, now: Instant, is_http2: bool, awaits_more: bool) -> bool {
        self.with(|state| {
            state.heard = now;
            state.is_http2 = is_http2;
            if !awaits_more {
                state.head_since = None;
            } else if state.in_flight == 0 {
                state.head_since.get_or_insert(now);
            }
            state.given_up <= GIVEN_UP_MAX || state.given_up * 2 <= state.begun
        })
    }

    /// Whether the client takes what it is sent; to be told when that changes.
    pub(super) fn stuck(&self, is_stuck: bool) {
        self.with(|state| state.stuck_since = is_stuck.then(Instant::now));
    }

    /// Notes that the connection ends because of what the client sends.
    pub(super) fn flood(&self) {
        self.with(|state| state.is_flooded = true);
    }

    pub(super) fn is_flooded(&self) -> bool {
        self.with(|state| state.is_flooded)
    }

    /// Notes that the connection is to end. True if the client can be told at once.
    pub(super) fn leave(&self, reason: Reason) -> bool {
        self.with(|state| {
            let is_secret = reason == Reason::Age && !state.is_http2;
            state.leaving = Some(Leaving { since: Instant::now(), is_secret });
            !is_secret
        })
    }

    /// Whether responses of HTTP/1.1 have to say that the connection ends.
    pub(super) fn is_leaving(&self) -> bool {
        self.with(|state| state.leaving.is_some())
    }

    /// Waits until the connection should be closed, or the client told that it will be.
    pub(super) async fn overdue(&self, limits: &Limits) -> Reason {
        loop {
            let now = Instant::now();
            let (reason, due) = self.with(|state| state.next(limits, now));
            if let Some(reason) = reason
                && due <= now
            {
                return reason;
            }
            // A head may begin, or idleness, or HTTP/2, while this waits for something else; these must not get more time
            // for that.
            let again = limits.head.min(limits.idle).min(limits.silent);
            tokio::time::sleep_until(due.min(now + again)).await;
        }
    }

    fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    /// What comes next if nothing happens before.
    fn next(&self, limits: &Limits, now: Instant) -> (Option<Reason>, Instant) {
        let told = self.leaving.is_some_and(|leaving| !leaving.is_secret);
        let quiet = match (self.in_flight, self.head_since) {
            (1.., _) => None,
            (0, Some(since)) => Some((Reason::Head, since + limits.head)),
            (0, None) if told => None,
            (0, None) => Some((Reason::Idle, self.idle_since + limits.idle)),
        };
        let dead = self.is_http2.then(|| (Reason::Dead, self.heard + limits.silent));
        let stuck = self.stuck_since.map(|since| (Reason::Dead, since + limits.silent));
        let age = match self.leaving {
            None => limits.age.map(|age| (Reason::Age, self.opened + age)),
            Some(Leaving { since, is_secret: false }) => Some((Reason::Grace, since + limits.grace)),
            // The one that may be in flight, or is the next, is the last.
            Some(Leaving { since, is_secret: true }) => {
                (self.in_flight > 0).then(|| (Reason::Grace, since.max(self.last_begun) + limits.grace))
            }
        };
        let first = [quiet, dead, stuck, age].into_iter().flatten().min_by_key(|(_, due)| *due);
        first.map_or((None, now + limits.idle), |(reason, due)| (Some(reason), due))
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

/// A request without an answer.
pub(super) struct Unanswered {
    activity: Activity,
    begun: Instant,
    is_answered: bool,
}

impl Unanswered {
    pub(super) fn answered(mut self) {
        self.is_answered = true;
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        if !self.is_answered && self.begun.elapsed() < GIVEN_UP_WITHIN {
            self.activity.with(|state| state.given_up += 1);
        }
    }
}

#[cfg(test)]
mod tests;
