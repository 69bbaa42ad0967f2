//! The rows `bodies`: requests whose body comes back as the response's.

use anyhow::Context as _;

use crate::bench::{self, Bench};
use crate::http;
use crate::record::{Record, Table, compared, plain};
use crate::server::Server;
use crate::stats::Latency;
use crate::work::{FRONT_HOST, Side};

static TABLE: Table = Table {
    title: "POST of a body that comes back, to one service",
    of: "native",
    columns: &[compared("requests/s"), plain("MB/s each way"), compared("CPU µs"), compared("p50 µs"), plain("p99 µs")],
};

const SIZES: [(&str, usize); 3] = [("1 KiB", 1 << 10), ("64 KiB", 64 << 10), ("1 MiB", 1 << 20)];

pub(crate) fn measure(
    bench: &Bench<'_>,
    round: usize,
    side: Side,
    server: &Server,
    records: &mut Vec<Record>,
) -> anyhow::Result<()> {
    for (size, bytes) in SIZES {
        let body: Vec<u8> =
            (0..bytes).map(|at| b"abcdefghijklmnopqrstuvwxyz0123456789+".get(at % 37).copied().unwrap_or(0)).collect();
        let requests = [http::post(FRONT_HOST, "/echo", &body)];
        let outcome = bench.run(&bench.load(server, &requests, &body), server)?;
        let rate = outcome.rate();
        let latency = Latency::of(outcome.nanos()).context("nothing was answered")?;
        let name = |side: Side| format!("{size}, {}", side.name());
        bench.say(round, &format!("{}: {rate:.0}/s", name(side)));
        let values = [rate, rate * bytes as f64 / 1e6, bench::cpu_us(&outcome), latency.p50, latency.p99];
        records.push(Record::new(round, &TABLE, name(side), &values).to(name(Side::Native)));
    }
    Ok(())
}
