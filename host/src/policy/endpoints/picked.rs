//! A call's place at an endpoint.

use std::sync::Arc;

use tokio::time::Instant;

use super::Key;
use super::endpoint::{End, Endpoint};
use crate::policy::balance::Locality;
use crate::policy::breaker::Ticket;
use crate::policy::outcome::Outcome;

/// The endpoint chosen for a call, and the call's place among those under way there.
///
/// Hold it until the body of the response has ended. What became of the call is said with [`Picked::record`]; dropped
/// without, the call counts as cancelled. So whoever enforces a deadline has to hold it outside of what the deadline
/// drops, or the endpoint's being late is lost.
#[derive(Debug)]
#[must_use = "the call's place is given back when this is dropped"]
pub struct Picked<K: Key> {
    endpoint: Arc<Endpoint<K>>,
    locality: Locality,
    ticket: Ticket,
    started: Instant,
    head: Option<Instant>,
    recorded: bool,
}

impl<K: Key> Picked<K> {
    pub(super) fn new(endpoint: Arc<Endpoint<K>>, locality: Locality, ticket: Ticket, started: Instant) -> Self {
        Self { endpoint, locality, ticket, started, head: None, recorded: false }
    }

    /// Which endpoint it is.
    pub fn key(&self) -> &K {
        self.endpoint.key()
    }

    /// Where it is.
    pub fn locality(&self) -> Locality {
        self.locality
    }

    /// Whether the call finds out for a breaker whether the endpoint is back.
    pub fn is_probe(&self) -> bool {
        self.ticket.is_probe()
    }

    /// The head of the response has come, is no failure, and a stream follows. The time it took counts as the latency,
    /// and it closes a breaker; whether the call succeeds is for [`Picked::record`] to say when the stream has ended.
    pub fn head(&mut self, now: Instant) {
        if self.head.is_none() && !self.recorded {
            self.head = Some(now);
            self.endpoint.head(now, self.started, self.ticket);
        }
    }

    /// What became of the call. The first time counts.
    pub fn record(&mut self, now: Instant, outcome: Outcome) {
        if std::mem::replace(&mut self.recorded, true) {
            return;
        }
        let Self { locality, ticket, started, head, .. } = *self;
        self.endpoint.end(&End { now, started, head, ticket, outcome, locality });
    }
}

impl<K: Key> Drop for Picked<K> {
    fn drop(&mut self) {
        if !self.recorded {
            self.record(Instant::now(), Outcome::Cancelled);
        }
        self.endpoint.calls.leave();
        self.endpoint.core.calls.leave();
    }
}
