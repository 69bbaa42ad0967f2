//! One address for both kinds of sockets: gossip over UDP, links over TCP.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::{Error, Runtimes};
use crate::cluster::transport::UdpTransport;

/// How often another free port is tried when the system chooses it: what is free for TCP may be in use for UDP.
const ATTEMPTS: u32 = 32;

pub(super) struct Sockets {
    pub(super) address: SocketAddr,
    pub(super) gossip: UdpTransport,
    pub(super) links: TcpListener,
}

/// Binds to `address`; port 0 stands for any that is free.
pub(super) fn bind(address: SocketAddr, runtimes: &Runtimes<'_>) -> Result<Sockets, Error> {
    let mut attempts = if address.port() == 0 { ATTEMPTS } else { 1 };
    loop {
        attempts -= 1;
        match bind_both(address, runtimes) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempts > 0 => {}
            outcome => return outcome.map_err(|error| cannot_bind(address, &error)),
        }
    }
}

fn bind_both(address: SocketAddr, runtimes: &Runtimes<'_>) -> io::Result<Sockets> {
    let links = {
        let _within = runtimes.serving.enter();
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)?
    };
    let address = links.local_addr()?;
    let _within = runtimes.control.enter();
    Ok(Sockets { address, gossip: UdpTransport::bind(address)?, links })
}

fn cannot_bind(address: SocketAddr, error: &io::Error) -> Error {
    let reason = match error.kind() {
        io::ErrorKind::AddrInUse => "the port is in use; stop what uses it, or choose another with --peer".to_owned(),
        io::ErrorKind::AddrNotAvailable => {
            "this machine does not have the address; listen on one it has, and tell others theirs with --advertise"
                .to_owned()
        }
        _ => error.to_string(),
    };
    Error::Bind { address, reason }
}
