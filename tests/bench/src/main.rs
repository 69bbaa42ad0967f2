//! What the host costs, against the native servers it stands in for.
//!
//! `cargo run --release -p hostel-bench` builds the host and the guests, runs everything and prints one table;
//! `docs/performance.md` says what its rows mean.

mod cores;
mod http;
mod load;
mod machine;
mod native;
mod prepare;
mod report;
mod run;
mod server;
mod stats;
mod table;
mod work;

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;

use cores::Cores;
use machine::Machine;
use work::Side;

/// The host's, so that the native servers, which are this program too, have the same.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures Hostel against native axum and tonic servers
#[derive(Debug, Parser)]
#[command(name = "hostel-bench")]
struct Arguments {
    #[command(subcommand)]
    serve: Option<native::Serve>,
    #[command(flatten)]
    options: Options,
}

#[derive(Clone, Debug, clap::Args)]
struct Options {
    /// How often everything is measured
    #[arg(long, default_value_t = 3, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    rounds: usize,
    /// How long each measurement under load takes
    #[arg(long, default_value_t = 4.0, value_parser = seconds)]
    seconds: f64,
    /// One round of one second each, to see whether everything works
    #[arg(long, conflicts_with_all = ["rounds", "seconds"])]
    quick: bool,
    /// Connections under full load; each load is also run on one connection
    #[arg(long, default_value_t = 32, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    connections: usize,
    /// How often a measurement that others disturbed is repeated; the least disturbed one counts
    #[arg(long, default_value_t = 2)]
    retries: usize,
    /// Who is measured; ratios are to `native`
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["native", "lean", "standard"])]
    sides: Vec<Side>,
    /// Let client and servers share all cores, instead of giving half of them to each
    #[arg(long)]
    share_cores: bool,
    /// A host to measure instead of building one
    #[arg(long, value_name = "FILE")]
    hostel: Option<PathBuf>,
    /// Where the figures go [default: target/bench/result.json]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Options {
    /// Numbers of connections.
    fn loads(&self) -> Vec<usize> {
        match self.connections {
            1 => vec![1],
            many => vec![many, 1],
        }
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.1..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("not between 0.1 and 3600".to_owned()),
    }
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match arguments.serve {
        Some(serve) => native::serve(serve),
        None => bench(arguments.options),
    }
}

fn bench(mut options: Options) -> anyhow::Result<()> {
    if options.quick {
        (options.rounds, options.seconds) = (1, 1.0);
    }
    let files = prepare::prepare(options.hostel.as_deref())?;
    let lean = ["bench-front.wasm", "bench-greeter.wasm"].map(|name| files.lean.join(name));
    let machine = Machine::describe(&files.hostel, &lean.each_ref().map(PathBuf::as_path));
    let cores = match options.share_cores {
        true => Cores::shared(),
        false => Cores::split()?,
    };
    cores.pin_client()?;

    let samples = run::run(&options, &files, &cores)?;

    let report = report::report(&samples, &options.loads(), &cores);
    let how = format!("{} rounds of {} s each; {}", options.rounds, options.seconds, cores.describe());
    print!("{}", table::text(&machine, &how, &report));
    let out = options.out.unwrap_or_else(|| prepare::root().join("target/bench/result.json"));
    let result = serde_json::json!({
        "machine": machine,
        "rounds": options.rounds,
        "seconds": options.seconds,
        "cores": cores,
        "report": report,
        "samples": samples,
    });
    fs::write(&out, serde_json::to_string_pretty(&result)? + "\n").with_context(|| out.display().to_string())?;
    println!("\nall figures: {}", out.display());
    Ok(())
}
