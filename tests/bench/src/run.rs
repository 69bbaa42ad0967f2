//! The measurements, round by round.
//!
//! In each round every side is started anew, measured and stopped, so that sides are interleaved, an idle one takes
//! nothing from the one that is measured, and what a process was lucky with (the layout of its memory, say) is lucky
//! in one round only.

use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;

use crate::bench::Bench;
use crate::http;
use crate::load::{self, Load};
use crate::record::Record;
use crate::requests::{Sample, SequenceSample};
use crate::rows::Rows;
use crate::server::Server;
use crate::starts::StartSample;
use crate::work::{FRONT_HOST, Side, Work};
use crate::{bodies, half, hop, instructions, requests, resident, rest, services, starts, stream, swap};

/// Everything that was measured.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Samples {
    pub(crate) loads: Vec<Sample>,
    pub(crate) sequences: Vec<SequenceSample>,
    pub(crate) starts: Vec<StartSample>,
    pub(crate) records: Vec<Record>,
}

/// Runs all rounds, telling standard error how far it is.
///
/// # Errors
///
/// When a server does not start or answers wrongly: figures without it would not be comparable.
pub(crate) fn run(bench: &Bench<'_>) -> anyhow::Result<Samples> {
    let mut samples = Samples::default();
    if bench.has(Rows::Services) {
        services::warm(bench)?;
    }
    for round in 0..bench.options.rounds {
        for side in bench.sides(round) {
            under_load(bench, round, side, &mut samples).with_context(|| format!("the side `{}`", side.name()))?;
        }
        for side in bench.sides(round).into_iter().filter(|side| side.is_whole()) {
            let records = &mut samples.records;
            if bench.has(Rows::Stream) {
                stream::measure(bench, round, side, records).with_context(|| format!("a stream, `{}`", side.name()))?;
            }
            if bench.has(Rows::Hop) {
                hop::measure(bench, round, side, records).with_context(|| format!("a hop, `{}`", side.name()))?;
            }
            if bench.has(Rows::Rest) {
                rest::measure(bench, round, side, records).with_context(|| format!("JSON, `{}`", side.name()))?;
            }
            if bench.has(Rows::Memory) {
                resident::measure(bench, round, side, records).with_context(|| format!("memory, `{}`", side.name()))?;
            }
        }
        if bench.options.sides.contains(&Side::Lean) {
            if bench.has(Rows::Services) {
                services::measure(bench, round, &mut samples.records).context("many services")?;
            }
            if bench.has(Rows::Swap) {
                swap::measure(bench, round, &mut samples.records).context("replacing a module")?;
            }
        }
        if bench.has(Rows::Start) {
            starts::measure(bench, round, &mut samples.starts)?;
        }
    }
    if bench.has(Rows::Instructions) {
        instructions::measure(bench, &mut samples.records).context("counting instructions")?;
    }
    Ok(samples)
}

/// How long a new server is warmed up, besides what comes before each measurement.
const WARM_UP_FIRST: Duration = Duration::from_secs(1);

/// Everything for which a side is started once.
fn under_load(bench: &Bench<'_>, round: usize, side: Side, samples: &mut Samples) -> anyhow::Result<()> {
    let rows = [Rows::Get, Rows::Via, Rows::Loop, Rows::Bodies, Rows::Half];
    if !rows.into_iter().any(|rows| bench.has(rows)) {
        return Ok(());
    }
    let server = bench.start(side)?;
    warm_up(bench, &server)?;
    requests::measure(bench, round, side, &server, samples)?;
    if bench.has(Rows::Half) {
        half::measure(bench, round, side, &server, samples)?;
    }
    if bench.has(Rows::Bodies) && side.is_whole() {
        bodies::measure(bench, round, side, &server, &mut samples.records)?;
    }
    server.stop()
}

fn warm_up(bench: &Bench<'_>, server: &Server) -> anyhow::Result<()> {
    let requests = [http::request(FRONT_HOST, Work::Hello.path())];
    let load = bench.load(server, &requests, Work::EXPECT.as_bytes());
    load::run(&Load { warm_up: Duration::ZERO, measure: WARM_UP_FIRST, ..load }, || Ok(()))?;
    Ok(())
}
