//! Accepting connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::serve;
use super::{Edge, Tls};
use crate::observe::seldom::Seldom;

/// Connections the kernel keeps until they are accepted.
const BACKLOG: i32 = 1024;
/// How long accepting pauses when the process has no file descriptors left.
const PAUSE: Duration = Duration::from_millis(100);

/// A bound address that nothing is accepted on yet.
pub struct Listener(TcpListener);

/// Binds an address.
///
/// # Errors
///
/// When it is taken, or not ours to bind.
pub fn bind(address: SocketAddr) -> io::Result<Listener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // So that a restart can bind at once; a second host on the same address still cannot.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(Listener(TcpListener::from_std(socket.into())?))
}

impl Listener {
    /// The address, with the port that was chosen for port 0.
    ///
    /// # Errors
    ///
    /// When the socket is gone.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Serves connections, over TLS if that is given, until `stop`; then lets requests in flight end: idle connections are
    /// closed, busy ones told to finish. Returns when the last one is closed.
    pub async fn run(self, edge: Edge, tls: Option<Arc<Tls>>, stop: CancellationToken) {
        let places = Arc::new(Semaphore::new(edge.0.settings.connections_max as usize));
        let connections = TaskTracker::new();
        let told = Seldom::default();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = accept(&self.0, &places, &told) => accepted,
            };
            let Some((stream, client, place)) = accepted else { continue };
            let (edge, tls, stop) = (edge.clone(), tls.clone(), stop.clone());
            connections.spawn(async move {
                serve(edge, stream, client, tls, stop).await;
                drop(place);
            });
        }
        // Refuse new connections at once rather than leave them in the backlog.
        drop(self.0);
        connections.close();
        connections.wait().await;
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    told: &Seldom,
) -> Option<(tokio::net::TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, client)) => {
            // Without it, small responses wait for the client's acknowledgement of the last one.
            let _ = stream.set_nodelay(true);
            Some((stream, client, place))
        }
        Err(error) => {
            // A client that gave up meanwhile is no reason to wait; being out of descriptors is.
            if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
                if told.may_say(&error.to_string()) {
                    tracing::error!(%error, "cannot accept a connection; trying again, and telling of it at most once a minute");
                }
                tokio::time::sleep(PAUSE).await;
            }
            None
        }
    }
}
