//! Packets over UDP.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use super::Transport;

/// The system's buffer for packets that wait to be read, if it permits: bursts come when thousands of nodes gossip.
const RECEIVE_BUFFER_BYTES: usize = 4 << 20;

/// A UDP socket.
#[derive(Debug)]
pub struct UdpTransport {
    socket: UdpSocket,
}

impl UdpTransport {
    /// Binds to `address`. Has to be called within a tokio runtime.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        // The system may permit less; it then gives what it permits.
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
        socket.bind(&address.into())?;
        Ok(Self { socket: UdpSocket::from_std(socket.into())? })
    }
}

impl Transport for UdpTransport {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    async fn send(&self, to: SocketAddr, packet: &[u8]) -> io::Result<()> {
        // A full queue of the system's empties at the speed of the network card.
        self.socket.send_to(packet, to).await.map(drop)
    }

    async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.socket.recv_from(buffer).await
    }
}
