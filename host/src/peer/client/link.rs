//! One connection to a peer.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Connection, SendRequest};
use rand::Rng;
use tokio::time::Instant;

use super::exchange::ask;
use super::pool::Links;
use super::{Expected, LinkError, LinkEvent, Shared, read_hello};
use crate::peer::io::Watched;
use crate::peer::keepalive::Keepalive;
use crate::peer::settings::STREAM_ERRORS_MAX;
use crate::peer::{Connected, Io, NodeName, Peer, Settings, control, wire};

/// A connection and its places.
pub(super) struct Link {
    node: NodeName,
    sender: SendRequest<Bytes>,
    in_flight: AtomicUsize,
    places: usize,
    status: Arc<Status>,
    generation: u64,
    /// When a new connection should take its place, and when it must.
    old_at: Instant,
    too_old_at: Instant,
}

/// What a link shares with the task that moves its bytes.
#[derive(Default)]
struct Status {
    ended: AtomicBool,
    owner: OnceLock<Weak<Links>>,
}

impl Link {
    pub(super) fn node(&self) -> &NodeName {
        &self.node
    }

    /// Takes a place; the caller gives it back with [`Link::leave`].
    pub(super) fn enter(&self) -> bool {
        let room = |taken: usize| (taken < self.places).then_some(taken + 1);
        self.in_flight.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_ok()
    }

    pub(super) fn leave(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(super) fn sender(&self) -> SendRequest<Bytes> {
        self.sender.clone()
    }

    /// Whether calls can be sent: the connection stands, and the peer has not said that it takes no more.
    pub(super) fn is_open(&self) -> bool {
        let ready = || self.sender().poll_ready(&mut Context::from_waker(Waker::noop()));
        !self.has_ended() && !matches!(ready(), Poll::Ready(Err(_)))
    }

    pub(super) fn has_ended(&self) -> bool {
        self.status.ended.load(Ordering::Acquire)
    }

    pub(super) fn is_old(&self, now: Instant, generation: u64) -> bool {
        now >= self.old_at || self.generation != generation
    }

    pub(super) fn is_too_old(&self, now: Instant) -> bool {
        now >= self.too_old_at
    }

    pub(super) fn belongs_to(&self, links: &Arc<Links>) {
        let _ = self.status.owner.set(Arc::downgrade(links));
    }
}

/// Makes a connection: dials, agrees on HTTP/2, and asks who is there. The time is limited as a whole.
pub(super) async fn connect(
    shared: &Arc<Shared>,
    address: SocketAddr,
    expected: Option<Expected<'_>>,
) -> Result<(Arc<Link>, Peer), LinkError> {
    let timeout = shared.settings.connect_timeout();
    let waited_ms = shared.settings.connect_timeout_ms;
    let connecting = tokio::time::timeout(timeout, agree(shared, address, expected));
    tokio::select! {
        connected = connecting => connected.map_err(|_| LinkError::Slow { address, waited_ms })?,
        () = shared.stop.cancelled() => Err(LinkError::Closed),
    }
}

async fn agree(
    shared: &Arc<Shared>,
    address: SocketAddr,
    expected: Option<Expected<'_>>,
) -> Result<(Arc<Link>, Peer), LinkError> {
    let generation = shared.dial.generation();
    let node = expected.as_ref().map(|expected| expected.node);
    let Connected { io, peer: identity } = shared.dial.dial(address, node).await?;
    let (io, seen) = Watched::new(io);
    // In TLS 1.3 a server judges our certificate after we have taken its, so its verdict comes with the first answer.
    let failed = |source| match seen.refusal() {
        Some(reason) => LinkError::Refused { address, reason: reason.to_owned() },
        None => LinkError::Protocol { address, source },
    };
    let agreed = builder(&shared.settings).handshake(io).await;
    let (mut sender, mut connection) = agreed.map_err(|error| failed(Some(error)))?;
    let keepalive = Keepalive::new(connection.ping_pong(), seen.clone(), &shared.settings);
    let status = Arc::new(Status::default());
    let driving = drive(shared.clone(), connection, keepalive, status.clone());
    shared.tasks.spawn_on(driving, &shared.runtime);
    let hello = wire::control_request(control::HELLO, shared.settings.connect_timeout()).map_err(|_| failed(None))?;
    let (hello, answer) = ask(&mut sender, hello).await.map_err(|error| failed(Some(error)))?;
    if !hello.is_success() {
        return Err(failed(None));
    }
    let incarnation = read_hello(&answer).ok_or_else(|| failed(None))?;
    if expected.is_some_and(|expected| expected.incarnation != incarnation) {
        return Err(LinkError::AnotherStart { address });
    }
    let age = Duration::from_millis(shared.settings.connection_age_ms);
    let less = shared.random.lock().unwrap_or_else(PoisonError::into_inner).random_range(0.0..0.1);
    let now = Instant::now();
    let link = Arc::new(Link {
        node: identity.node.clone(),
        // By now the peer has said how many streams it takes.
        places: sender.current_max_send_streams().min(shared.settings.streams_max as usize),
        sender,
        in_flight: AtomicUsize::new(0),
        status,
        generation,
        old_at: now + age.mul_f64(1.0 - less),
        too_old_at: now + age.mul_f64(1.1),
    });
    Ok((link, Peer { incarnation, node: identity.node, address }))
}

fn builder(settings: &Settings) -> h2::client::Builder {
    let mut builder = h2::client::Builder::new();
    builder
        .initial_window_size(settings.window_bytes)
        .initial_connection_window_size(settings.connection_window())
        .max_header_list_size(settings.header_list_max())
        .initial_max_send_streams(settings.streams_max as usize)
        // Late frames of calls that were given up are to be ignored, however many.
        .max_concurrent_reset_streams(settings.reset_streams_max())
        .max_local_error_reset_streams(Some(STREAM_ERRORS_MAX))
        .enable_push(false);
    builder
}

/// How a connection ended that neither end had closed.
enum Ended {
    Broken(String),
    Silent,
}

/// Moves a connection's bytes until it ends.
async fn drive(
    shared: Arc<Shared>,
    mut connection: Connection<Watched<Box<dyn Io>>, Bytes>,
    mut keepalive: Keepalive,
    status: Arc<Status>,
) {
    let ended = {
        let mut stopped = std::pin::pin!(shared.stop.cancelled());
        std::future::poll_fn(|cx| {
            if let Poll::Ready(outcome) = std::pin::Pin::new(&mut connection).poll(cx) {
                return Poll::Ready(outcome.map_err(|error| Ended::Broken(error.to_string())));
            }
            if keepalive.poll_dead(cx).is_ready() {
                return Poll::Ready(Err(Ended::Silent));
            }
            stopped.as_mut().poll(cx).map(Ok)
        })
        .await
    };
    status.ended.store(true, Ordering::Release);
    let links = status.owner.get().and_then(Weak::upgrade);
    // An end that this host did not bring about is news, even if it was in good order.
    let silent = matches!(ended, Err(Ended::Silent));
    if let Some((links, in_flight)) = links.and_then(|links| Some((links.clone(), links.ended(silent)?))) {
        let reason = match ended {
            Ok(()) => "the other end closed it".to_owned(),
            Err(Ended::Broken(reason)) => reason,
            Err(Ended::Silent) => "the other end fell silent".to_owned(),
        };
        super::Counters::count(&shared.counters.lost);
        (shared.observer)(links.peer(), LinkEvent::Lost { in_flight, reason, silent });
    }
    // Whoever waits for an answer learns of it now, after the catalogue has.
    drop(connection);
}
