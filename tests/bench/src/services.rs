//! The rows `services`: one host with one, a hundred, a thousand different services that are all used.

use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::bench::{self, Bench};
use crate::cores::Cores;
use crate::http;
use crate::load::Load;
use crate::prepare::service_name;
use crate::record::{Record, Table, compared, plain};
use crate::resident::EACH;
use crate::server::{Host, Place, Server};
use crate::stats::Latency;
use crate::work::Work;

static TABLE: Table = Table {
    title: "GET to many services of one host alike (copies of one module, each compiled and loaded for itself)",
    of: "the fewest",
    columns: &[
        compared("requests/s"),
        compared("CPU µs"),
        compared("p50 µs"),
        plain("p99 µs"),
        plain("MiB before"),
        plain("instances before"),
        plain("MiB after"),
        plain("instances after"),
    ],
};

/// How long a host with so many services is warmed up: each of them should have been called some times.
const WARM_UP: Duration = Duration::from_secs(2);

/// How long it may take until all instances are given back.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// Compiles what is not in the cache yet, on all cores; later hosts find it there, in later runs too.
pub(crate) fn warm(bench: &Bench<'_>) -> anyhow::Result<()> {
    let Some(&most) = bench.options.services().iter().max() else {
        return Ok(());
    };
    eprintln!("compiling {most} services, unless an earlier run has: the first time takes some minutes");
    let begin = Instant::now();
    let cores = Cores::shared();
    let place = Place { cores: &cores, ..bench.place };
    bench.place.cores.unpinned(|| {
        let server = start(bench, &place, most)?;
        server.optimised()?;
        server.stop()
    })??;
    eprintln!("compiled or found in {:.0} s", begin.elapsed().as_secs_f64());
    Ok(())
}

pub(crate) fn measure(bench: &Bench<'_>, round: usize, records: &mut Vec<Record>) -> anyhow::Result<()> {
    let mut counts = bench.options.services();
    let name = |count: usize| if count == 1 { "1 service".to_owned() } else { format!("{count} services") };
    let Some(&fewest) = counts.iter().min() else {
        return Ok(());
    };
    let alone = alone(bench)?;
    let first = round % counts.len();
    counts.rotate_left(first);
    for count in counts {
        let server = start(bench, &bench.place, count)?;
        std::thread::sleep(Duration::from_millis(500));
        let (before, instances_before) = (server.memory()?.resident, server.instances()?);
        let requests: Vec<_> = (0..count)
            .map(|number| http::request(&format!("{}.localhost", service_name(number)), Work::Hello.path()))
            .collect();
        let load = Load { warm_up: WARM_UP, ..bench.load(&server, &requests, Work::EXPECT.as_bytes()) };
        let outcome = bench.run(&load, &server)?;
        let rate = outcome.rate();
        bench.say(round, &format!("{}: {rate:.0}/s", name(count)));
        let latency = Latency::of(outcome.nanos()).context("nothing was answered")?;
        let values = [
            rate,
            bench::cpu_us(&outcome),
            latency.p50,
            latency.p99,
            before,
            instances_before as f64,
            server.memory()?.resident,
            server.instances()? as f64,
        ];
        records.push(Record::new(round, &TABLE, name(count), &values).to(name(fewest)));
        if count > fewest {
            let each = (before - alone) / count as f64 * 1024.0;
            let row = format!("service that is loaded, with its first instance, lean door (of {count})");
            records.push(Record::new(round, &EACH, row, &[each]));
            let each = (idle(&server)? - alone) / count as f64 * 1024.0;
            let row = format!("service that has been used and idles, lean door (of {count})");
            records.push(Record::new(round, &EACH, row, &[each]));
        }
        server.stop()?;
    }
    Ok(())
}

/// The memory of a host whose services have given back their instances.
fn idle(server: &Server) -> anyhow::Result<f64> {
    let begin = Instant::now();
    while server.instances()? > 0 {
        anyhow::ensure!(begin.elapsed() < IDLE_MAX, "the instances were not given back");
        std::thread::sleep(Duration::from_millis(200));
    }
    std::thread::sleep(Duration::from_millis(500));
    Ok(server.memory()?.resident)
}

/// The memory of such a host without services.
fn alone(bench: &Bench<'_>) -> anyhow::Result<f64> {
    let files = bench.files;
    let server = bench.host(&files.empty, Some(&files.services_config))?;
    std::thread::sleep(Duration::from_millis(500));
    let memory = server.memory()?.resident;
    server.stop()?;
    Ok(memory)
}

fn start(bench: &Bench<'_>, place: &Place<'_>, count: usize) -> anyhow::Result<Server> {
    let files = bench.files;
    let modules = files.services.join(count.to_string());
    place.host(Host {
        modules: &modules,
        data: &files.services_data,
        config: Some(&files.services_config),
        member: None,
    })
}
