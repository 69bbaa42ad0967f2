//! What can be chosen.

use std::path::PathBuf;

use anyhow::Context as _;
use serde::Serialize;

use crate::cores::Cores;
use crate::instructions;
use crate::rows::Rows;
use crate::work::Side;

/// A count of one or more.
fn positive() -> clap::builder::RangedU64ValueParser<usize> {
    clap::builder::RangedU64ValueParser::new().range(1..)
}

#[derive(Clone, Debug, Serialize, clap::Args)]
pub(crate) struct Options {
    /// How often everything is measured
    #[arg(long, default_value_t = 3, value_parser = positive())]
    pub(crate) rounds: usize,
    /// How long each measurement under load takes
    #[arg(long, default_value_t = 2.0, value_parser = seconds)]
    pub(crate) seconds: f64,
    /// One round of half a second each, disturbed or not, to see whether everything works
    #[arg(long, conflicts_with_all = ["rounds", "seconds", "retries"])]
    pub(crate) quick: bool,
    /// What is measured
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Rows::DEFAULT)]
    pub(crate) rows: Vec<Rows>,
    /// Count instructions per request too; takes valgrind, and some minutes
    #[arg(long)]
    instructions: bool,
    /// Connections under full load; small requests are also made on one connection
    #[arg(long, default_value_t = 32, value_parser = positive())]
    pub(crate) connections: usize,
    /// How many services a host has in the rows `services` [default: 1,100,1000; with --quick 1,20]
    #[arg(long, value_delimiter = ',', value_parser = positive())]
    services: Vec<usize>,
    /// How often a measurement that others disturbed is repeated; the least disturbed one counts
    #[arg(long, default_value_t = 2)]
    pub(crate) retries: usize,
    /// Who is measured; ratios are to `native`
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Side::ALL)]
    pub(crate) sides: Vec<Side>,
    /// Let client and servers share all cores, instead of giving half of them to each; the client sleeps then
    #[arg(long)]
    pub(crate) share_cores: bool,
    /// Let the client sleep while there is no response, instead of asking all the time; being woken is then work for
    /// the servers' cores
    #[arg(long = "client-sleeps", action = clap::ArgAction::SetFalse)]
    pub(crate) spin: bool,
    /// A host to measure instead of building one; the guests are built from this source
    #[arg(long, value_name = "FILE")]
    pub(crate) hostel: Option<PathBuf>,
    /// The wasmtime to compare with [default: the one in PATH]
    #[arg(long, value_name = "FILE")]
    wasmtime: Option<PathBuf>,
    /// Where the figures go [default: target/bench/result.json]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// What cannot be measured, and what to do about it.
    #[arg(skip)]
    pub(crate) left_out: Vec<String>,
}

impl Options {
    /// Numbers of connections.
    pub(crate) fn loads(&self) -> Vec<usize> {
        match self.connections {
            1 => vec![1],
            many => vec![many, 1],
        }
    }

    /// Numbers of services.
    pub(crate) fn services(&self) -> Vec<usize> {
        match (self.services.as_slice(), self.quick) {
            ([], true) => vec![1, 20],
            ([], false) => vec![1, 100, 1000],
            (given, _) => given.to_vec(),
        }
    }

    /// The wasmtime that was named, or one that is there.
    ///
    /// # Errors
    ///
    /// When the one that was named is not.
    pub(crate) fn find_wasmtime(&self) -> anyhow::Result<Option<PathBuf>> {
        if let Some(given) = &self.wasmtime {
            anyhow::ensure!(given.is_file(), "there is no {}", given.display());
            return Ok(Some(std::path::absolute(given).context("the working directory")?));
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        Ok(std::env::split_paths(&path).map(|dir| dir.join("wasmtime")).find(|file| file.is_file()))
    }

    /// Brings the options in line with each other, and leaves out what cannot be measured here.
    pub(crate) fn settle(&mut self, has_wasmtime: bool) {
        if self.quick {
            (self.rounds, self.seconds, self.retries) = (1, 0.5, 0);
        }
        if self.instructions && !self.rows.contains(&Rows::Instructions) {
            self.rows.push(Rows::Instructions);
        }
        if self.rows.contains(&Rows::Instructions) && !instructions::is_possible() {
            self.rows.retain(|rows| *rows != Rows::Instructions);
            self.left_out.push("instructions: they take valgrind, such as `apt-get install valgrind`".to_owned());
        }
        if self.sides.contains(&Side::Wasmtime) && !has_wasmtime {
            self.sides.retain(|side| *side != Side::Wasmtime);
            let how = "cargo install wasmtime-cli --version 48.0.8 --locked";
            self.left_out.push(format!("wasmtime serve: there is no `wasmtime` in PATH; `{how}`, or --wasmtime FILE"));
        }
    }

    /// For the reader of the figures.
    pub(crate) fn describe(&self, cores: &Cores) -> String {
        let client = if self.spin { "which never sleeps under load" } else { "which sleeps when there is nothing" };
        format!("{} rounds of {} s each; {}, {client}", self.rounds, self.seconds, cores.describe())
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.1..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("not between 0.1 and 3600".to_owned()),
    }
}
