//! A large cluster in one thread and in virtual time: how long things take to become known, and what that costs.
//!
//! It is the host's own protocol that runs, packets and all; only the network and the clock are simulated. One seed, one
//! result, but for times of the real clock and memory.

mod catalogue;
mod members;

use std::fs;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How many nodes there are; each knows each, so memory grows with the square: 1.2 GiB for 1000
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(20..=60_000))]
    nodes: u32,
    /// The share of packets that get lost, from 0 to 0.5
    #[arg(long, default_value_t = 0.05, value_parser = share)]
    loss: f64,
    /// What chance comes from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many services each node has in the catalogue
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    services: u32,
    /// What is looked at
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Part::Members, Part::Catalogue])]
    parts: Vec<Part>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// A whole cluster: joining, crashes, changes, traffic
    Members,
    /// One node of a cluster with many services: memory, changes, look-ups, exchange
    Catalogue,
}

fn share(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "no number".to_owned())?;
    if (0.0..=0.5).contains(&value) { Ok(value) } else { Err("must be from 0 to 0.5".to_owned()) }
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    if options.parts.contains(&Part::Members) {
        members::run(options.nodes, options.loss, options.seed)?;
    }
    if options.parts.contains(&Part::Catalogue) {
        catalogue::run(options.nodes, options.services)?;
    }
    Ok(())
}

/// What of this process is in memory, in MiB.
fn resident_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
    kib.unwrap_or(0.0) / 1_024.0
}

/// A row of what is printed.
fn row(what: &str, value: impl std::fmt::Display) {
    println!("  {what:<56} {value}");
}
