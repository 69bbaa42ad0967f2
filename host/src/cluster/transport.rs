//! How packets travel: datagrams that may get lost, come twice, late, or in another order, but never damaged.

#[cfg(test)]
mod conformance;
mod memory;
mod udp;

use std::future::Future;
use std::io;
use std::net::SocketAddr;

pub use self::memory::{Faults, MemoryNetwork, MemoryTransport};
pub use self::udp::UdpTransport;

/// Sends and receives packets at one address.
pub trait Transport: Send + Sync + 'static {
    /// The address others reach this at, on the same machine at least.
    ///
    /// # Errors
    /// When the system does not say.
    fn local_addr(&self) -> io::Result<SocketAddr>;

    /// Sends a packet. Waits no longer than the system's own queue takes.
    ///
    /// # Errors
    /// When the system refuses. What has become of the packet is then unknown, and the transport can still be used.
    fn send(&self, to: SocketAddr, packet: &[u8]) -> impl Future<Output = io::Result<()>> + Send;

    /// Waits for a packet, writes it into `buffer` and returns its size and where it came from. What does not fit
    /// shows by a size that is that of the buffer. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// When the system reports one, perhaps of an earlier send. The transport can still be used.
    fn receive(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<(usize, SocketAddr)>> + Send;
}
