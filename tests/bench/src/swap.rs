//! The rows `swap`: a module is replaced while another service of the host is under steady load; first with all cores for
//! host and client, as compiling would find them in use, then with only the servers' cores for the host.

use std::fs;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;

use crate::bench::Bench;
use crate::component;
use crate::cores::Cores;
use crate::cpu::Cpu;
use crate::http::{self, Client};
use crate::load::{self, Answer, Load};
use crate::pace::Pace;
use crate::record::{Record, Table, compared, plain};
use crate::server::{Place, REQUEST_MAX, Server};
use crate::stats::Latency;
use crate::work::{FRONT_HOST, Work};

static TIMES: Table = Table {
    title: "From the rename of a module's file to the first response of the new version, another service at half load",
    of: "",
    columns: &[plain("ms")],
};

static LATENCY: Table = Table {
    title: "Meanwhile, the other service",
    of: "before",
    columns: &[plain("requests/s"), compared("p50 µs"), compared("p99 µs"), compared("p99.9 µs"), plain("max ms")],
};

/// How long the other service is watched before and after.
const WATCH: Duration = Duration::from_secs(2);

/// What follows the first response: the end of the old version, say.
const AFTERMATH: Duration = Duration::from_secs(1);

/// How long a swap may take.
const SWAP_MAX: Duration = Duration::from_secs(60);

const SWAPPED: &str = "swapped.localhost";

pub(crate) fn measure(bench: &Bench<'_>, round: usize, records: &mut Vec<Record>) -> anyhow::Result<()> {
    let cores = Cores::shared();
    let place = Place { cores: &cores, ..bench.place };
    let shared = Bench { place, disturbance_max: bench.disturbance_max.clone(), ..*bench };
    bench.place.cores.unpinned(|| swap(&shared, "all cores", round, records))??;
    if bench.place.cores.are_split() {
        swap(bench, "half of the cores", round, records)?;
    }
    Ok(())
}

fn swap(bench: &Bench<'_>, place: &str, round: usize, records: &mut Vec<Record>) -> anyhow::Result<()> {
    let files = bench.files;
    let front = fs::read(files.lean.join("bench-front.wasm"))?;
    let put = |module: &[u8]| -> anyhow::Result<Instant> {
        let unfinished = files.swap.join(".swapped.wasm");
        fs::write(&unfinished, module)?;
        let renamed = Instant::now();
        fs::rename(&unfinished, files.swap.join("swapped.wasm"))?;
        Ok(renamed)
    };
    // Nobody has compiled this content before: it says when it was made.
    let version = |release: &str| {
        let made = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let manifest = format!("version = \"{release}\"\n\n[config]\nrelease = \"{release}\"\n");
        component::marked(&component::with_manifest(&front, &manifest), &made.to_string())
    };
    let (old, new) = (version("old"), version("new"));
    put(&old)?;
    let server = bench.host(&files.swap, None)?;
    let requests = [http::request(FRONT_HOST, Work::Hello.path())];
    // A client that never sleeps would take a core from everybody else.
    let spin = bench.options.spin && bench.place.cores.are_split();
    let load = || Load { spin, threads: 1, ..bench.load(&server, &requests, Work::EXPECT.as_bytes()) };
    let maximum =
        load::run(&Load { warm_up: Duration::from_secs(1), measure: Duration::from_secs(1), ..load() }, || Ok(()))?;
    let steady = Load { pace: Pace::PerSecond(maximum.rate() / 2.0), ..load() };
    let (outcome, moments) = load::run_during(
        &steady,
        || Cpu::read(&server),
        |begin| {
            let mut moments = Vec::new();
            for (module, release) in [(&new, "new"), (&old, "old")] {
                std::thread::sleep(WATCH);
                let renamed = put(module)?;
                let served = wait(&server, release)?;
                server.optimised()?;
                moments.push([renamed - begin, served - begin, begin.elapsed()]);
                std::thread::sleep(AFTERMATH);
            }
            std::thread::sleep(WATCH);
            Ok(moments)
        },
    )?;
    server.stop()?;

    let [compiled, cached] = moments.as_slice() else {
        anyhow::bail!("two swaps were made");
    };
    let mut time = |row: &str, [from, to]: [Duration; 2]| {
        let ms = (to.saturating_sub(from)).as_secs_f64() * 1e3;
        bench.say(round, &format!("{place}: {row}: {ms:.0} ms"));
        records.push(Record::new(round, &TIMES, format!("{row}, {place}"), &[ms]));
    };
    let [renamed, served, optimised] = *compiled;
    time("new content, to its first response", [renamed, served]);
    time("new content, from then to optimised code", [served, optimised]);
    let [again, found, _] = *cached;
    time("content of the cache, to its first response", [again, found]);
    let base = format!("before, {place}");
    let windows = [
        ("before", Duration::ZERO, renamed),
        ("from the rename to the new version", renamed, served),
        ("from then to optimised code", served, optimised),
        ("the second after", optimised, optimised + AFTERMATH),
        ("from the rename to the new version, content of the cache", again, found),
        ("the second after that", found, found + AFTERMATH),
    ];
    for (row, from, to) in windows {
        let values = window(&outcome.answers, from, to).with_context(|| format!("{row}: nothing was answered"))?;
        records.push(Record::new(round, &LATENCY, format!("{row}, {place}"), &values).to(&base));
    }
    Ok(())
}

/// Asks until the answer is that of the version.
fn wait(server: &Server, release: &str) -> anyhow::Result<Instant> {
    let begin = Instant::now();
    let mut client = Client::connect(server.edge, REQUEST_MAX)?;
    loop {
        let (status, body) = client.get(SWAPPED, "/release")?;
        let now = Instant::now();
        anyhow::ensure!(status == 200, "GET /release: {status} {body:?}");
        if body == release {
            return Ok(now);
        }
        anyhow::ensure!(begin.elapsed() < SWAP_MAX, "the version `{release}` was not served in time");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Of what was answered from one moment to another.
fn window(answers: &[Answer], from: Duration, to: Duration) -> Option<[f64; 5]> {
    let at = from.as_micros()..to.as_micros();
    let nanos: Vec<u32> =
        answers.iter().filter(|answer| at.contains(&answer.at_us.into())).map(|answer| answer.nanos).collect();
    let max = f64::from(*nanos.iter().max()?) / 1e6;
    let rate = nanos.len() as f64 / (to - from).as_secs_f64();
    let latency = Latency::of(nanos)?;
    Some([rate, latency.p50, latency.p99, latency.p999, max])
}
