//! `hostel cluster keys`: rotating the keys of the gossip.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::Serialize;

use super::{DEFAULT_DIR, shown, text};
use crate::peer::pki::keys::{self, Fingerprint};

/// Rotate the keys that gossip is encrypted with
///
/// The file gossip.keys has one key a line. The first one encrypts, all of them decrypt. Keys are never
/// shown, only fingerprints of them.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "A rotation has three steps:\n\n  \
                  1. hostel cluster keys add       a new key, last: it decrypts, everywhere\n  \
                  2. hostel cluster keys promote   the new key becomes the first: it encrypts\n  \
                  3. hostel cluster keys drop      the old key goes\n\n\
                  After each, copy gossip.keys to the folders of all nodes (mode 0600, owned by the user that the\n\
                  host runs as); running hosts notice within seconds. Go on when all have it. In between, nodes\n\
                  with the file of the step before and nodes with that of the step after understand each other.\n\
                  Tokens hold the keys of the time when they were made: make new ones afterwards."
)]
pub(super) struct KeysArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show fingerprints of the keys
    List(Place),
    /// Make a new key, which decrypts (step 1 of a rotation)
    Add(Place),
    /// Make the last key the first, which encrypts (step 2)
    Promote(Place),
    /// Remove all keys but the first (step 3)
    Drop(Place),
}

#[derive(Debug, clap::Args)]
struct Place {
    /// The folder with gossip.keys
    #[arg(value_name = "DIR", default_value = DEFAULT_DIR)]
    dir: PathBuf,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

/// The names of the fields are an interface: scripts read them.
#[derive(Serialize)]
struct Row {
    fingerprint: String,
    /// Whether it encrypts; all decrypt.
    encrypts: bool,
}

pub(super) fn run(args: &KeysArgs) -> anyhow::Result<()> {
    type Step = fn(&Path) -> Result<Vec<Fingerprint>, crate::peer::pki::PkiError>;
    let (place, step, next): (_, Step, _) = match &args.command {
        Command::List(place) => (place, keys::list, None),
        Command::Add(place) => (place, keys::add, Some("promote")),
        Command::Promote(place) => (place, keys::promote, Some("drop")),
        Command::Drop(place) => (place, keys::drop_others, Some("")),
    };
    let before = keys::list(&place.dir)?;
    let after = step(&place.dir)?;
    let rows: Vec<Row> = after
        .iter()
        .enumerate()
        .map(|(at, fingerprint)| Row { fingerprint: fingerprint.to_string(), encrypts: at == 0 })
        .collect();
    if place.json {
        text::say(&(serde_json::to_string_pretty(&rows)? + "\n"));
        return Ok(());
    }
    text::say(&human(&rows));
    let dir = shown(&place.dir);
    match next {
        None => {}
        Some(_) if before == after => text::say("\nnothing has changed: there was only one key\n"),
        Some("") => text::say(&format!("\nnext: copy {dir}/gossip.keys to all nodes\n")),
        Some(next) => {
            text::say(&format!(
                "\nnext: copy {dir}/gossip.keys to all nodes, then `hostel cluster keys {next} {dir}`\n"
            ));
        }
    }
    Ok(())
}

fn human(rows: &[Row]) -> String {
    let mut table = vec![["FINGERPRINT", "USE"].map(String::from)];
    let used = |row: &Row| if row.encrypts { "encrypts, decrypts" } else { "decrypts" };
    table.extend(rows.iter().map(|row| [row.fingerprint.clone(), used(row).to_owned()]));
    text::table(&table)
}
