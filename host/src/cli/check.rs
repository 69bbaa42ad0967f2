//! `hostel check`: is everything right, without starting anything.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use serde::Serialize;

use super::text;
use crate::app::{self, Flags};

/// Check configuration and modules without starting anything
#[derive(Debug, clap::Args)]
pub(super) struct CheckArgs {
    /// Directory of modules [default: modules]
    #[arg(long, value_name = "DIR")]
    modules: Option<String>,
    /// Configuration file [default: hostel.toml, when it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Show every setting and where it comes from
    #[arg(long)]
    settings: bool,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row {
    file: String,
    service: Option<String>,
    error: Option<String>,
}

pub(super) fn run(args: &CheckArgs) -> anyhow::Result<()> {
    let flags = Flags { config: args.config.clone(), modules: args.modules.clone(), ..Flags::default() };
    let loaded = app::load(&flags)?;
    app::check_edge(&loaded.config)?;
    let dir = &loaded.config.modules.dir;
    let checked = app::check(&loaded.config)
        .with_context(|| format!("cannot read the directory of modules {}", dir.display()))?;
    let rows: Vec<Row> = checked
        .into_iter()
        .map(|checked| match checked.outcome {
            Ok(service) => Row { file: checked.file, service: Some(service), error: None },
            Err(error) => Row { file: checked.file, service: None, error: Some(error.to_string()) },
        })
        .collect();
    let failed = rows.iter().filter(|row| row.error.is_some()).count();
    if args.json {
        text::say(&format!("{}\n", serde_json::to_string_pretty(&rows)?));
    } else {
        if args.settings {
            for entry in loaded.entries() {
                text::say(&format!("{} = {}  ({})\n", entry.key, entry.value, entry.origin));
            }
            text::say("\n");
        }
        for warning in loaded.warnings() {
            text::say(&format!("warning: {warning}\n"));
        }
        for row in &rows {
            match (&row.service, &row.error) {
                (_, Some(error)) => text::say(&format!("bad   {error}\n")),
                (Some(service), None) => text::say(&format!("good  {} is the service {service}\n", row.file)),
                (None, None) => {}
            }
        }
        let good = rows.len() - failed;
        let dir = dir.display();
        for orphan in app::orphans(&loaded.config) {
            text::say(&format!("warning: {orphan} is a manifest without a module of its name\n"));
        }
        if let Some(missing) = app::selected(&loaded.config).missing {
            text::say(&format!("warning: {missing}\n"));
        }
        text::say(&format!("the configuration is good, and {good} of {} modules in {dir}\n", rows.len()));
    }
    if failed > 0 {
        bail!("{failed} of {} modules cannot serve", rows.len());
    }
    Ok(())
}
