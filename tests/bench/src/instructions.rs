//! The rows `instructions`: how many instructions of user mode a request takes, which does not depend on how busy the
//! machine is.
//!
//! The servers run under callgrind, which counts between two commands; exactly so many requests are made in between.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;

use crate::bench::Bench;
use crate::http::Client;
use crate::prepare::remove_dir;
use crate::record::{Record, Table, compared};
use crate::server::{Host, Place, REQUEST_MAX, Server};
use crate::work::{FRONT_HOST, Side};

static TABLE: Table = Table {
    title: "Instructions in user mode, counted one request at a time",
    of: "native",
    columns: &[compared("instructions")],
};

/// What is counted: a name, a path, how many requests, and how many of what is named each makes.
const COUNTED: [(&str, &str, u32, u32); 3] = [
    ("GET to one service", "/hello/world", 500, 1),
    ("GET to A, which makes a unary gRPC call to B", "/via/world", 200, 1),
    ("unary gRPC call from inside a service", "/loop/500", 1, 500),
];

/// Requests before, for what is done once.
const FIRST: usize = 50;

/// How long a server under callgrind may take to end.
const END_MAX: Duration = Duration::from_secs(120);

/// Whether what it takes is there.
pub(crate) fn is_possible() -> bool {
    ["valgrind", "callgrind_control"].into_iter().all(|program| {
        let status = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    })
}

pub(crate) fn measure(bench: &Bench<'_>, records: &mut Vec<Record>) -> anyhow::Result<()> {
    let files = bench.files;
    let counts = files.data.join("callgrind");
    let config = Some(files.instructions_config.as_path());
    let host = |modules| Host { modules, data: &files.instructions_data, config, member: None };
    let under = ["valgrind", "--tool=callgrind", "--smc-check=all-non-file", "--instr-atstart=no"].map(str::to_owned);
    let out = format!("--callgrind-out-file={}/%p", counts.display());
    let under = [under.as_slice(), &[out]].concat();
    let place = Place { under: &under, ..bench.place };
    for &side in bench.options.sides.iter().filter(|side| **side != Side::Wasmtime) {
        let modules = if side == Side::Standard { &files.standard } else { &files.lean };
        if side != Side::Native {
            // Compiles the modules, so that the host that is counted need not.
            let server = bench.place.host(host(modules))?;
            server.optimised()?;
            server.stop()?;
        }
        for (what, path, requests, each) in COUNTED {
            remove_dir(&counts)?;
            fs::create_dir_all(&counts)?;
            let server = match side {
                Side::Native => place.native(None)?,
                _ => place.host(host(modules))?,
            };
            let total = count(server, path, requests, &counts)?;
            let instructions = total as f64 / f64::from(requests * each);
            let name = |side: Side| format!("{what}, {}", side.name());
            eprintln!("{}: {instructions:.0} instructions", name(side));
            records.push(Record::new(0, &TABLE, name(side), &[instructions]).to(name(Side::Native)));
        }
    }
    Ok(())
}

/// The instructions of all processes for so many requests.
fn count(server: Server, path: &str, requests: u32, counts: &Path) -> anyhow::Result<u64> {
    let mut client = Client::connect(server.edge, REQUEST_MAX)?;
    let mut get = |path: &str| {
        let (status, body) = client.get(FRONT_HOST, path)?;
        anyhow::ensure!(status == 200, "GET {path}: {status} {body:?}");
        anyhow::Ok(())
    };
    for _ in 0..FIRST {
        get("/hello/world")?;
        get("/via/world")?;
    }
    let pids = server.pids();
    control(&pids, "on")?;
    // The code that was translated without counting is translated anew.
    for _ in 0..requests {
        get(path)?;
    }
    control(&pids, "off")?;
    server.terminate(END_MAX)?;
    let mut total = 0;
    for pid in pids {
        let file = counts.join(pid.to_string());
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let line = text.lines().find_map(|line| line.strip_prefix("totals:"));
        total += line.and_then(|line| line.trim().parse::<u64>().ok()).context("callgrind tells no total")?;
    }
    anyhow::ensure!(total > 0, "callgrind counted nothing");
    Ok(total)
}

/// Switches counting on or off.
fn control(pids: &[u32], switch: &str) -> anyhow::Result<()> {
    for pid in pids {
        let output = Command::new("callgrind_control").args(["-i", switch]).arg(pid.to_string()).output()?;
        anyhow::ensure!(output.status.success(), "callgrind_control: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
