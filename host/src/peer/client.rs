//! Calls to peers, over few long-lived connections to each.
//!
//! A call is sent before its future is made when there is a connection with room, so that no future carries a request.
//! Otherwise it waits for one, which is bounded in number and by the time-out of connecting; while a peer is known to be
//! out of reach, calls to it fail at once.

mod error;
mod exchange;
mod link;
mod pool;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::wire::{self, Sent};
use super::{Dial, Incarnation, NodeName, Peer, Settings};
use crate::call::{CallContext, CallError, ErrorKind, Request, Response, ServiceName, Side};
pub use error::LinkError;
use exchange::Exchange;
use pool::{Links, Taken};

/// What a link went through; the catalogue wants to know at once.
#[derive(Clone, Debug)]
pub enum LinkEvent {
    /// A connection was made and the peer is who it should be.
    Connected,
    /// No connection could be made.
    ConnectFailed(Arc<LinkError>),
    /// A connection broke or fell silent, with this many calls in flight.
    Lost {
        /// Calls that were in flight.
        in_flight: usize,
        /// What happened.
        reason: String,
        /// Whether nothing broke, and nothing came either.
        silent: bool,
    },
}

/// Told of each event, on the task where it happens; must not block.
pub type Observer = Arc<dyn Fn(&Peer, LinkEvent) + Send + Sync>;

/// Says whether a peer has been heard from since it was last out of reach. Asked for calls; must not block.
pub type IsHeard = Box<dyn Fn(&Peer) -> bool + Send + Sync>;

/// Sends calls and control requests to peers. Clones share everything.
#[derive(Clone)]
pub struct Client(Arc<Shared>);

/// What all peers of a client share.
struct Shared {
    dial: Arc<dyn Dial>,
    settings: Settings,
    observer: Observer,
    is_heard: OnceLock<IsHeard>,
    random: Mutex<SmallRng>,
    peers: RwLock<HashMap<Key, Arc<Links>>>,
    counters: Counters,
    stop: CancellationToken,
    tasks: TaskTracker,
    runtime: Handle,
}

type Key = (Incarnation, SocketAddr);

#[derive(Default)]
struct Counters {
    calls: AtomicU64,
    connected: AtomicU64,
    connect_failed: AtomicU64,
    lost: AtomicU64,
    saturated: AtomicU64,
    unprocessed: AtomicU64,
}

impl Counters {
    fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// What a client has done and has, for the operator.
#[derive(Clone, Debug, Default)]
pub struct ClientSnapshot {
    /// Calls that were sent or tried to be.
    pub calls: u64,
    /// Connections made.
    pub connected: u64,
    /// Connections that could not be made.
    pub connect_failed: u64,
    /// Connections that broke or fell silent.
    pub lost: u64,
    /// Calls refused because all connections were full.
    pub saturated: u64,
    /// Calls that a peer refused or left unprocessed.
    pub unprocessed: u64,
    /// The peers there are links to, or were tried.
    pub peers: Vec<PeerSnapshot>,
}

/// The links to one peer.
#[derive(Clone, Debug)]
pub struct PeerSnapshot {
    /// Which one.
    pub peer: Peer,
    /// Connections open for calls.
    pub connections: usize,
    /// Calls in flight.
    pub in_flight: usize,
    /// Attempts to connect that failed since the last that did not.
    pub failures: u32,
    /// What the last of them failed with, for people.
    pub last_error: Option<String>,
    /// Whether it was that one of the two does not take the other for a node of its cluster, which no waiting mends.
    pub refused: bool,
}

impl Client {
    /// A client that connects by `dial`. `seed` decides its jitter. Its connections are moved by tasks on `runtime`, whoever
    /// calls: the runtime that serves calls, where an answer finds its caller without waking another thread.
    pub fn new(dial: Arc<dyn Dial>, settings: Settings, observer: Observer, seed: u64, runtime: Handle) -> Self {
        Self(Arc::new(Shared {
            dial,
            settings,
            observer,
            is_heard: OnceLock::new(),
            random: Mutex::new(SmallRng::seed_from_u64(seed)),
            peers: RwLock::default(),
            counters: Counters::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            runtime,
        }))
    }

    /// Whom to ask whether a peer that fell silent has been heard from, other than over links: it is then connected to at once.
    /// Can be said once.
    pub fn ask_who_is_heard(&self, is_heard: IsHeard) {
        let _ = self.0.is_heard.set(is_heard);
    }

    /// Calls the service `target` on `peer`. Dropping the future or the response's body resets the stream.
    ///
    /// # Errors
    ///
    /// What the peer's host failed with, as it was there; or what the link failed with: retryable when the call cannot have
    /// reached anybody, and [`ErrorKind::Unavailable`] without that when nobody knows.
    pub fn call(
        &self,
        peer: &Peer,
        target: &ServiceName,
        request: Request,
        context: &CallContext,
    ) -> impl Future<Output = Result<Response, CallError>> + Send + use<> {
        Counters::count(&self.0.counters.calls);
        let begun = self.begin_call(peer, target, request, context);
        async move {
            match begun? {
                Begun::Sent(exchange) => exchange.response().await,
                Begun::Waiting(waiting) => waiting.send().await?.response().await,
            }
        }
    }

    fn begin_call(
        &self,
        peer: &Peer,
        target: &ServiceName,
        request: Request,
        context: &CallContext,
    ) -> Result<Begun, CallError> {
        if context.deadline.has_passed() {
            return Err(CallError::timeout("the deadline had passed before the call was sent to another host"));
        }
        let (head, body) = wire::request(target, request, context, self.0.settings.headers_bytes_max)?;
        self.begin(peer, head, body)
    }

    fn begin(&self, peer: &Peer, head: http::Request<()>, body: Sent) -> Result<Begun, CallError> {
        let links = self.links(peer)?;
        match links.take(Instant::now()) {
            Taken::Place(place) => Ok(Begun::Sent(place.send(&self.0, head, body)?)),
            Taken::Dialing(_) => Ok(Begun::Waiting(Box::new(Waiting { links, head, body }))),
            Taken::Refused(error) => Err(error),
        }
    }

    /// Asks `peer` something besides calls, see [`Control`](super::Control). Waits for at most `timeout`.
    ///
    /// # Errors
    ///
    /// What the other host's [`Control`](super::Control) answered, or as [`Client::call`].
    pub async fn control(
        &self,
        peer: &Peer,
        kind: &str,
        request: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, CallError> {
        let bytes_max = self.0.settings.control_bytes_max as usize;
        if request.len() > bytes_max {
            let message = format!("a control request has at most {bytes_max} bytes");
            return Err(CallError::new(ErrorKind::BodyTooLarge, Side::Caller, message));
        }
        let head = wire::control_request(kind, timeout)?;
        let begun = self.begin(peer, head, Sent::Full(request, None))?;
        let answer = async move {
            let exchange = match begun {
                Begun::Sent(exchange) => exchange,
                Begun::Waiting(waiting) => waiting.send().await?,
            };
            collect(exchange.response().await?, bytes_max).await
        };
        tokio::time::timeout(timeout, answer)
            .await
            .map_err(|_| CallError::timeout("the peer did not answer in time"))?
    }

    /// Finds out who listens at `address`: any member of this cluster. The connection is kept for what follows.
    ///
    /// # Errors
    ///
    /// [`LinkError`] when nobody is there, or somebody from elsewhere.
    pub async fn discover(&self, address: SocketAddr) -> Result<Peer, Arc<LinkError>> {
        let shared = self.0.clone();
        let connecting = async move { link::connect(&shared, address, None).await };
        let connected = self.0.tasks.spawn_on(connecting, &self.0.runtime).await;
        let (link, peer) = connected.unwrap_or(Err(LinkError::Closed)).map_err(Arc::new)?;
        if let Ok(links) = self.links(&peer) {
            links.add(link);
        }
        Ok(peer)
    }

    /// Makes sure that there is a link to `peer`, for whoever calls it later, or to find out that none can be made.
    ///
    /// # Errors
    ///
    /// As [`Client::call`] when there is none.
    pub async fn reach(&self, peer: &Peer) -> Result<(), CallError> {
        self.links(peer)?.wait().await.map(drop)
    }

    /// Lets go of the links to a peer that is gone. Calls in flight go on.
    pub fn forget(&self, peer: &Peer) {
        let mut peers = self.0.peers.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(links) = peers.remove(&(peer.incarnation, peer.address)) {
            links.release();
        }
    }

    /// Takes no more calls, and waits for those in flight, at most for `drain_ms`.
    pub async fn close(&self) {
        self.0.tasks.close();
        let peers: Vec<_> = self.0.peers.write().unwrap_or_else(PoisonError::into_inner).drain().collect();
        for (_, links) in peers {
            links.release();
        }
        let _ = tokio::time::timeout(self.0.settings.drain(), self.0.tasks.wait()).await;
        self.0.stop.cancel();
    }

    /// What it has done and has.
    pub fn snapshot(&self) -> ClientSnapshot {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.0.counters;
        let mut peers: Vec<_> = {
            let peers = self.0.peers.read().unwrap_or_else(PoisonError::into_inner);
            peers.values().map(|links| links.snapshot()).collect()
        };
        peers.sort_by(|a, b| (&a.peer.node, a.peer.incarnation).cmp(&(&b.peer.node, b.peer.incarnation)));
        ClientSnapshot {
            calls: read(&counters.calls),
            connected: read(&counters.connected),
            connect_failed: read(&counters.connect_failed),
            lost: read(&counters.lost),
            saturated: read(&counters.saturated),
            unprocessed: read(&counters.unprocessed),
            peers,
        }
    }

    fn links(&self, peer: &Peer) -> Result<Arc<Links>, CallError> {
        let key = (peer.incarnation, peer.address);
        if let Some(links) = self.0.peers.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(links.clone());
        }
        if self.0.tasks.is_closed() {
            return Err(CallError::unavailable("the host is shutting down"));
        }
        let mut peers = self.0.peers.write().unwrap_or_else(PoisonError::into_inner);
        if peers.len() >= self.0.settings.peers_max as usize {
            peers.retain(|_, links| !links.is_unused());
            if peers.len() >= self.0.settings.peers_max as usize {
                return Err(CallError::unavailable("the host has links to as many others as it may have"));
            }
        }
        Ok(peers.entry(key).or_insert_with(|| Links::new(&self.0, peer.clone())).clone())
    }
}

/// A call on its way.
enum Begun {
    Sent(Exchange),
    Waiting(Box<Waiting>),
}

/// A call that waits for a connection.
struct Waiting {
    links: Arc<Links>,
    head: http::Request<()>,
    body: Sent,
}

impl Waiting {
    async fn send(self) -> Result<Exchange, CallError> {
        let place = self.links.wait().await?;
        place.send(self.links.shared(), self.head, self.body)
    }
}

async fn collect(response: Response, bytes_max: usize) -> Result<Bytes, CallError> {
    let too_large = || {
        let message = format!("a control answer has more than {bytes_max} bytes");
        CallError::new(ErrorKind::BadResponse, Side::Callee, message)
    };
    let mut body = match response.into_body().try_into_full() {
        Ok((data, _)) if data.len() > bytes_max => return Err(too_large()),
        Ok((data, _)) => return Ok(data),
        Err(stream) => stream,
    };
    let mut read = bytes::BytesMut::new();
    while let Some(frame) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        if let Ok(data) = frame?.into_data() {
            if read.len() + data.len() > bytes_max {
                return Err(too_large());
            }
            read.extend_from_slice(&data);
        }
    }
    Ok(read.freeze())
}

/// Who a connection leads to, when that is known before.
struct Expected<'p> {
    node: &'p NodeName,
    incarnation: Incarnation,
}

/// The bytes of the answer to [`HELLO`](super::control::HELLO): the version of what links speak, then the incarnation.
fn read_hello(answer: &[u8]) -> Option<Incarnation> {
    let (version, incarnation) = answer.split_first()?;
    (*version == super::server::LINK_VERSION).then_some(())?;
    incarnation.try_into().ok().map(Incarnation)
}
