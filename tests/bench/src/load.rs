//! The load generator: a fixed number of connections, each with at most one request under way.
//!
//! It does as little as it can, because on two cores a server is only as busy as one core of client can make it:
//! one `epoll` per thread, fixed requests, and responses that are compared, not decoded.
//!
//! While it runs it does not sleep: it asks `epoll` again and again. A client that is faster than the server would
//! otherwise fall asleep after each response and have to be woken by the next one, and waking a core is work for the
//! core that wakes it, the server's: on a virtual machine, where it takes an interrupt that the hypervisor delivers,
//! some 5 µs per response that would count as the server's.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use anyhow::bail;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use crate::connection::{Connection, Expect};
use crate::pace::{Pace, Random, Schedule};

/// What the requests are, and how many at a time.
#[derive(Clone, Debug)]
pub(crate) struct Load<'a> {
    pub(crate) addr: SocketAddr,
    /// Each time one of them is chosen at random.
    pub(crate) requests: &'a [Vec<u8>],
    /// The only answer that counts, to any of them.
    pub(crate) expect: Expect<'a>,
    pub(crate) pace: Pace,
    pub(crate) connections: usize,
    pub(crate) threads: usize,
    /// Ask for responses all the time, instead of sleeping until there is one.
    pub(crate) spin: bool,
    pub(crate) warm_up: Duration,
    pub(crate) measure: Duration,
}

/// A response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    /// When it was complete, after the begin of the measurement.
    pub(crate) at_us: u32,
    /// How long it took: from when the request was sent or, in an open loop, from when it should have been.
    pub(crate) nanos: u32,
}

/// What came of it. Only what was answered in the time of measurement counts.
#[derive(Debug)]
pub(crate) struct Outcome<M> {
    pub(crate) answers: Vec<Answer>,
    pub(crate) elapsed: Duration,
    /// For how long the client asked in vain, all threads together. `None` when it slept.
    pub(crate) idle: Option<Duration>,
    /// What the meter said when the measurement began and when it ended.
    pub(crate) before: M,
    pub(crate) after: M,
}

impl<M> Outcome<M> {
    pub(crate) fn nanos(&self) -> Vec<u32> {
        self.answers.iter().map(|answer| answer.nanos).collect()
    }

    /// The mean rate, in answers per second.
    pub(crate) fn rate(&self) -> f64 {
        self.answers.len() as f64 / self.elapsed.as_secs_f64()
    }
}

/// What the threads are doing.
const WARM_UP: u8 = 0;
const MEASURE: u8 = 1;
/// No new requests; those under way are waited for, so that a server never sees a client break off.
const FINISH: u8 = 2;

/// How long the last responses may take.
const FINISH_MAX: Duration = Duration::from_secs(30);

/// How much is read at once.
const BUFFER_BYTES: usize = 256 * 1024;

/// Runs the load, reading the meter at both ends of the measurement.
///
/// # Errors
///
/// When a server closes a connection or answers anything but what is expected; when the meter cannot be read.
pub(crate) fn run<M>(load: &Load<'_>, meter: impl Fn() -> anyhow::Result<M>) -> anyhow::Result<Outcome<M>> {
    let (outcome, ()) = run_during(load, meter, |begin| {
        std::thread::sleep(load.measure.saturating_sub(begin.elapsed()));
        Ok(())
    })?;
    Ok(outcome)
}

/// Runs the load for as long as `during` takes, which is given the begin of the measurement.
///
/// # Errors
///
/// As `run`, and when `during` has one.
pub(crate) fn run_during<M, T>(
    load: &Load<'_>,
    meter: impl Fn() -> anyhow::Result<M>,
    during: impl FnOnce(Instant) -> anyhow::Result<T>,
) -> anyhow::Result<(Outcome<M>, T)> {
    let phase = AtomicU8::new(WARM_UP);
    std::thread::scope(|scope| {
        let threads = load.threads.clamp(1, load.connections.max(1));
        let mut workers = Vec::new();
        for thread in 0..threads {
            let phase = &phase;
            workers.push(scope.spawn(move || worker(load, (thread, threads), phase)));
        }
        std::thread::sleep(load.warm_up);
        let before = meter();
        let begin = Instant::now();
        phase.store(MEASURE, Ordering::Release);
        let result = during(begin);
        phase.store(FINISH, Ordering::Release);
        let end = Instant::now();
        let after = meter();
        let mut answers = Vec::new();
        let mut idle = load.spin.then_some(Duration::ZERO);
        for worker in workers {
            let Ok(work) = worker.join() else {
                bail!("a thread of the load generator panicked");
            };
            let work = work?;
            idle = idle.map(|idle| idle + work.idle);
            answers.extend(work.answers.into_iter().map(|(at, nanos)| {
                let at = at.saturating_duration_since(begin).as_micros();
                Answer { at_us: u32::try_from(at).unwrap_or(u32::MAX), nanos }
            }));
        }
        let outcome = Outcome { answers, elapsed: end - begin, idle, before: before?, after: after? };
        Ok((outcome, result?))
    })
}

/// What a thread has seen while it was measured.
#[derive(Default)]
struct Work {
    answers: Vec<(Instant, u32)>,
    idle: Duration,
}

/// One thread's connections, from the first request to the last response.
fn worker(load: &Load<'_>, (thread, threads): (usize, usize), phase: &AtomicU8) -> anyhow::Result<Work> {
    // What does not divide evenly goes to the first threads.
    let count = (load.connections + threads - 1 - thread) / threads;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut connections = Vec::with_capacity(count);
    for number in 0..count {
        connections.push(Connection::open(load.addr, &epoll, number)?);
    }
    let mut random = Random::new(thread);
    let mut next = || load.requests.get(random.below(load.requests.len())).map_or(&[][..], Vec::as_slice);
    let mut schedule = Schedule::of(load.pace, threads, thread);
    // Those without a request under way.
    let mut free: Vec<usize> = (0..count).rev().collect();
    if schedule.is_none() {
        free.clear();
        for connection in &mut connections {
            connection.send(next(), Instant::now(), &epoll)?;
        }
    }
    let mut work = Work { answers: Vec::with_capacity(1 << 20), idle: Duration::ZERO };
    let mut events: Vec<epoll::Event> = Vec::with_capacity(count.max(1));
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut finish_by = None;
    loop {
        let mut begin = Instant::now();
        let mut now_phase = phase.load(Ordering::Acquire);
        if now_phase == FINISH {
            if free.len() == count {
                return Ok(work);
            }
            let finish_by = *finish_by.get_or_insert_with(|| begin + FINISH_MAX);
            anyhow::ensure!(begin < finish_by, "{} requests were never answered", count - free.len());
        } else if let Some(schedule) = &mut schedule {
            while let Some(&number) = free.last()
                && let Some(connection) = connections.get_mut(number)
                && let Some(due) = schedule.due(begin)
            {
                free.pop();
                connection.send(next(), due, &epoll)?;
                begin = Instant::now();
            }
        }
        let timeout = match &schedule {
            _ if load.spin => Duration::ZERO,
            // With all connections in use it is a response that is waited for.
            Some(schedule) if !free.is_empty() => schedule.wait(begin).min(SLEEP),
            _ => SLEEP,
        };
        let timeout = Timespec { tv_sec: 0, tv_nsec: timeout.subsec_nanos().into() };
        epoll::wait(&epoll, spare_capacity(&mut events), Some(&timeout))?;
        if events.is_empty() && now_phase == MEASURE {
            work.idle += begin.elapsed();
        }
        for event in events.drain(..) {
            let number = usize::try_from(event.data.u64())?;
            let Some(connection) = connections.get_mut(number) else {
                continue;
            };
            if !connection.proceed(load.expect, &mut buffer, &epoll)? {
                continue;
            }
            let now = Instant::now();
            now_phase = phase.load(Ordering::Acquire);
            if now_phase == MEASURE {
                let taken = now.duration_since(connection.since).as_nanos();
                work.answers.push((now, u32::try_from(taken).unwrap_or(u32::MAX)));
            }
            if now_phase == FINISH || schedule.is_some() {
                free.push(number);
            } else {
                connection.send(next(), now, &epoll)?;
            }
        }
    }
}

/// How long a client that may sleep does so at most.
const SLEEP: Duration = Duration::from_millis(50);
