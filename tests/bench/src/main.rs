//! What the host costs, against the native servers it stands in for.
//!
//! `cargo run --release -p hostel-bench` builds the host and the guests, runs everything and prints one table;
//! `docs/performance.md` says what its rows mean.

mod bench;
mod bodies;
#[cfg(feature = "cluster")]
mod cluster;
mod component;
mod connection;
mod cores;
mod cpu;
mod half;
mod hop;
mod http;
mod instructions;
mod load;
mod machine;
mod memory;
mod native;
mod options;
mod pace;
mod prepare;
mod record;
mod report;
mod requests;
mod resident;
mod response;
mod rest;
mod rows;
mod run;
mod server;
mod services;
mod starts;
mod stats;
mod stream;
mod swap;
mod table;
mod tls;
mod work;

use std::cell::Cell;
use std::fs;

use anyhow::Context as _;
use clap::Parser;

use bench::Bench;
use cores::Cores;
use machine::Machine;
use options::Options;
use rows::Rows;
use server::Place;

/// The host's, so that the native servers, which are this program too, have the same.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures Hostel against native axum and tonic servers
#[derive(Debug, Parser)]
#[command(name = "hostel-bench")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    #[command(flatten)]
    Serve(native::Serve),
    /// Simulates a large cluster, in this process and in virtual time
    #[cfg(feature = "cluster")]
    Cluster(cluster::Options),
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match arguments.command {
        Some(Command::Serve(serve)) => native::serve(serve),
        #[cfg(feature = "cluster")]
        Some(Command::Cluster(options)) => cluster::run(&options),
        None => bench(arguments.options),
    }
}

fn bench(mut options: Options) -> anyhow::Result<()> {
    // A thousand connections are more files than a process may have by default; servers inherit it.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised)?;

    let wasmtime = options.find_wasmtime()?;
    options.settle(wasmtime.is_some());
    let services = if options.rows.contains(&Rows::Services) { options.services() } else { Vec::new() };
    let files = prepare::prepare(options.hostel.as_deref(), wasmtime, &services)?;
    let machine = Machine::describe(&files);
    let cores = match options.share_cores {
        true => Cores::shared(),
        false => Cores::split()?,
    };
    options.spin &= cores.are_split();
    cores.pin_client()?;

    let place = Place { cores: &cores, hostel: &files.hostel, dir: &files.logs, under: &[] };
    let bench = Bench { options: &options, files: &files, place, disturbance_max: Cell::new(0.0) };
    let samples = run::run(&bench)?;

    let report = report::report(&samples, &options.loads(), &cores, bench.disturbance_max.get());
    let how = options.describe(&cores);
    print!("{}", table::text(&machine, &how, &options.left_out, &report));
    let out = options.out.clone().unwrap_or_else(|| prepare::root().join("target/bench/result.json"));
    let result = serde_json::json!({
        "machine": machine,
        "options": options,
        "cores": cores,
        "report": report,
        "samples": samples,
    });
    fs::write(&out, serde_json::to_string_pretty(&result)? + "\n").with_context(|| out.display().to_string())?;
    println!("\nall figures: {}", out.display());
    Ok(())
}
