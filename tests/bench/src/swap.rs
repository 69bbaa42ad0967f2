//! The rows `swap`: a module is replaced while another service of the host is under steady load.

use std::fs;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;

use crate::bench::Bench;
use crate::component;
use crate::cpu::Cpu;
use crate::http::{self, Client};
use crate::load::{self, Answer, Load};
use crate::pace::Pace;
use crate::record::{Record, Table, compared, plain};
use crate::server::{REQUEST_MAX, Server};
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
    let full = bench.load(&server, &requests, Work::EXPECT.as_bytes());
    let maximum =
        load::run(&Load { warm_up: Duration::from_secs(1), measure: Duration::from_secs(1), ..full }, || Ok(()))?;
    let steady =
        Load { pace: Pace::PerSecond(maximum.rate() / 2.0), ..bench.load(&server, &requests, Work::EXPECT.as_bytes()) };
    let (outcome, moments) = load::run_during(
        &steady,
        || Cpu::read(&server),
        |begin| {
            let mut moments = Vec::new();
            for (module, release) in [(&new, "new"), (&old, "old")] {
                std::thread::sleep(WATCH);
                let renamed = put(module)?;
                let served = wait(&server, release)?;
                moments.push((renamed - begin, served - begin));
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
    for (row, (renamed, served)) in [("new content, compiled first", compiled), ("content of the cache", cached)] {
        let ms = (*served - *renamed).as_secs_f64() * 1e3;
        bench.say(round, &format!("a module is replaced by {row}: {ms:.0} ms"));
        records.push(Record::new(round, &TIMES, row, &[ms]));
    }
    let base = "before";
    let windows = [
        (base, Duration::ZERO, compiled.0),
        ("from the rename to the new version, compiled first", compiled.0, compiled.1),
        ("the second after", compiled.1, compiled.1 + AFTERMATH),
        ("from the rename to the new version, content of the cache", cached.0, cached.1),
        ("the second after that", cached.1, cached.1 + AFTERMATH),
    ];
    for (row, from, to) in windows {
        let values = window(&outcome.answers, from, to).with_context(|| format!("{row}: nothing was answered"))?;
        records.push(Record::new(round, &LATENCY, row, &values).to(base));
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
