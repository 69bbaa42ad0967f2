//! The rows `start`: from nothing to the first response.

use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;

use crate::bench::Bench;
use crate::prepare::remove_dir;
use crate::server::Host;
use crate::work::{FRONT_HOST, Side, Start, Work};

/// Starts of each kind in a round. They are short, and vary more than anything else.
const STARTS: usize = 5;

/// A start, until the first response.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StartSample {
    pub(crate) round: usize,
    pub(crate) start: Start,
    pub(crate) ms: f64,
}

pub(crate) fn measure(bench: &Bench<'_>, round: usize, samples: &mut Vec<StartSample>) -> anyhow::Result<()> {
    for start in Start::ALL {
        let side = if start == Start::Native { Side::Native } else { Side::Lean };
        if !bench.options.sides.contains(&side) {
            continue;
        }
        for _ in 0..STARTS {
            let taken = time_start(bench, start).with_context(|| format!("the start `{start:?}`"))?;
            let ms = taken.as_secs_f64() * 1e3;
            samples.push(StartSample { round, start, ms });
        }
    }
    bench.say(round, "starts");
    Ok(())
}

fn time_start(bench: &Bench<'_>, start: Start) -> anyhow::Result<Duration> {
    let (files, place) = (bench.files, &bench.place);
    let data = files.data.join("start");
    let host = Host { modules: &files.alone, data: &data, config: None, member: None };
    // The greeter is not part of this.
    let nobody = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    let server = match start {
        Start::Native => place.native_front(nobody, None)?,
        Start::Empty => bench.host(&files.empty, None)?,
        Start::Cold => {
            remove_dir(&data)?;
            place.host(host)?
        }
        Start::Cached => place.host(host)?,
    };
    let expect = match start {
        Start::Empty => (404, None),
        _ => (200, Some(Work::EXPECT)),
    };
    let taken = server.first_response(FRONT_HOST, Work::Hello.path(), expect)?;
    if start == Start::Cold {
        server.optimised()?;
    }
    server.stop()?;
    Ok(taken)
}
