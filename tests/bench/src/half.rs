//! The rows `half`: latency when there is half as much to do as a side can do at most.

use anyhow::Context as _;

use crate::bench::{self, Bench};
use crate::http;
use crate::load::Load;
use crate::pace::Pace;
use crate::record::{Record, Table, compared, plain};
use crate::run::Samples;
use crate::server::Server;
use crate::stats::Latency;
use crate::work::{FRONT_HOST, Side, Work};

static TABLE: Table = Table {
    title: "GET to one service at half of the side's own maximum, as from many independent clients",
    of: "native",
    columns: &[
        plain("requests/s"),
        compared("p50 µs"),
        compared("p99 µs"),
        compared("p99.9 µs"),
        plain("CPU µs"),
        plain("server busy %"),
    ],
};

pub(crate) fn measure(
    bench: &Bench<'_>,
    round: usize,
    side: Side,
    server: &Server,
    samples: &mut Samples,
) -> anyhow::Result<()> {
    let known = samples.loads.iter().find(|sample| {
        sample.work == Work::Hello
            && sample.connections == bench.options.connections
            && (sample.round, sample.side) == (round, side)
    });
    let requests = [http::request(FRONT_HOST, Work::Hello.path())];
    let load = bench.load(server, &requests, Work::EXPECT.as_bytes());
    let maximum = match known {
        Some(sample) => sample.rate(),
        None => bench.run(&load, server)?.rate(),
    };
    let outcome = bench.run(&Load { pace: Pace::PerSecond(maximum / 2.0), ..load }, server)?;
    let rate = outcome.rate();
    let latency = Latency::of(outcome.nanos()).context("nothing was answered")?;
    let name = side.name();
    bench.say(round, &format!("{name}, {rate:.0}/s: p50 {:.0} µs, p99 {:.0} µs", latency.p50, latency.p99));
    let cpu = bench::cpu_us(&outcome);
    let busy = cpu * rate / 1e4 / bench.place.cores.server_count() as f64;
    let values = [rate, latency.p50, latency.p99, latency.p999, cpu, busy];
    samples.records.push(Record::new(round, &TABLE, name, &values).to(Side::Native.name()));
    Ok(())
}
