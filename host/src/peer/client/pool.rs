//! The connections to one peer: which takes the next call, when another is made, and when none is tried.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::Rng;
use tokio::sync::watch;
use tokio::time::Instant;

use super::error::unreachable;
use super::exchange::Place;
use super::link::{Link, connect};
use super::{Counters, Expected, LinkError, LinkEvent, PeerSnapshot, Shared};
use crate::call::CallError;
use crate::peer::Peer;

/// How an attempt to connect ended; nothing while it has not.
pub(super) type Outcome = Option<Result<(), Arc<LinkError>>>;

/// The connections to one peer.
pub(super) struct Links {
    peer: Peer,
    shared: Arc<Shared>,
    state: Mutex<State>,
    waiting: AtomicUsize,
}

#[derive(Default)]
struct State {
    open: Vec<Arc<Link>>,
    dialing: Option<watch::Receiver<Outcome>>,
    failures: u32,
    last_error: Option<Arc<LinkError>>,
    /// Before then, nobody tries again.
    pause_until: Option<Instant>,
    released: bool,
}

/// What there is for a call.
pub(super) enum Taken {
    Place(Place),
    Dialing(watch::Receiver<Outcome>),
    Refused(CallError),
}

impl Links {
    pub(super) fn new(shared: &Arc<Shared>, peer: Peer) -> Arc<Self> {
        Arc::new(Self { peer, shared: shared.clone(), state: Mutex::default(), waiting: AtomicUsize::new(0) })
    }

    pub(super) fn peer(&self) -> &Peer {
        &self.peer
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place on the connection with most room, or what is being done about there being none.
    pub(super) fn take(self: &Arc<Self>, now: Instant) -> Taken {
        let mut state = self.state();
        state.open.retain(|link| link.is_open() && !link.is_too_old(now));
        let generation = self.shared.dial.generation();
        let place = state.open.iter().min_by_key(|link| link.in_flight()).and_then(Place::take);
        let pausing = state.pause_until.is_some_and(|until| now < until) && !self.is_heard_again(&state);
        if let Some(place) = place {
            // Replaced before it has to be, while it still serves.
            if place.link().is_old(now, generation) && state.dialing.is_none() && !pausing && !state.released {
                self.dial(&mut state);
            }
            return Taken::Place(place);
        }
        if let Some(dialing) = &state.dialing {
            return Taken::Dialing(dialing.clone());
        }
        if state.released || self.shared.tasks.is_closed() {
            return Taken::Refused(CallError::unavailable("the host is shutting down, or the peer has left"));
        }
        if state.open.len() >= self.shared.settings.connections_per_peer_max as usize {
            Counters::count(&self.shared.counters.saturated);
            return Taken::Refused(CallError::unavailable("the links to the host that serves this are full"));
        }
        match &state.last_error {
            Some(error) if pausing => Taken::Refused(unreachable(error)),
            _ => Taken::Dialing(self.dial(&mut state)),
        }
    }

    /// Whether the pause is for silence, and somebody has heard of the peer meanwhile.
    fn is_heard_again(&self, state: &State) -> bool {
        matches!(state.last_error.as_deref(), Some(LinkError::Silent { .. }))
            && self.shared.is_heard.get().is_some_and(|is_heard| is_heard(&self.peer))
    }

    /// A place, once there is one.
    pub(super) async fn wait(self: &Arc<Self>) -> Result<Place, CallError> {
        let _waiting = Waiting::enter(self)?;
        // Others may take all places of a new connection first; its turn comes with one of the next, or never.
        for _ in 0..=self.shared.settings.connections_per_peer_max {
            match self.take(Instant::now()) {
                Taken::Place(place) => return Ok(place),
                Taken::Refused(error) => return Err(error),
                Taken::Dialing(mut outcome) => {
                    let outcome = outcome.wait_for(Option::is_some).await.map(|outcome| (*outcome).clone());
                    match outcome {
                        Ok(Some(Err(error))) => return Err(unreachable(&error)),
                        Ok(_) => {}
                        Err(_) => return Err(unreachable(&Arc::new(LinkError::Closed))),
                    }
                }
            }
        }
        Counters::count(&self.shared.counters.saturated);
        Err(CallError::unavailable("the links to the host that serves this are full"))
    }

    /// Connects on a task of its own: callers that give up must not take it away from those that go on.
    fn dial(self: &Arc<Self>, state: &mut State) -> watch::Receiver<Outcome> {
        let (done, outcome) = watch::channel(None);
        state.dialing = Some(outcome.clone());
        let links = self.clone();
        let dialing = async move {
            let expected = Expected { node: &links.peer.node, incarnation: links.peer.incarnation };
            let connected = connect(&links.shared, links.peer.address, Some(expected)).await;
            let outcome = links.dialed(connected.map(|(link, _)| link));
            done.send_replace(Some(outcome));
        };
        self.shared.tasks.spawn_on(dialing, &self.shared.runtime);
        outcome
    }

    fn dialed(self: &Arc<Self>, outcome: Result<Arc<Link>, LinkError>) -> Result<(), Arc<LinkError>> {
        match outcome {
            Ok(link) => {
                self.add(link);
                Ok(())
            }
            Err(error) => {
                let error = Arc::new(error);
                let pause = {
                    let mut state = self.state();
                    state.dialing = None;
                    state.failures = state.failures.saturating_add(1);
                    state.last_error = Some(error.clone());
                    let pause = self.pause(state.failures);
                    state.pause_until = Some(Instant::now() + pause);
                    pause
                };
                Counters::count(&self.shared.counters.connect_failed);
                tracing::debug!(node = %self.peer.node, %error, ?pause, "no link with a peer");
                (self.shared.observer)(&self.peer, LinkEvent::ConnectFailed(error.clone()));
                Err(error)
            }
        }
    }

    /// Takes a connection in, in place of those that are old.
    pub(super) fn add(self: &Arc<Self>, link: Arc<Link>) {
        link.belongs_to(self);
        {
            let mut state = self.state();
            state.dialing = None;
            state.failures = 0;
            state.last_error = None;
            state.pause_until = None;
            let (now, generation) = (Instant::now(), self.shared.dial.generation());
            state.open.retain(|link| !link.is_old(now, generation));
            let full = state.open.len() >= self.shared.settings.connections_per_peer_max as usize;
            if !state.released && !full && !link.has_ended() {
                state.open.push(link);
            }
        }
        Counters::count(&self.shared.counters.connected);
        (self.shared.observer)(&self.peer, LinkEvent::Connected);
    }

    /// Full jitter below a bound that doubles with each failure, and never nothing.
    fn pause(&self, failures: u32) -> Duration {
        let settings = &self.shared.settings;
        let doubled = settings.backoff_base_ms.saturating_mul(1 << failures.saturating_sub(1).min(20));
        let most = doubled.min(settings.backoff_max_ms).max(1);
        let mut random = self.shared.random.lock().unwrap_or_else(PoisonError::into_inner);
        Duration::from_millis(random.random_range(1..=most))
    }

    /// A connection has ended: how many calls were on it, unless it had been let go of before. When it was for silence, no
    /// other is tried for as long as silence takes to be noticed, or until the peer is heard from: whoever is sent again, or
    /// waits behind it, is told at once.
    pub(super) fn ended(&self, silent: bool) -> Option<usize> {
        let mut state = self.state();
        let mut in_flight = None;
        state.open.retain(|link| {
            if link.has_ended() {
                in_flight = Some(in_flight.unwrap_or_default() + link.in_flight());
            }
            !link.has_ended()
        });
        if silent && state.open.is_empty() && state.dialing.is_none() {
            state.failures = state.failures.max(1);
            state.last_error = Some(Arc::new(LinkError::Silent { address: self.peer.address }));
            state.pause_until =
                Some(Instant::now() + Duration::from_millis(self.shared.settings.keepalive_interval_ms));
        }
        in_flight
    }

    /// Takes no more calls. The connections close when theirs have ended.
    pub(super) fn release(&self) {
        let mut state = self.state();
        state.released = true;
        state.open.clear();
    }

    pub(super) fn is_unused(&self) -> bool {
        let state = self.state();
        state.open.is_empty() && state.dialing.is_none()
    }

    pub(super) fn snapshot(&self) -> PeerSnapshot {
        let state = self.state();
        PeerSnapshot {
            peer: self.peer.clone(),
            connections: state.open.len(),
            in_flight: state.open.iter().map(|link| link.in_flight()).sum(),
            failures: state.failures,
            last_error: state.last_error.as_ref().map(|error| with_cause(error)),
            refused: matches!(state.last_error.as_deref(), Some(LinkError::Refused { .. })),
        }
    }
}

fn with_cause(error: &LinkError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// One of the calls that wait for a connection, counted.
struct Waiting<'l>(&'l AtomicUsize);

impl<'l> Waiting<'l> {
    fn enter(links: &'l Links) -> Result<Self, CallError> {
        let most = links.shared.settings.waiting_max as usize;
        let room = |waiting: usize| (waiting < most).then_some(waiting + 1);
        links
            .waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room)
            .map(|_| Self(&links.waiting))
            .map_err(|_| CallError::unavailable("too many calls wait for a link to the host that serves this"))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
