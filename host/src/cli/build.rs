//! `hostel build`: guest crates to components, ready for `modules/`.
//!
//! Cargo does the work. This command knows the target and how to get it, which crates are services, checks that
//! what came out is one, and replaces a module only when its content changed, so that a running host does not swap
//! for nothing.

mod cargo;
mod product;
mod selection;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::text;
use crate::modules::inspect::{Digest, Door};

/// Compile services to components and put them into modules/
#[derive(Debug, clap::Args)]
#[command(after_help = "Without arguments the crate or workspace in the current folder is built, or else the one in \
                  ./modules.\n\nExamples:\n  hostel build\n  hostel build services/orders --out modules\n  \
                  hostel build orders payments")]
pub(super) struct BuildArgs {
    /// Folders of crates or workspaces, or names of crates in the current workspace or in ./modules
    #[arg(value_name = "DIR|CRATE")]
    what: Vec<String>,
    /// Where the modules go [default: ./modules, or the workspace itself when its folder is called modules]
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Build against wasi:http alone, for any host that has WASI 0.3
    #[arg(long)]
    portable: bool,
    /// Build without optimisation and with debug information
    #[arg(long)]
    debug: bool,
    /// Where cargo keeps its files [default: cargo's own choice; target/guests of the project for ./modules]
    #[arg(long, value_name = "DIR")]
    target_dir: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

/// What to build, and how.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    /// Folders of crates or workspaces, or names of crates in the workspace of the current folder or of
    /// `./modules`. Empty: the current folder when it is a guest crate or workspace, else `./modules`.
    pub(super) what: Vec<String>,
    /// Where the modules go. `None`: `./modules`, or the built workspace itself when its folder is called so.
    pub(super) out: Option<PathBuf>,
    pub(super) door: BuildDoor,
    pub(super) profile: Profile,
    /// `None`: cargo's choice, but `target/guests` of the project when its `modules/` is built.
    pub(super) target_dir: Option<PathBuf>,
}

/// The door that crates with the SDK are built for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum BuildDoor {
    #[default]
    Lean,
    /// `wasi:http` alone.
    Portable,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Profile {
    #[default]
    Release,
    Debug,
}

/// A module that was built.
#[derive(Clone, Debug)]
pub(super) struct Built {
    /// The crate's name, which is the file's stem.
    pub(super) name: String,
    pub(super) path: PathBuf,
    /// In bytes.
    pub(super) size: usize,
    pub(super) digest: Digest,
    pub(super) doors: Vec<Door>,
    pub(super) change: Change,
    /// From the start of the build until this module was compiled.
    pub(super) elapsed: Duration,
}

/// What happened to a module's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Written,
    /// It already had this content and was left alone.
    Unchanged,
}

/// # Errors
/// As [`build`]; a `UsageError` among them means exit code 2.
pub(super) fn run(args: &BuildArgs) -> anyhow::Result<()> {
    let built = build(&Options {
        what: args.what.clone(),
        out: args.out.clone(),
        door: if args.portable { BuildDoor::Portable } else { BuildDoor::Lean },
        profile: if args.debug { Profile::Debug } else { Profile::Release },
        target_dir: args.target_dir.clone(),
    })?;
    let text = if args.json { json(&built)? } else { summary(&built) };
    io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

/// Builds. Cargo's progress goes to standard error; nothing is printed to standard output. Blocks until cargo is
/// done, which may take minutes. Nothing is written unless all crates compile and all products are services.
///
/// # Errors
/// When there is nothing to build, cargo or the target is missing, a crate does not compile, what came out is no
/// service or carries a bad manifest, or a file cannot be written.
pub(super) fn build(options: &Options) -> anyhow::Result<Vec<Built>> {
    let start = Instant::now();
    let selection = selection::select(&options.what, Path::new("."))?;
    let out = match &options.out {
        Some(out) => out.clone(),
        None => plain(&selection.default_out),
    };
    let mut products = Vec::new();
    for workspace in &selection.workspaces {
        cargo::ensure_target(&workspace.root)?;
        products.extend(cargo::build(workspace, options, start)?);
    }
    let checked = product::check(products)?;
    checked.into_iter().map(|product| product.write(&out)).collect()
}

/// Without the `./` in front, which only says that the path is relative.
fn plain(path: &Path) -> PathBuf {
    match path.strip_prefix(".") {
        Ok(rest) if rest != Path::new("") => rest.to_owned(),
        _ => path.to_owned(),
    }
}

/// One line per module: name, doors, size, digest, time, what happened to the file.
#[must_use]
pub(super) fn summary(built: &[Built]) -> String {
    let row = |built: &Built| {
        let doors: Vec<&str> = built.doors.iter().map(|door| door.as_str()).collect();
        [
            built.name.clone(),
            doors.join(", "),
            text::size(built.size),
            built.digest.short(),
            format!("{:.1} s", built.elapsed.as_secs_f64()),
            match built.change {
                Change::Written => built.path.display().to_string(),
                Change::Unchanged => format!("{} (unchanged)", built.path.display()),
            },
        ]
    };
    text::table(&built.iter().map(row).collect::<Vec<_>>())
}

/// The names of the fields are an interface: scripts read them.
fn json(built: &[Built]) -> anyhow::Result<String> {
    #[derive(Serialize)]
    struct Module<'a> {
        name: &'a str,
        path: String,
        size: usize,
        digest: String,
        doors: Vec<&'static str>,
        changed: bool,
        elapsed_ms: u128,
    }
    let mut modules = Vec::new();
    for built in built {
        modules.push(Module {
            name: &built.name,
            path: built.path.display().to_string(),
            size: built.size,
            digest: built.digest.to_string(),
            doors: built.doors.iter().map(|door| door.as_str()).collect(),
            changed: built.change == Change::Written,
            elapsed_ms: built.elapsed.as_millis(),
        });
    }
    Ok(serde_json::to_string_pretty(&modules)? + "\n")
}

#[cfg(test)]
mod tests;
