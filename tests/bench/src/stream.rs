//! The rows `stream`: a hundred megabytes from one service through another to the client.

use std::time::Duration;

use anyhow::Context as _;

use crate::bench::Bench;
use crate::connection::Expect;
use crate::http;
use crate::load::Load;
use crate::memory;
use crate::record::{Record, Table, compared, plain};
use crate::server::{REQUEST_MAX, Server};
use crate::stats::Spread;
use crate::work::{FRONT_HOST, Side, Work};

static TABLE: Table = Table {
    title: "100 MiB streamed from B by gRPC through A to the client, one at a time",
    of: "native",
    columns: &[
        compared("MB/s"),
        compared("CPU ms for 100 MiB"),
        plain("idle before, MiB"),
        compared("peak above, MiB"),
        plain("own memory of it"),
    ],
};

/// Of 64 KiB: 100 MiB.
const CHUNKS: u64 = 1600;
const BYTES: u64 = CHUNKS * 64 * 1024;

pub(crate) fn measure(bench: &Bench<'_>, round: usize, side: Side, records: &mut Vec<Record>) -> anyhow::Result<()> {
    let server = start(bench, side)?;
    for _ in 0..100 {
        let (status, body) = http::get(server.edge, FRONT_HOST, Work::Via.path(), REQUEST_MAX)?;
        anyhow::ensure!(status == 200, "before the stream: {status} {body:?}");
    }
    std::thread::sleep(Duration::from_millis(300));
    let idle = server.memory_now()?;
    let requests = [http::request(FRONT_HOST, &format!("/stream/{CHUNKS}"))];
    let load = Load {
        expect: Expect::Length(BYTES),
        connections: 1,
        warm_up: Duration::ZERO,
        measure: bench.time().max(Duration::from_secs(2)),
        ..bench.load(&server, &requests, &[])
    };
    let (peak, outcome) = memory::peak(|| server.memory_now(), || bench.run(&load, &server))?;
    let rates = outcome.answers.iter().map(|answer| BYTES as f64 * 1e3 / f64::from(answer.nanos));
    let rate = Spread::of(rates).context("no stream ended in time")?.median;
    let cpu =
        outcome.after.since(outcome.before).server * 1e3 / (rate * 1e6 * outcome.elapsed.as_secs_f64() / BYTES as f64);
    let name = side.name();
    let above = peak.resident - idle.resident;
    bench.say(round, &format!("{name}, 100 MiB through two: {rate:.0} MB/s, {above:.1} MiB more memory"));
    let values = [rate, cpu, idle.resident, above, peak.own - idle.own];
    records.push(Record::new(round, &TABLE, name, &values).to(Side::Native.name()));
    server.stop()
}

fn start(bench: &Bench<'_>, side: Side) -> anyhow::Result<Server> {
    let files = bench.files;
    let modules = match side {
        Side::Native | Side::Wasmtime => return bench.start(side),
        Side::Lean => &files.stream_lean,
        Side::Standard => &files.stream_standard,
    };
    bench.host(modules, Some(&files.stream_config))
}
