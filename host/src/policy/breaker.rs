//! The circuit breaker: an endpoint that keeps failing is left alone for a while, then tried with one call.
//!
//! What opens it is silence: no connection, no answer in time, an answer that nobody can take the call. Traps and statuses
//! such as 500 do so only when they are configured to: they come from single requests as well as from a sick endpoint, cost
//! little, and with a breaker that counts them whoever finds a request that traps could close a service to everybody else
//! by sending it five times. Where there is another endpoint, outlier ejection counts them.
//!
//! A plain state machine; whoever owns it passes the time in. Each change of state begins a new generation, and the
//! result of a call that was let in under an older one is ignored: what was sent before the breaker opened says
//! nothing about the endpoint after it.
//!
//! Source: M. Nygard, Release It!, "Circuit Breaker".

mod window;

use std::time::Duration;

use tokio::time::Instant;

use crate::policy::outcome::{Failure, Outcome};
use crate::policy::settings::BreakerSettings;
use window::Window;

/// The breaker of one endpoint of one service.
#[derive(Debug)]
pub struct Breaker {
    state: State,
    generation: u32,
    /// Failures in a row, in this generation.
    failures: u32,
    /// Only there when a rate of errors is configured, because most endpoints have none.
    window: Option<Box<Window>>,
    opens: u64,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed,
    Open {
        until: Instant,
    },
    /// One call is under way to find out; at `lost_at` it is given up.
    HalfOpen {
        lost_at: Instant,
    },
}

/// What a call that was let in shows when it reports back.
#[derive(Clone, Copy, Debug)]
pub struct Ticket {
    generation: u32,
    probe: bool,
}

impl Ticket {
    /// Whether this is the one call that finds out whether the endpoint is back.
    pub fn is_probe(self) -> bool {
        self.probe
    }
}

/// What an attempt means to breaker and outlier detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The endpoint works.
    Works,
    /// The endpoint fails.
    Fails,
    /// The endpoint answered, and what it answered is that it failed: a trap, a 500.
    Errs,
    /// Nothing is known.
    Unknown,
}

impl Verdict {
    /// The verdict over an attempt that was given `given`. Running out of a time that is shorter than the endpoint can
    /// be expected to need is the caller's doing: impatient callers must not take an endpoint from all others.
    pub fn of(outcome: Outcome, given: Duration, settings: &BreakerSettings) -> Self {
        match outcome {
            Outcome::Success | Outcome::Throttled => Self::Works,
            Outcome::Failure(Failure::Deadline) if given < settings.deadline_min() => Self::Unknown,
            Outcome::Failure(Failure::Internal | Failure::Trap) => Self::Errs,
            Outcome::Failure(_) => Self::Fails,
            Outcome::Rejected | Outcome::CallerFault | Outcome::Cancelled => Self::Unknown,
        }
    }
}

/// What a breaker shows to an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Calls go through.
    Closed,
    /// Calls fail at once until then.
    Open {
        /// When one call may try.
        until: Instant,
    },
    /// One call is trying.
    HalfOpen,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { state: State::Closed, generation: 0, failures: 0, window: None, opens: 0 }
    }
}

impl Breaker {
    /// A closed one that goes on counting.
    #[must_use]
    pub fn successor(&self) -> Self {
        Self { opens: self.opens, ..Self::default() }
    }

    /// Lets a call in. When the breaker has been open for its time, that call is the probe, and no other is let in
    /// until it has reported back or is taken for lost.
    ///
    /// # Errors
    ///
    /// The instant before which it makes no sense to ask again.
    pub fn admit(&mut self, now: Instant, settings: &BreakerSettings) -> Result<Ticket, Instant> {
        if !settings.enabled {
            return Ok(Ticket { generation: self.generation, probe: false });
        }
        match self.blocked_until() {
            None => Ok(Ticket { generation: self.generation, probe: false }),
            Some(until) if now < until => Err(until),
            Some(_) => {
                self.enter(State::HalfOpen { lost_at: now + settings.probe_lost() });
                Ok(Ticket { generation: self.generation, probe: true })
            }
        }
    }

    /// Takes the result of a call that was let in with `ticket`.
    pub fn record(&mut self, now: Instant, ticket: Ticket, verdict: Verdict, settings: &BreakerSettings) {
        if ticket.generation != self.generation || !settings.enabled {
            return;
        }
        match (self.state, verdict) {
            (State::Closed, Verdict::Errs) if !settings.errors => {
                if self.rate(now, true, settings) {
                    self.open(now, settings);
                }
            }
            // It answers again.
            (State::HalfOpen { .. }, Verdict::Errs) if !settings.errors => self.enter(State::Closed),
            (State::Closed, Verdict::Unknown) | (State::Open { .. }, _) => {}
            (State::Closed, Verdict::Works) => {
                self.failures = 0;
                self.rate(now, false, settings);
            }
            (State::Closed, Verdict::Fails | Verdict::Errs) => {
                self.failures = self.failures.saturating_add(1);
                if self.rate(now, true, settings) || self.failures >= settings.failures {
                    self.open(now, settings);
                }
            }
            (State::HalfOpen { .. }, Verdict::Works) => self.enter(State::Closed),
            (State::HalfOpen { .. }, Verdict::Fails | Verdict::Errs) => self.open(now, settings),
            // The probe found nothing out: the next call is one.
            (State::HalfOpen { .. }, Verdict::Unknown) => self.enter(State::Open { until: now }),
        }
    }

    /// A sign of life before the call's end: the head of a response that streams. It closes the breaker if it comes
    /// from the probe, and does not end a row of failures, for the stream may still be one.
    pub fn alive(&mut self, ticket: Ticket) {
        if ticket.probe && ticket.generation == self.generation && matches!(self.state, State::HalfOpen { .. }) {
            self.enter(State::Closed);
        }
    }

    /// Until when no call is let in; `None` when the breaker is closed.
    pub fn blocked_until(&self) -> Option<Instant> {
        match self.state {
            State::Closed => None,
            State::Open { until } => Some(until),
            State::HalfOpen { lost_at } => Some(lost_at),
        }
    }

    /// What an operator wants to see.
    pub fn state(&self) -> BreakerState {
        match self.state {
            State::Closed => BreakerState::Closed,
            State::Open { until } => BreakerState::Open { until },
            State::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// How often it has opened.
    pub fn opens(&self) -> u64 {
        self.opens
    }

    fn open(&mut self, now: Instant, settings: &BreakerSettings) {
        self.opens += 1;
        self.enter(State::Open { until: now + settings.open() });
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.generation = self.generation.wrapping_add(1);
        self.failures = 0;
        self.window = None;
    }

    /// Counts a result in the window; whether too many of those in it are failures.
    fn rate(&mut self, now: Instant, failed: bool, settings: &BreakerSettings) -> bool {
        if settings.error_percent == 0 {
            return false;
        }
        let window = self.window.get_or_insert_with(|| Box::new(Window::new(now, settings.window())));
        window.add(now, failed);
        let (calls, failures) = window.sums();
        calls >= settings.window_calls_min && failures * 100 >= calls * u64::from(settings.error_percent)
    }
}

#[cfg(test)]
mod tests;
