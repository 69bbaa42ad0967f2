//! The rows `get`, `via` and `loop`: small requests under full load and on one connection.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::Serialize;

use crate::bench::{self, Bench};
use crate::cpu::Cpu;
use crate::http;
use crate::load::Load;
use crate::rows::Rows;
use crate::run::Samples;
use crate::server::{REQUEST_MAX, Server};
use crate::stats::{Latency, Spread};
use crate::work::{FRONT_HOST, SEQUENCE_CALLS, Side, Work};

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
    /// For how much of that time the client had something to do.
    pub(crate) client_busy_s: f64,
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

pub(crate) fn measure(
    bench: &Bench<'_>,
    round: usize,
    side: Side,
    server: &Server,
    samples: &mut Samples,
) -> anyhow::Result<()> {
    for work in Work::ALL.into_iter().filter(|work| work.is_for(side) && bench.has(work.rows())) {
        for connections in bench.options.loads() {
            let sample = sample(bench, (round, side, work, connections), server)?;
            let (rate, cpu) = (sample.rate(), sample.cpu_us());
            let name = side.name();
            bench.say(round, &format!("{name}, {work:?}, {connections} connections: {rate:.0}/s, {cpu:.1} µs of CPU"));
            samples.loads.push(sample);
        }
    }
    if bench.has(Rows::Loop) && side.is_whole() {
        let mean_us = sequence(server, bench.time() / 2)?;
        samples.sequences.push(SequenceSample { round, side, mean_us });
    }
    Ok(())
}

fn sample(
    bench: &Bench<'_>,
    (round, side, work, connections): (usize, Side, Work, usize),
    server: &Server,
) -> anyhow::Result<Sample> {
    let requests = [http::request(work.host(), work.path())];
    let load = bench.load(server, &requests, Work::EXPECT.as_bytes());
    let addr = if work == Work::FreshP2 { server.other() } else { server.edge };
    let outcome = bench.run(&Load { addr, connections, ..load }, server)?;
    let cpu_s = outcome.after.since(outcome.before);
    let seconds = outcome.elapsed.as_secs_f64();
    let threads = bench.place.cores.client_count().min(connections) as f64;
    Ok(Sample {
        round,
        side,
        work,
        connections,
        requests: outcome.answers.len(),
        seconds,
        disturbance: bench::disturbance(&outcome),
        cpu_s,
        client_busy_s: outcome.idle.map_or(cpu_s.client, |idle| seconds * threads - idle.as_secs_f64()),
        latency_us: Latency::of(outcome.nanos()).context("nothing was answered")?,
    })
}

/// The mean time of a call, in microseconds, as the front itself measures it; the median of several requests.
pub(crate) fn sequence(server: &Server, duration: Duration) -> anyhow::Result<f64> {
    let path = format!("/loop/{SEQUENCE_CALLS}");
    let begin = Instant::now();
    let mut means = Vec::new();
    while means.len() < 3 || begin.elapsed() < duration {
        let (status, body) = http::get(server.edge, FRONT_HOST, &path, REQUEST_MAX)?;
        anyhow::ensure!(status == 200, "GET {path}: {status} {body:?}");
        means.push(body.parse::<f64>().with_context(|| format!("GET {path}: {body:?}"))?);
    }
    Ok(Spread::of(means).context("no calls were made")?.median)
}
