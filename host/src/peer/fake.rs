//! A network in memory, with faults: the same HTTP/2 and the same wire as over TLS, and nothing below.
//!
//! Bytes between two nodes go through a relay for each direction. It can hold them back (a cut: nothing is lost, as with
//! TCP, but nothing arrives, nor does the end of a connection), delay them, or the connections can be broken. Time is
//! tokio's, so it can be paused.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use futures::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::client::LinkError;
use super::{Connected, Dial, NodeName, PeerIdentity, Server};

/// What a direction buffers, in bytes, as a socket would, and the pieces that are under way in it.
const BUFFER_BYTES: usize = 64 << 10;
const PIECES_MAX: usize = 64;

/// The network. Clones are the same one.
#[derive(Clone, Default)]
pub struct Network(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    listeners: HashMap<SocketAddr, Listener>,
    ways: HashMap<(NodeName, NodeName), watch::Sender<Way>>,
    broken: HashMap<(NodeName, NodeName), CancellationToken>,
}

#[derive(Clone)]
struct Listener {
    identity: PeerIdentity,
    server: Server,
    stop: CancellationToken,
}

/// One direction between two nodes.
#[derive(Clone, Copy, Default)]
struct Way {
    cut: bool,
    delay: Duration,
}

impl Network {
    /// A network without nodes or faults.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves links to the node `identity` under `address`, until `stop`.
    pub fn listen(&self, address: SocketAddr, identity: PeerIdentity, server: Server, stop: CancellationToken) {
        self.state().listeners.insert(address, Listener { identity, server, stop });
    }

    /// Nobody listens under `address` any more; connections that are open stay.
    pub fn close(&self, address: SocketAddr) {
        self.state().listeners.remove(&address);
    }

    /// How the node `identity` connects to others.
    pub fn dialer(&self, identity: PeerIdentity) -> FakeDialer {
        FakeDialer { network: self.clone(), identity }
    }

    /// Nothing gets from `from` to `to` any more. The other direction is not touched.
    pub fn cut(&self, from: &NodeName, to: &NodeName) {
        self.change(from, to, |way| way.cut = true);
    }

    /// Everything that was held back gets from `from` to `to`.
    pub fn heal(&self, from: &NodeName, to: &NodeName) {
        self.change(from, to, |way| way.cut = false);
    }

    /// Whatever goes from `from` to `to` from now on takes `delay`.
    pub fn delay(&self, from: &NodeName, to: &NodeName, delay: Duration) {
        self.change(from, to, |way| way.delay = delay);
    }

    /// Breaks all connections between two nodes, as a reset would. New ones can be made.
    pub fn break_links(&self, one: &NodeName, other: &NodeName) {
        let mut state = self.state();
        for pair in [(one.clone(), other.clone()), (other.clone(), one.clone())] {
            if let Some(broken) = state.broken.remove(&pair) {
                broken.cancel();
            }
        }
    }

    fn change(&self, from: &NodeName, to: &NodeName, change: impl FnOnce(&mut Way)) {
        self.state().ways.entry((from.clone(), to.clone())).or_default().send_modify(change);
    }

    fn way(&self, from: &NodeName, to: &NodeName) -> watch::Receiver<Way> {
        self.state().ways.entry((from.clone(), to.clone())).or_default().subscribe()
    }
}

/// Connects one node to others, in memory.
pub struct FakeDialer {
    network: Network,
    identity: PeerIdentity,
}

impl Dial for FakeDialer {
    fn dial(
        &self,
        address: SocketAddr,
        expected: Option<&NodeName>,
    ) -> BoxFuture<'static, Result<Connected, LinkError>> {
        let (network, identity, expected) = (self.network.clone(), self.identity.clone(), expected.cloned());
        Box::pin(async move { network.connect(identity, address, expected).await })
    }

    fn generation(&self) -> u64 {
        0
    }
}

impl Network {
    async fn connect(
        &self,
        identity: PeerIdentity,
        address: SocketAddr,
        expected: Option<NodeName>,
    ) -> Result<Connected, LinkError> {
        let found = self.state().listeners.get(&address).cloned();
        let listener = found
            .ok_or_else(|| LinkError::Connect { address, source: io::Error::from(io::ErrorKind::ConnectionRefused) })?;
        let peer = listener.identity.clone();
        let (mut there, mut back) = (self.way(&identity.node, &peer.node), self.way(&peer.node, &identity.node));
        // A handshake needs both ways; without them it hangs, and its time-out is the caller's.
        let _ = there.wait_for(|way| !way.cut).await;
        let _ = back.wait_for(|way| !way.cut).await;
        if peer.cluster != identity.cluster || expected.is_some_and(|expected| expected != peer.node) {
            let reason = format!("the peer is `{}` of the cluster `{}`", peer.node, peer.cluster);
            return Err(LinkError::Refused { address, reason });
        }
        let broken = {
            let mut state = self.state();
            state.broken.entry((identity.node.clone(), peer.node.clone())).or_default().clone()
        };
        let (ours, our_end) = tokio::io::duplex(BUFFER_BYTES);
        let (theirs, their_end) = tokio::io::duplex(BUFFER_BYTES);
        let (our_reader, our_writer) = tokio::io::split(our_end);
        let (their_reader, their_writer) = tokio::io::split(their_end);
        relay(our_reader, their_writer, there, broken.clone());
        relay(their_reader, our_writer, back, broken);
        let connected = Connected { io: Box::new(theirs), peer: identity };
        tokio::spawn(async move { listener.server.serve(connected, listener.stop).await });
        Ok(Connected { io: Box::new(ours), peer })
    }
}

/// Moves bytes one way until their end, or until the connection is broken.
fn relay(
    mut from: ReadHalf<DuplexStream>,
    mut to: WriteHalf<DuplexStream>,
    mut way: watch::Receiver<Way>,
    broken: CancellationToken,
) {
    let (pieces, mut arriving) = mpsc::channel::<(Instant, BytesMut)>(PIECES_MAX);
    let reading = {
        let way = way.clone();
        async move {
            loop {
                let mut piece = BytesMut::with_capacity(BUFFER_BYTES);
                match from.read_buf(&mut piece).await {
                    Ok(read) if read > 0 => {}
                    _ => return,
                }
                let due = Instant::now() + way.borrow().delay;
                if pieces.send((due, piece)).await.is_err() {
                    return;
                }
            }
        }
    };
    let writing = async move {
        while let Some((due, piece)) = arriving.recv().await {
            tokio::time::sleep_until(due).await;
            let _ = way.wait_for(|way| !way.cut).await;
            if to.write_all(&piece).await.is_err() {
                return;
            }
        }
        let _ = way.wait_for(|way| !way.cut).await;
        let _ = to.shutdown().await;
    };
    tokio::spawn(async move {
        tokio::select! {
            ((), ()) = async { tokio::join!(reading, writing) } => {}
            () = broken.cancelled() => {}
        }
    });
}
