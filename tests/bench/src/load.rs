//! The load generator: a fixed number of connections, each with one request under way at any time.
//!
//! It does as little as it can, because on two cores a server is only as busy as one core of client can make it:
//! one `epoll` per thread, a fixed request, and responses that are compared, not decoded.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use crate::http;

/// What the requests are, and how many at a time.
#[derive(Clone, Debug)]
pub(crate) struct Load<'a> {
    pub(crate) addr: SocketAddr,
    pub(crate) host: &'a str,
    pub(crate) path: &'a str,
    /// The only body that counts as an answer.
    pub(crate) expect: &'a str,
    pub(crate) connections: usize,
    pub(crate) threads: usize,
    pub(crate) warm_up: Duration,
    pub(crate) measure: Duration,
}

/// What came of it. Only what was answered in the time of measurement counts.
#[derive(Debug)]
pub(crate) struct Outcome<M> {
    pub(crate) nanos: Vec<u32>,
    pub(crate) elapsed: Duration,
    /// What the meter said when the measurement began and when it ended.
    pub(crate) before: M,
    pub(crate) after: M,
}

/// What the threads are doing.
const WARM_UP: u8 = 0;
const MEASURE: u8 = 1;
/// No new requests; those under way are waited for, so that a server never sees a client break off.
const FINISH: u8 = 2;

/// How long the last responses may take.
const FINISH_MAX: Duration = Duration::from_secs(10);

/// Runs the load, reading the meter at both ends of the measurement.
///
/// # Errors
///
/// When a server closes a connection or answers anything but what is expected; when the meter cannot be read.
pub(crate) fn run<M>(load: &Load<'_>, meter: impl Fn() -> anyhow::Result<M>) -> anyhow::Result<Outcome<M>> {
    let phase = AtomicU8::new(WARM_UP);
    std::thread::scope(|scope| {
        let threads = load.threads.clamp(1, load.connections.max(1));
        let mut workers = Vec::new();
        for thread in 0..threads {
            // What does not divide evenly goes to the first threads.
            let connections = (load.connections + threads - 1 - thread) / threads;
            let phase = &phase;
            workers.push(scope.spawn(move || worker(load, connections, phase)));
        }
        std::thread::sleep(load.warm_up);
        let before = meter();
        let start = Instant::now();
        phase.store(MEASURE, Ordering::Relaxed);
        std::thread::sleep(load.measure);
        phase.store(FINISH, Ordering::Relaxed);
        let elapsed = start.elapsed();
        let after = meter();
        let mut nanos = Vec::new();
        for worker in workers {
            match worker.join() {
                Ok(recorded) => nanos.append(&mut recorded?),
                Err(_) => bail!("a thread of the load generator panicked"),
            }
        }
        Ok(Outcome { nanos, elapsed, before: before?, after: after? })
    })
}

/// One thread's connections, from the first request to the last response: the time of each measured one.
fn worker(load: &Load<'_>, count: usize, phase: &AtomicU8) -> anyhow::Result<Vec<u32>> {
    let request = http::request(load.host, load.path);
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut connections = Vec::with_capacity(count);
    for number in 0..count {
        connections.push(Connection::open(load.addr, &epoll, number)?);
    }
    for connection in &mut connections {
        connection.send(&request, Instant::now())?;
    }
    let mut under_way = count;
    let mut nanos = Vec::with_capacity(1 << 20);
    let mut events = Vec::with_capacity(count.max(1));
    let mut finish_by = None;
    while under_way > 0 {
        let timeout = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
        epoll::wait(&epoll, spare_capacity(&mut events), Some(&timeout))?;
        for event in events.drain(..) {
            let event: epoll::Event = event;
            let Some(connection) =
                usize::try_from(event.data.u64()).ok().and_then(|number| connections.get_mut(number))
            else {
                continue;
            };
            if !connection.receive(load)? {
                continue;
            }
            let now = Instant::now();
            let phase = phase.load(Ordering::Relaxed);
            if phase == MEASURE {
                let taken = now.duration_since(connection.sent).as_nanos();
                nanos.push(u32::try_from(taken).unwrap_or(u32::MAX));
            }
            if phase == FINISH {
                under_way -= 1;
            } else {
                connection.send(&request, now)?;
            }
        }
        if phase.load(Ordering::Relaxed) == FINISH {
            let finish_by = *finish_by.get_or_insert_with(|| Instant::now() + FINISH_MAX);
            anyhow::ensure!(Instant::now() < finish_by, "{under_way} requests were never answered");
        }
    }
    Ok(nanos)
}

/// A connection with one request under way.
struct Connection {
    stream: TcpStream,
    sent: Instant,
    input: Vec<u8>,
    filled: usize,
}

impl Connection {
    fn open(addr: SocketAddr, epoll: &OwnedFd, number: usize) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(addr).with_context(|| format!("cannot connect to {addr}"))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let data = epoll::EventData::new_u64(number as u64);
        epoll::add(epoll, &stream, data, epoll::EventFlags::IN)?;
        Ok(Self { stream, sent: Instant::now(), input: vec![0; 16 * 1024], filled: 0 })
    }

    fn send(&mut self, request: &[u8], now: Instant) -> anyhow::Result<()> {
        self.sent = now;
        // A request is small, and nothing else is under way: there is room for it.
        self.stream.write_all(request).context("cannot send a request")
    }

    /// Reads what has come. True when that completes the response.
    fn receive(&mut self, load: &Load<'_>) -> anyhow::Result<bool> {
        if self.filled == self.input.len() {
            self.input.resize(self.filled * 2, 0);
        }
        let room = self.input.get_mut(self.filled..).unwrap_or_default();
        let count = match self.stream.read(room) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error).context("cannot read a response"),
        };
        anyhow::ensure!(count > 0, "the server closed a connection");
        self.filled += count;
        let input = self.input.get(..self.filled).unwrap_or_default();
        let Some(response) = http::parse(input)? else {
            return Ok(false);
        };
        if response.status != 200 || *response.body != *load.expect.as_bytes() {
            let body = String::from_utf8_lossy(&response.body);
            bail!("GET {}: {} {body:?} instead of {:?}", load.path, response.status, load.expect);
        }
        anyhow::ensure!(response.length == self.filled, "more than one response to a request");
        self.filled = 0;
        Ok(true)
    }
}
