//! One of the load generator's connections: at most one request under way on it.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Instant;

use anyhow::{Context as _, bail};
use rustix::event::epoll;

use crate::response::Reader;

/// What counts as an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expect<'a> {
    /// This body and no other.
    Body(&'a [u8]),
    /// Any body of this length.
    Length(u64),
}

pub(crate) struct Connection<'a> {
    stream: TcpStream,
    /// By which `epoll` calls it.
    number: u64,
    /// When the request was sent, or should have been.
    pub(crate) since: Instant,
    /// What the socket had no room for yet.
    unsent: &'a [u8],
    reader: Reader,
    /// So much of the body has come.
    got: usize,
}

impl<'a> Connection<'a> {
    pub(crate) fn open(addr: SocketAddr, epoll: &OwnedFd, number: usize) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(addr).with_context(|| format!("cannot connect to {addr}"))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let number = number as u64;
        epoll::add(epoll, &stream, epoll::EventData::new_u64(number), epoll::EventFlags::IN)?;
        Ok(Self { stream, number, since: Instant::now(), unsent: &[], reader: Reader::default(), got: 0 })
    }

    /// Sends a request, or as much of it as there is room for.
    pub(crate) fn send(&mut self, request: &'a [u8], since: Instant, epoll: &OwnedFd) -> anyhow::Result<()> {
        self.since = since;
        self.unsent = request;
        self.write()?;
        if !self.unsent.is_empty() {
            self.listen(epoll, epoll::EventFlags::IN | epoll::EventFlags::OUT)?;
        }
        Ok(())
    }

    /// Goes on with what can be done. True when that completes the response.
    pub(crate) fn proceed(&mut self, expect: Expect<'_>, buffer: &mut [u8], epoll: &OwnedFd) -> anyhow::Result<bool> {
        if !self.unsent.is_empty() {
            self.write()?;
            if self.unsent.is_empty() {
                self.listen(epoll, epoll::EventFlags::IN)?;
            }
        }
        let count = match self.stream.read(buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error).context("cannot read a response"),
        };
        anyhow::ensure!(count > 0, "the server closed a connection");
        let got = &mut self.got;
        let complete = self.reader.take(buffer.get(..count).unwrap_or_default(), |piece| {
            if let Expect::Body(body) = expect
                && body.get(*got..*got + piece.len()) != Some(piece)
            {
                bail!("{:?}, at byte {got} of a body", String::from_utf8_lossy(piece.get(..200).unwrap_or(piece)));
            }
            *got += piece.len();
            Ok(())
        });
        let status = self.reader.status;
        let complete = complete.with_context(|| format!("an unexpected response, status {status}"))?;
        if complete {
            let length = match expect {
                Expect::Body(body) => body.len() as u64,
                Expect::Length(length) => length,
            };
            anyhow::ensure!(
                status == 200 && self.got as u64 == length,
                "an unexpected response: status {status} and {} bytes, not 200 and {length}",
                self.got
            );
            self.reader.reset();
            self.got = 0;
        }
        Ok(complete)
    }

    fn write(&mut self) -> anyhow::Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.write(self.unsent) {
                Ok(count) => self.unsent = self.unsent.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("cannot send a request"),
            }
        }
        Ok(())
    }

    fn listen(&self, epoll: &OwnedFd, flags: epoll::EventFlags) -> anyhow::Result<()> {
        Ok(epoll::modify(epoll, &self.stream, epoll::EventData::new_u64(self.number), flags)?)
    }
}
