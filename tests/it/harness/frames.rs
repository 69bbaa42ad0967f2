//! HTTP/2 by hand, for what a client library would not do.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::wait::{LONG, within};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

/// `END_STREAM` of DATA and HEADERS, `ACK` of SETTINGS and PING.
pub const END: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// The error code with which a server says that it has had enough.
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// A frame that came.
#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// A frame as it is on the wire.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a small frame").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The headers of a request, not compressed; the path is short.
pub fn head(method: &str, path: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).expect("short")], text.as_bytes()].concat();
    assert!(path.len() < 127 && method.len() < 127);
    // Names from the static table: method, scheme (http), authority, path.
    [&[2][..], &text(method), &[0x86, 1], &text("x"), &[4], &text(path)].concat()
}

/// A `GET`, whole.
pub fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END | END_HEADERS, stream, &head("GET", path))
}

pub struct Http2 {
    stream: TcpStream,
    rest: Vec<u8>,
}

impl Http2 {
    /// Opens a connection, without settings of its own.
    pub async fn connect(address: SocketAddr) -> Self {
        Self::with_settings(address, &[]).await
    }

    pub async fn with_settings(address: SocketAddr, settings: &[u8]) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("an option");
        let mut this = Self { stream, rest: Vec::new() };
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        let opening = [&preface[..], &frame(SETTINGS, 0, 0, settings), &frame(SETTINGS, END, 0, &[])].concat();
        assert!(this.send(&opening).await);
        this
    }

    /// Sends if the other side still listens, or at least has room.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        let sent = tokio::time::timeout(Duration::from_secs(10), self.stream.write_all(bytes)).await;
        matches!(sent, Ok(Ok(())))
    }

    /// The next frame; none when the connection has ended.
    pub async fn next(&mut self) -> Option<Frame> {
        while self.length().is_none_or(|length| self.rest.len() < length) {
            let mut piece = [0; 16 * 1024];
            match within("the other side says something", LONG, self.stream.read(&mut piece)).await {
                Ok(len) if len > 0 => self.rest.extend_from_slice(&piece[..len]),
                _ => return None,
            }
        }
        let length = self.length().expect("a frame");
        let bytes: Vec<u8> = self.rest.drain(..length).collect();
        let stream = u32::from_be_bytes([bytes[5], bytes[6], bytes[7], bytes[8]]);
        Some(Frame { kind: bytes[3], flags: bytes[4], stream, payload: bytes[9..].to_vec() })
    }

    fn length(&self) -> Option<usize> {
        let head = self.rest.get(..3)?;
        Some(9 + u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize)
    }

    /// The next frame of a kind, the others are skipped.
    pub async fn next_of(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }

    /// Waits until the other side has taken all that was sent.
    pub async fn caught_up(&mut self) -> bool {
        if !self.send(&frame(PING, 0, 0, b"caughtup")).await {
            return false;
        }
        loop {
            match self.next().await {
                Some(frame) if frame.kind == PING && frame.flags == END && frame.payload == b"caughtup" => return true,
                Some(_) => {}
                None => return false,
            }
        }
    }

    /// Waits for the end, and says the code of the last GOAWAY if there was one.
    pub async fn end(&mut self) -> Option<u32> {
        let mut code = None;
        while let Some(frame) = self.next().await {
            if frame.kind == GOAWAY {
                code = frame.payload.get(4..8).map(|code| u32::from_be_bytes(code.try_into().expect("four bytes")));
            }
        }
        code
    }
}
