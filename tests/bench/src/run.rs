//! The measurements, round by round.
//!
//! In each round every side is started anew, measured and stopped, so that sides are interleaved, an idle one takes
//! nothing from the one that is measured, and what a process was lucky with (the layout of its memory, say) is lucky
//! in one round only.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::Serialize;

use crate::cores::Cores;
use crate::load::{self, Load, Outcome};
use crate::prepare::Files;
use crate::server::{Cpu, Place, Server};
use crate::stats::{Latency, Spread};
use crate::work::{FRONT_HOST, SEQUENCE_CALLS, Side, Start, Work};
use crate::{Options, http, machine};

/// Before each measurement, and longer before a side's first.
const WARM_UP: Duration = Duration::from_millis(500);
const WARM_UP_FIRST: Duration = Duration::from_millis(1500);

/// A measurement that was disturbed more than this is worth little.
pub(crate) const DISTURBANCE_MAX: f64 = 0.05;

/// Starts of each kind in a round. They are short, and vary more than anything else.
const STARTS: usize = 5;

/// A request to `/loop` that takes longer has failed.
const SEQUENCE_MAX: Duration = Duration::from_secs(60);

/// One measurement under load.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Sample {
    pub(crate) round: usize,
    pub(crate) side: Side,
    pub(crate) work: Work,
    pub(crate) connections: usize,
    pub(crate) requests: usize,
    pub(crate) seconds: f64,
    pub(crate) latency_us: Latency,
    /// CPU time used meanwhile, in seconds.
    pub(crate) cpu_s: Cpu,
    /// The part of the machine's CPU time that others used, or that was stolen from the machine.
    pub(crate) disturbance: f64,
}

impl Sample {
    /// Requests per second.
    pub(crate) fn rate(&self) -> f64 {
        self.requests as f64 / self.seconds
    }

    /// CPU time of the servers per request, in microseconds.
    pub(crate) fn cpu_us(&self) -> f64 {
        self.cpu_s.server * 1e6 / self.requests as f64
    }
}

/// Calls made one after another from inside a service.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SequenceSample {
    pub(crate) round: usize,
    pub(crate) side: Side,
    pub(crate) mean_us: f64,
}

/// A start, until the first response.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StartSample {
    pub(crate) round: usize,
    pub(crate) start: Start,
    pub(crate) ms: f64,
}

/// Everything that was measured.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Samples {
    pub(crate) loads: Vec<Sample>,
    pub(crate) sequences: Vec<SequenceSample>,
    pub(crate) starts: Vec<StartSample>,
}

/// Runs all rounds, telling standard error how far it is.
///
/// # Errors
///
/// When a server does not start or answers wrongly: figures without it would not be comparable.
pub(crate) fn run(options: &Options, files: &Files, cores: &Cores) -> anyhow::Result<Samples> {
    let place = Place { cores, dir: &files.logs };
    let mut samples = Samples::default();
    for round in 0..options.rounds {
        let mut sides = options.sides.clone();
        // No side always has the same neighbours in time.
        let first = round % sides.len().max(1);
        sides.rotate_left(first);
        for side in sides {
            measure(round, side, options, files, &place, &mut samples)
                .with_context(|| format!("the side `{}`", side.name()))?;
        }
        for start in Start::ALL {
            if !options.sides.contains(&Side::Native) && start == Start::Native
                || !options.sides.contains(&Side::Lean) && start != Start::Native
            {
                continue;
            }
            for _ in 0..STARTS {
                let taken = time_start(start, files, &place).with_context(|| format!("the start `{start:?}`"))?;
                let ms = taken.as_secs_f64() * 1e3;
                samples.starts.push(StartSample { round, start, ms });
            }
        }
    }
    Ok(samples)
}

fn measure(
    round: usize,
    side: Side,
    options: &Options,
    files: &Files,
    place: &Place<'_>,
    samples: &mut Samples,
) -> anyhow::Result<()> {
    let server = match side {
        Side::Native => place.native()?,
        Side::Lean => place.host(&files.hostel, &files.lean, &files.data.join("lean"))?,
        Side::Standard => place.host(&files.hostel, &files.standard, &files.data.join("standard"))?,
    };
    let mut warm_up = WARM_UP_FIRST;
    for work in Work::ALL.into_iter().filter(|work| work.is_for(side)) {
        for connections in options.loads() {
            let load = Load {
                addr: server.edge,
                host: work.host(),
                path: work.path(),
                expect: Work::EXPECT,
                connections,
                threads: place.cores.client_count(),
                warm_up,
                measure: Duration::from_secs_f64(options.seconds),
            };
            warm_up = WARM_UP;
            let outcome = undisturbed(&load, &server, options.retries)?;
            let sample = Sample {
                round,
                side,
                work,
                connections,
                requests: outcome.nanos.len(),
                seconds: outcome.elapsed.as_secs_f64(),
                disturbance: disturbance(&outcome),
                cpu_s: outcome.after.since(outcome.before),
                latency_us: Latency::of(outcome.nanos).context("nothing was answered")?,
            };
            eprintln!(
                "round {} of {}: {}, {work:?}, {connections} connections: {:.0}/s, {:.1} µs of CPU",
                round + 1,
                options.rounds,
                side.name(),
                sample.rate(),
                sample.cpu_us(),
            );
            samples.loads.push(sample);
        }
    }
    let mean_us = sequence(&server, Duration::from_secs_f64(options.seconds / 2.0))?;
    samples.sequences.push(SequenceSample { round, side, mean_us });
    server.stop()
}

/// The mean time of a call, in microseconds, as the front itself measures it; the median of several requests.
fn sequence(server: &Server, duration: Duration) -> anyhow::Result<f64> {
    let path = format!("/loop/{SEQUENCE_CALLS}");
    let begin = Instant::now();
    let mut means = Vec::new();
    while means.len() < 3 || begin.elapsed() < duration {
        let (status, body) = http::get(server.edge, FRONT_HOST, &path, SEQUENCE_MAX)?;
        anyhow::ensure!(status == 200, "GET {path}: {status} {body:?}");
        means.push(body.parse::<f64>().with_context(|| format!("GET {path}: {body:?}"))?);
    }
    Ok(Spread::of(means).context("no calls were made")?.median)
}

/// Runs a load until nobody disturbs it, or so often; the least disturbed run counts.
fn undisturbed(load: &Load<'_>, server: &Server, retries: usize) -> anyhow::Result<Outcome<Cpu>> {
    let mut best = load::run(load, || Cpu::read(server))?;
    for _ in 0..retries {
        if disturbance(&best) <= DISTURBANCE_MAX {
            break;
        }
        let again = load::run(load, || Cpu::read(server))?;
        if disturbance(&again) < disturbance(&best) {
            best = again;
        }
    }
    Ok(best)
}

fn disturbance(outcome: &Outcome<Cpu>) -> f64 {
    let cpu = outcome.after.since(outcome.before);
    (cpu.others + cpu.stolen) / (outcome.elapsed.as_secs_f64() * machine::cores() as f64)
}

fn time_start(start: Start, files: &Files, place: &Place<'_>) -> anyhow::Result<Duration> {
    let data = files.data.join("start");
    // The greeter is not part of this.
    let nobody = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    let server = match start {
        Start::Native => place.native_front(nobody)?,
        Start::Empty => place.host(&files.hostel, &files.empty, &files.data.join("empty"))?,
        Start::Cold => {
            remove_dir(&data)?;
            place.host(&files.hostel, &files.alone, &data)?
        }
        Start::Cached => place.host(&files.hostel, &files.alone, &data)?,
    };
    let expect = match start {
        Start::Empty => (404, None),
        _ => (200, Some(Work::EXPECT)),
    };
    let taken = server.first_response(FRONT_HOST, Work::Hello.path(), expect)?;
    server.stop()?;
    Ok(taken)
}

fn remove_dir(dir: &Path) -> anyhow::Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| dir.display().to_string())?;
    }
    Ok(())
}
