//! Requests, and single ones with their responses.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Context as _;

use crate::response::Reader;

/// The bytes of a `GET` on a connection that stays open.
pub(crate) fn request(host: &str, path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n").into_bytes()
}

/// The bytes of a `POST`.
pub(crate) fn post(host: &str, path: &str, body: &[u8]) -> Vec<u8> {
    post_as("application/octet-stream", host, path, body)
}

/// The bytes of a `POST` of a content type.
pub(crate) fn post_as(type_: &str, host: &str, path: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: {type_}\r\ncontent-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// A connection that stays open, on which requests are made one after another.
pub(crate) struct Client {
    stream: TcpStream,
    reader: Reader,
}

impl Client {
    /// # Errors
    ///
    /// When nobody listens.
    pub(crate) fn connect(addr: SocketAddr, timeout: Duration) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(addr).with_context(|| format!("cannot connect to {addr}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(timeout))?;
        Ok(Self { stream, reader: Reader::default() })
    }

    /// The status and the body.
    ///
    /// # Errors
    ///
    /// When nobody answers in time, or with something else.
    pub(crate) fn get(&mut self, host: &str, path: &str) -> anyhow::Result<(u16, String)> {
        self.send(host, path)?;
        self.receive().with_context(|| format!("no answer to GET {path}"))
    }

    /// The status and the body of the answer to any request.
    ///
    /// # Errors
    ///
    /// As `get`.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> anyhow::Result<(u16, Vec<u8>)> {
        self.stream.write_all(request)?;
        self.receive_bytes()
    }

    /// Asks, and leaves the answer for later.
    ///
    /// # Errors
    ///
    /// When the connection is closed.
    pub(crate) fn send(&mut self, host: &str, path: &str) -> anyhow::Result<()> {
        Ok(self.stream.write_all(&request(host, path))?)
    }

    /// # Errors
    ///
    /// As `get`.
    pub(crate) fn receive(&mut self) -> anyhow::Result<(u16, String)> {
        let (status, body) = self.receive_bytes()?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    fn receive_bytes(&mut self) -> anyhow::Result<(u16, Vec<u8>)> {
        let mut body = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let count = self.stream.read(&mut buffer)?;
            anyhow::ensure!(count > 0, "the connection was closed");
            let complete = self.reader.take(buffer.get(..count).unwrap_or_default(), |piece| {
                body.extend_from_slice(piece);
                Ok(())
            })?;
            if complete {
                self.reader.reset();
                return Ok((self.reader.status, body));
            }
        }
    }
}

/// One request on a connection of its own.
///
/// # Errors
///
/// As [`Client::get`].
pub(crate) fn get(addr: SocketAddr, host: &str, path: &str, timeout: Duration) -> anyhow::Result<(u16, String)> {
    Client::connect(addr, timeout)?.get(host, path)
}
