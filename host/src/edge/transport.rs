//! The bytes of a connection: in plain text or by TLS, watched as they pass.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_rustls::server::TlsStream;

use super::activity::Activity;
use super::frames::Frames;

/// How long the host listens to a client after it has said all there was to say, and to how many bytes.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES_MAX: usize = 256 * 1024;

pub(super) enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Transport {
    /// What the TLS handshake agreed on, if there was one and it did.
    pub(super) fn alpn(&self) -> Option<&[u8]> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(stream) => stream.get_ref().1.alpn_protocol(),
        }
    }

    /// Reads on, for a while, after the last byte was written. Closing a connection while there is something to read, or
    /// something comes, destroys what is on its way to the client: the end of the last response, or why there is none.
    pub(super) async fn linger(self) {
        let mut stream = match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.into_inner().0,
        };
        let _ = stream.shutdown().await;
        let mut piece = [0; 1024];
        let mut left = LINGER_BYTES_MAX;
        let listening = async {
            while let Ok(read @ 1..) = stream.read(&mut piece).await {
                left = left.saturating_sub(read);
                if left == 0 {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(LINGER, listening).await;
    }
}

/// A transport that tells what passes, and is given back when it is no longer used, unless it was flooded.
pub(super) struct Watched {
    stream: Option<Transport>,
    activity: Activity,
    frames: Frames,
    back: Option<oneshot::Sender<Transport>>,
    /// Whether the last write had to wait.
    is_stuck: bool,
}

impl Watched {
    pub(super) fn new(stream: Transport, activity: Activity) -> (Self, oneshot::Receiver<Transport>) {
        let (back, given_back) = oneshot::channel();
        let frames = Frames::new(stream.alpn() == Some(b"h2"));
        (Self { stream: Some(stream), activity, frames, back: Some(back), is_stuck: false }, given_back)
    }
}

impl Watched {
    fn wrote(&mut self, is_stuck: bool) {
        if is_stuck != self.is_stuck {
            self.is_stuck = is_stuck;
            self.activity.stuck(is_stuck);
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let (Some(back), Some(stream)) = (self.back.take(), self.stream.take()) {
            let _ = back.send(stream);
        }
    }
}

/// The client sends what costs and asks for nothing.
#[derive(Debug, thiserror::Error)]
#[error("the client floods the connection")]
struct Flooded;

fn gone() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let Some(stream) = &mut this.stream else { return Poll::Ready(Err(gone())) };
        let before = buf.filled().len();
        let polled = match stream {
            Transport::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Transport::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        };
        let bytes = buf.filled().split_at(before).1;
        if !bytes.is_empty() {
            let now = Instant::now();
            let is_fair = this.frames.received(bytes, now);
            let is_fair = this.activity.received(now, this.frames.is_http2(), this.frames.awaits_more()) && is_fair;
            if !is_fair {
                this.activity.flood();
                this.back = None;
                return Poll::Ready(Err(io::Error::other(Flooded)));
            }
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let polled = match &mut this.stream {
            None => return Poll::Ready(Err(gone())),
            Some(Transport::Plain(stream)) => Pin::new(stream).poll_write(cx, bytes),
            Some(Transport::Tls(stream)) => Pin::new(stream).poll_write(cx, bytes),
        };
        if let Poll::Ready(Ok(written)) = polled {
            this.frames.sent(bytes.get(..written).unwrap_or_default());
        }
        this.wrote(polled.is_pending());
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            None => Poll::Ready(Err(gone())),
            Some(Transport::Plain(stream)) => Pin::new(stream).poll_flush(cx),
            Some(Transport::Tls(stream)) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            None => Poll::Ready(Err(gone())),
            Some(Transport::Plain(stream)) => Pin::new(stream).poll_shutdown(cx),
            Some(Transport::Tls(stream)) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let polled = match &mut this.stream {
            None => return Poll::Ready(Err(gone())),
            Some(Transport::Plain(stream)) => Pin::new(stream).poll_write_vectored(cx, slices),
            Some(Transport::Tls(stream)) => Pin::new(stream).poll_write_vectored(cx, slices),
        };
        if let Poll::Ready(Ok(mut written)) = polled {
            for slice in slices {
                let sent = slice.len().min(written);
                this.frames.sent(slice.get(..sent).unwrap_or_default());
                written -= sent;
            }
        }
        this.wrote(polled.is_pending());
        polled
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Some(Transport::Plain(stream)) => stream.is_write_vectored(),
            Some(Transport::Tls(stream)) => stream.is_write_vectored(),
            None => false,
        }
    }
}
