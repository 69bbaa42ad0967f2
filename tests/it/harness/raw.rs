//! HTTP/1.1 by hand, for what a client library would not say.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::wait::{LONG, within};

pub struct Raw {
    stream: TcpStream,
    /// Read and not yet taken.
    rest: Vec<u8>,
}

/// A response, as far as it is of interest here.
#[derive(Debug)]
pub struct RawReply {
    pub status: u16,
    /// In lower case, line by line.
    pub head: String,
    pub body: String,
}

impl Raw {
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("an option");
        Self { stream, rest: Vec::new() }
    }

    pub async fn send(&mut self, text: &str) {
        within("bytes are taken", LONG, self.stream.write_all(text.as_bytes())).await.expect("the connection is open");
    }

    /// Sends if the other side still listens.
    pub async fn try_send(&mut self, text: &str) -> bool {
        self.stream.write_all(text.as_bytes()).await.is_ok()
    }

    pub async fn get(&mut self, path: &str) -> RawReply {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
        self.reply().await.expect("a response")
    }

    /// The next response, which has to say how long it is; none when the connection ends first.
    pub async fn reply(&mut self) -> Option<RawReply> {
        let end = loop {
            match find(&self.rest, b"\r\n\r\n") {
                Some(end) => break end,
                None => self.more(LONG).await?,
            }
        };
        let head = String::from_utf8_lossy(&self.rest[..end]).to_lowercase();
        self.rest.drain(..end + 4);
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.map_or(0, |length| length.trim().parse().expect("a length"));
        while self.rest.len() < length {
            self.more(LONG).await?;
        }
        let body = String::from_utf8_lossy(&self.rest[..length]).into_owned();
        self.rest.drain(..length);
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Some(RawReply { status: status.unwrap_or_else(|| panic!("no status in {head:?}")), head, body })
    }

    /// Whether the other side closes within `limit`; what it says before that is skipped.
    pub async fn closes(&mut self, limit: Duration) -> bool {
        let closing = async { while self.more(limit).await.is_some() {} };
        tokio::time::timeout(limit, closing).await.is_ok()
    }

    async fn more(&mut self, limit: Duration) -> Option<()> {
        let mut piece = [0; 16 * 1024];
        let read = within("the other side says something", limit, self.stream.read(&mut piece)).await;
        match read {
            Ok(len) if len > 0 => self.rest.extend_from_slice(&piece[..len]),
            _ => return None,
        }
        Some(())
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
