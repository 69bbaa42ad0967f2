//! The command line: thin commands over the rest.

mod build;
mod check;
mod cluster;
mod inspect;
mod new;
mod status;
mod text;
mod up;
mod usage;

use clap::{Parser, Subcommand};

/// Exit code of a command line that cannot be understood.
const EXIT_USAGE: u8 = 2;
/// Exit code of a configuration that is wrong.
const EXIT_CONFIG: u8 = 64;
/// Exit code of everything else.
const EXIT_FAILURE: u8 = 1;

const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (revision ",
    env!("HOSTEL_GIT_REV"),
    ", wasmtime ",
    env!("HOSTEL_WASMTIME_VERSION"),
    ")"
);

/// Hosts business services as WebAssembly components in one process.
#[derive(Parser)]
#[command(name = "hostel", version = VERSION, about, max_term_width = 100, propagate_version = false)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Up(Box<up::UpArgs>),
    New(new::NewArgs),
    Build(build::BuildArgs),
    Inspect(inspect::InspectArgs),
    Check(check::CheckArgs),
    Status(status::StatusArgs),
    Cluster(cluster::ClusterArgs),
}

/// Runs the command line of this process and returns its exit code.
pub fn main() -> u8 {
    // Clap prints its own errors, and ends the process with the code for usage.
    let arguments = Arguments::parse();
    let outcome = match &arguments.command {
        Command::Up(args) => up::run(args),
        Command::New(args) => new::run(args),
        Command::Build(args) => build::run(args),
        Command::Inspect(args) => inspect::run(args, &crate::engine::provides),
        Command::Check(args) => check::run(args),
        Command::Status(args) => status::run(args),
        Command::Cluster(args) => cluster::run(args),
    };
    match outcome {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("hostel: {}", one_line(&error));
            exit_code(&error)
        }
    }
}

/// The error and its causes, without repeating what the outer ones already say.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if line.is_empty() {
            line = cause;
        } else if !line.contains(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line
}

fn exit_code(error: &anyhow::Error) -> u8 {
    if error.is::<usage::UsageError>() {
        EXIT_USAGE
    } else if error.is::<crate::config::Error>() {
        EXIT_CONFIG
    } else {
        EXIT_FAILURE
    }
}
