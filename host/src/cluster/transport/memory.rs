//! A network in memory, for tests: with cuts, delay, loss, duplicates, reordering and an MTU, all from a seed.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand10::rngs::SmallRng;
use rand10::{RngExt, SeedableRng};
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::Transport;

/// Packets that wait to be read at one address; more are lost, as with a socket.
const QUEUE_LEN: usize = 1_024;

/// What the network does to packets. Shares are from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Faults {
    pub loss: f64,
    pub duplicated: f64,
    /// Each packet takes a time between the two: when they differ, packets overtake each other.
    pub delay_min: Duration,
    pub delay_max: Duration,
    /// Larger packets are lost, in bytes.
    pub mtu: usize,
}

impl Default for Faults {
    fn default() -> Self {
        Self { loss: 0.0, duplicated: 0.0, delay_min: Duration::ZERO, delay_max: Duration::ZERO, mtu: 65_507 }
    }
}

#[derive(Debug)]
struct Inner {
    faults: Faults,
    rng: SmallRng,
    queues: HashMap<SocketAddr, Sender<(Vec<u8>, SocketAddr)>>,
    cut: HashSet<(SocketAddr, SocketAddr)>,
    next_port: u16,
}

/// A network. A clone is the same network.
#[derive(Clone, Debug)]
pub struct MemoryNetwork(Arc<Mutex<Inner>>);

impl MemoryNetwork {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            faults: Faults::default(),
            rng: SmallRng::seed_from_u64(seed),
            queues: HashMap::new(),
            cut: HashSet::new(),
            next_port: 1,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn set_faults(&self, faults: Faults) {
        self.lock().faults = faults;
    }

    /// Nothing gets from `from` to `to` any more. For both directions, cut twice.
    pub fn cut(&self, from: SocketAddr, to: SocketAddr) {
        self.lock().cut.insert((from, to));
    }

    /// Undoes all cuts.
    pub fn heal(&self) {
        self.lock().cut.clear();
    }

    /// A transport at `address`, or at a free one if its port is 0. It is there until it is dropped.
    ///
    /// # Errors
    /// When the address is taken.
    pub fn bind(&self, address: SocketAddr) -> io::Result<MemoryTransport> {
        let mut inner = self.lock();
        let mut address = address;
        while address.port() == 0 || inner.queues.contains_key(&address) && address.port() == inner.next_port {
            address.set_port(inner.next_port);
            inner.next_port = inner.next_port.checked_add(1).ok_or(io::ErrorKind::AddrNotAvailable)?;
        }
        if inner.queues.get(&address).is_some_and(|queue| !queue.is_closed()) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let (sender, receiver) = mpsc::channel(QUEUE_LEN);
        inner.queues.insert(address, sender);
        Ok(MemoryTransport { network: self.clone(), address, receiver: tokio::sync::Mutex::new(receiver) })
    }

    /// [`MemoryNetwork::bind`] on some address of the loopback network.
    ///
    /// # Errors
    /// When there is none left.
    pub fn bind_any(&self) -> io::Result<MemoryTransport> {
        self.bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0))
    }

    fn post(&self, from: SocketAddr, to: SocketAddr, packet: &[u8]) {
        let mut inner = self.lock();
        let faults = inner.faults;
        if packet.len() > faults.mtu || inner.cut.contains(&(from, to)) {
            return;
        }
        let copies = if inner.rng.random_bool(faults.duplicated) { 2 } else { 1 };
        for _ in 0..copies {
            if inner.rng.random_bool(faults.loss) {
                continue;
            }
            let Some(queue) = inner.queues.get(&to).cloned() else { return };
            let delay = inner.rng.random_range(faults.delay_min..=faults.delay_max);
            let item = (packet.to_vec(), from);
            if delay.is_zero() {
                // A full queue loses it.
                let _ = queue.try_send(item);
            } else {
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    let _ = queue.try_send(item);
                });
            }
        }
    }
}

/// One address of a [`MemoryNetwork`].
#[derive(Debug)]
pub struct MemoryTransport {
    network: MemoryNetwork,
    address: SocketAddr,
    receiver: tokio::sync::Mutex<Receiver<(Vec<u8>, SocketAddr)>>,
}

impl Transport for MemoryTransport {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }

    async fn send(&self, to: SocketAddr, packet: &[u8]) -> io::Result<()> {
        self.network.post(self.address, to, packet);
        Ok(())
    }

    async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let Some((packet, from)) = self.receiver.lock().await.recv().await else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let size = packet.len().min(buffer.len());
        for (to, byte) in buffer.iter_mut().zip(&packet) {
            *to = *byte;
        }
        Ok((size, from))
    }
}
