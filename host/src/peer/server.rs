//! Taking links from peers.
//!
//! Accepting is all that the accept loop does: handshakes have tasks of their own, a time-out, and a bound on how many are
//! in progress. When there are more, the oldest is given up: an honest one takes milliseconds, so those who connect and say
//! nothing, however many, push out each other.

mod connection;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::tls::Refusal;
use super::{Connected, Control, Credentials, Incarnation, Incoming, Settings};
use crate::observe::seldom::Seldom;

/// The version of what links speak beyond HTTP/2; another one is another protocol.
pub(super) const LINK_VERSION: u8 = 1;

/// How long accepting pauses when the process has no file descriptors left.
const PAUSE: Duration = Duration::from_millis(100);

/// What answers peers: calls to local services, and control.
#[derive(Clone)]
pub struct Server(Arc<Service>);

pub(super) struct Service {
    incarnation: Incarnation,
    incoming: Arc<dyn Incoming>,
    control: Arc<dyn Control>,
    settings: Settings,
    control_places: Semaphore,
    counters: Counters,
    last_refusal: Mutex<Option<String>>,
    told: Seldom,
}

#[derive(Default)]
struct Counters {
    accepted: AtomicU64,
    refused: AtomicU64,
    connections: AtomicU64,
    calls: AtomicU64,
    panics: AtomicU64,
}

/// What a server has done and has, for the operator.
#[derive(Clone, Debug, Default)]
pub struct ServerSnapshot {
    /// Connections accepted.
    pub accepted: u64,
    /// Connections that did not become links: no handshake in time, no certificate, the wrong one.
    pub refused: u64,
    /// Links open now.
    pub connections: u64,
    /// Calls and control requests taken.
    pub calls: u64,
    /// Handlers that panicked; their calls were reset.
    pub panics: u64,
    /// Why the last connection was refused, for people.
    pub last_refusal: Option<String>,
}

impl Server {
    /// A server that gives calls to `incoming`, and control requests to `control`. `incarnation` is this process's own.
    pub fn new(
        incarnation: Incarnation,
        incoming: Arc<dyn Incoming>,
        control: Arc<dyn Control>,
        settings: Settings,
    ) -> Self {
        Self(Arc::new(Service {
            incarnation,
            incoming,
            control,
            control_places: Semaphore::new(settings.control_in_flight_max as usize),
            settings,
            counters: Counters::default(),
            last_refusal: Mutex::default(),
            told: Seldom::default(),
        }))
    }

    /// Serves links until `stop`; then tells peers to send no more, lets what is in flight end for `drain_ms`, and
    /// returns when the last connection is closed.
    pub async fn run(&self, listener: TcpListener, credentials: Arc<Credentials>, stop: CancellationToken) {
        let settings = &self.0.settings;
        let connections = Arc::new(Semaphore::new(settings.connections_max as usize));
        let mut handshakes = Handshakes::new(settings.handshakes_max as usize);
        let tasks = TaskTracker::new();
        loop {
            let connection = tokio::select! {
                () = stop.cancelled() => break,
                place = connections.clone().acquire_owned() => place,
            };
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = accept(&listener, &self.0.told) => accepted,
            };
            let Some((stream, address)) = accepted else { continue };
            self.0.counters.accepted.fetch_add(1, Ordering::Relaxed);
            let (server, credentials, stop) = (self.clone(), credentials.clone(), stop.clone());
            let handshake = handshakes.begin(&stop);
            tasks.spawn(async move {
                let agreed = server.agree(stream, &credentials, &handshake).await;
                // Over, and out of the way of others.
                handshake.cancel();
                match agreed {
                    Ok(connected) => server.serve(connected, stop).await,
                    Err(refusal) => server.refused(address, refusal),
                }
                drop(connection);
            });
        }
        // Refuse new connections at once rather than leave them in the backlog.
        drop(listener);
        tasks.close();
        tasks.wait().await;
    }

    async fn agree(
        &self,
        stream: TcpStream,
        credentials: &Credentials,
        handshake: &CancellationToken,
    ) -> Result<Connected, Refusal> {
        let waited = self.0.settings.handshake_timeout();
        tokio::select! {
            agreed = tokio::time::timeout(waited, credentials.accept(stream)) => {
                agreed.unwrap_or_else(|_| Err(format!("no TLS handshake within {} ms", waited.as_millis()).into()))
            }
            () = handshake.cancelled() => {
                Err("the handshake took longer than many that came after it".to_owned().into())
            }
        }
    }

    /// Serves one connection whose other end is known, until it ends or has drained after `stop`.
    pub(super) async fn serve(&self, connected: Connected, stop: CancellationToken) {
        self.0.counters.connections.fetch_add(1, Ordering::Relaxed);
        let node = connected.peer.node.clone();
        if let Err(error) = connection::serve(&self.0, connected, stop).await {
            tracing::debug!(%node, %error, "a link ended with an error");
        }
        self.0.counters.connections.fetch_sub(1, Ordering::Relaxed);
    }

    fn refused(&self, address: SocketAddr, Refusal { reason, of_node }: Refusal) {
        self.0.counters.refused.fetch_add(1, Ordering::Relaxed);
        // Anybody can cause it, as often as they like. A node comes from another port each time.
        if of_node && self.0.told.may_say(&address.ip().to_string()) {
            tracing::warn!(%address, reason, "a node was refused a link, and is told of at most once a minute");
        } else {
            tracing::debug!(%address, reason, "a connection from outside of the cluster was refused");
        }
        *self.0.last_refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(format!("{address}: {reason}"));
    }

    /// What it has done and has.
    pub fn snapshot(&self) -> ServerSnapshot {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.0.counters;
        ServerSnapshot {
            accepted: read(&counters.accepted),
            refused: read(&counters.refused),
            connections: read(&counters.connections),
            calls: read(&counters.calls),
            panics: read(&counters.panics),
            last_refusal: self.0.last_refusal.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

/// The handshakes in progress, oldest first. A token that is cancelled is one that is over.
struct Handshakes {
    begun: VecDeque<CancellationToken>,
    most: usize,
}

impl Handshakes {
    fn new(most: usize) -> Self {
        Self { begun: VecDeque::new(), most }
    }

    fn begin(&mut self, stop: &CancellationToken) -> CancellationToken {
        if self.begun.len() >= self.most {
            self.begun.retain(|handshake| !handshake.is_cancelled());
        }
        while self.begun.len() >= self.most {
            let Some(oldest) = self.begun.pop_front() else { break };
            oldest.cancel();
        }
        let handshake = stop.child_token();
        self.begun.push_back(handshake.clone());
        handshake
    }
}

async fn accept(listener: &TcpListener, told: &Seldom) -> Option<(TcpStream, SocketAddr)> {
    match listener.accept().await {
        Ok((stream, address)) => {
            // Without it, small messages wait for the acknowledgement of the last one.
            let _ = stream.set_nodelay(true);
            Some((stream, address))
        }
        Err(error) => {
            // A peer that gave up meanwhile is no reason to wait; being out of descriptors is.
            if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
                if told.may_say(&error.to_string()) {
                    tracing::error!(%error, "cannot accept a link; trying again, and telling of it at most once a minute");
                }
                tokio::time::sleep(PAUSE).await;
            }
            None
        }
    }
}
