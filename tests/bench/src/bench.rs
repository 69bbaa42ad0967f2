//! What all measurements share: how sides are started, and how a load is run.

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use crate::Options;
use crate::connection::Expect;
use crate::cpu::Cpu;
use crate::load::{self, Load, Outcome};
use crate::machine;
use crate::pace::Pace;
use crate::prepare::Files;
use crate::rows::Rows;
use crate::server::{Host, Place, Server};
use crate::work::Side;

/// A measurement that was disturbed more than this is worth little.
pub(crate) const DISTURBANCE_MAX: f64 = 0.05;

/// Before each measurement.
const WARM_UP: Duration = Duration::from_millis(500);

pub(crate) struct Bench<'a> {
    pub(crate) options: &'a Options,
    pub(crate) files: &'a Files,
    pub(crate) place: Place<'a>,
    /// The most that a measurement was disturbed.
    pub(crate) disturbance_max: Cell<f64>,
}

impl Bench<'_> {
    pub(crate) fn has(&self, rows: Rows) -> bool {
        self.options.rows.contains(&rows)
    }

    /// The sides that are measured. The order changes from round to round: none always has the same neighbours in time.
    pub(crate) fn sides(&self, round: usize) -> Vec<Side> {
        let mut sides = self.options.sides.clone();
        let first = round % sides.len().max(1);
        sides.rotate_left(first);
        sides
    }

    /// Starts a side as most rows need it.
    pub(crate) fn start(&self, side: Side) -> anyhow::Result<Server> {
        let files = self.files;
        match side {
            Side::Native => self.place.native(None),
            Side::Lean => self.host(&files.lean, None),
            Side::Standard => self.host(&files.standard, None),
            Side::Wasmtime => {
                let wasmtime = files.wasmtime.as_deref().unwrap_or("wasmtime".as_ref());
                let [p3, p2] = ["bench-front.wasm", "wstd-hello.wasm"].map(|name| files.standard.join(name));
                self.place.wasmtime(wasmtime, &p3, &p2)
            }
        }
    }

    /// Starts a host that finds its modules in its cache. Compiling takes memory, some of which a process still has a
    /// while later.
    pub(crate) fn host(&self, modules: &Path, config: Option<&Path>) -> anyhow::Result<Server> {
        let name = modules.file_name().unwrap_or_default();
        let data = self.files.data.join(name);
        let host = Host { modules, data: &data, config, member: None };
        if !data.exists() {
            let server = self.place.host(host)?;
            server.optimised()?;
            server.stop()?;
        }
        self.place.host(host)
    }

    /// How long a measurement takes.
    pub(crate) fn time(&self) -> Duration {
        Duration::from_secs_f64(self.options.seconds)
    }

    /// A full load on a server.
    pub(crate) fn load<'l>(&self, server: &Server, requests: &'l [Vec<u8>], expect: &'l [u8]) -> Load<'l> {
        Load {
            addr: server.edge,
            requests,
            expect: Expect::Body(expect),
            pace: Pace::Full,
            connections: self.options.connections,
            threads: self.place.cores.client_count(),
            spin: self.options.spin,
            warm_up: WARM_UP,
            measure: self.time(),
        }
    }

    /// Runs a load until nobody disturbs it, or so often; the least disturbed run counts.
    pub(crate) fn run(&self, load: &Load<'_>, server: &Server) -> anyhow::Result<Outcome<Cpu>> {
        let mut best = load::run(load, || Cpu::read(server))?;
        for _ in 0..self.options.retries {
            if disturbance(&best) <= DISTURBANCE_MAX {
                break;
            }
            let again = load::run(load, || Cpu::read(server))?;
            if disturbance(&again) < disturbance(&best) {
                best = again;
            }
        }
        self.disturbance_max.set(self.disturbance_max.get().max(disturbance(&best)));
        Ok(best)
    }

    pub(crate) fn say(&self, round: usize, what: &str) {
        eprintln!("round {} of {}: {what}", round + 1, self.options.rounds);
    }
}

/// The part of the machine's CPU time that others used, or that was stolen from the machine.
pub(crate) fn disturbance(outcome: &Outcome<Cpu>) -> f64 {
    let cpu = outcome.after.since(outcome.before);
    (cpu.others + cpu.stolen) / (outcome.elapsed.as_secs_f64() * machine::cores() as f64)
}

/// CPU time of the servers per request, in microseconds.
pub(crate) fn cpu_us(outcome: &Outcome<Cpu>) -> f64 {
    outcome.after.since(outcome.before).server * 1e6 / outcome.answers.len() as f64
}
