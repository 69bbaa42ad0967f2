//! The seam below links: what carries bytes, and how it is made.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::client::LinkError;
use super::{NodeName, PeerIdentity, tls};

/// A connection's bytes, both ways.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// A connection whose other end has proven who it is.
pub struct Connected {
    /// Its bytes.
    pub io: Box<dyn Io>,
    /// Who is there.
    pub peer: PeerIdentity,
}

/// Makes connections to peers: over TCP with mutual TLS, or in memory.
pub trait Dial: Send + Sync + 'static {
    /// Connects to `address`. The other end must belong to this cluster, and be `expected` where that is known.
    ///
    /// The caller limits the time; dropping the future gives up.
    ///
    /// # Errors
    ///
    /// [`LinkError`] when nobody is there, or the wrong one.
    fn dial(
        &self,
        address: SocketAddr,
        expected: Option<&NodeName>,
    ) -> BoxFuture<'static, Result<Connected, LinkError>>;

    /// A number that changes when credentials do: connections made before are then replaced.
    fn generation(&self) -> u64;
}

/// What has been seen of a connection below HTTP/2.
#[derive(Default)]
pub(super) struct Seen {
    reads: AtomicU64,
    refusal: OnceLock<String>,
}

impl Seen {
    /// Reads that brought something, which is how keepalive knows that the other end lives.
    pub(super) fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// Why TLS ended the connection, for people. h2 keeps only the text of such an error.
    pub(super) fn refusal(&self) -> Option<&str> {
        self.refusal.get().map(String::as_str)
    }
}

/// Notes what it sees.
pub(super) struct Watched<T> {
    io: T,
    seen: Arc<Seen>,
}

impl<T> Watched<T> {
    pub(super) fn new(io: T) -> (Self, Arc<Seen>) {
        let seen = Arc::new(Seen::default());
        (Self { io, seen: seen.clone() }, seen)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.seen.reads.fetch_add(1, Ordering::Relaxed);
        }
        if let Poll::Ready(Err(error)) = &polled
            && let Some(refusal) = tls::refusal(error)
        {
            let _ = self.seen.refusal.set(refusal);
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
