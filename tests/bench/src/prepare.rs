//! Building what is measured, and laying out the folders it runs in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

/// The manifest of the module whose instances serve one call each.
const FRESH_MANIFEST: &str = "[instances]\nreuse_max = 1\nconcurrency = 1\n";

/// The project's folder.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// What the measurements need. Everything but the host is below `target/bench`.
pub(crate) struct Files {
    /// The host's program.
    pub(crate) hostel: PathBuf,
    /// Modules with the lean door, among them one that wants a fresh instance for each call.
    pub(crate) lean: PathBuf,
    /// Modules with the standard door.
    pub(crate) standard: PathBuf,
    /// The front with the lean door and nothing else.
    pub(crate) alone: PathBuf,
    /// No modules.
    pub(crate) empty: PathBuf,
    /// For the data of hosts.
    pub(crate) data: PathBuf,
    pub(crate) logs: PathBuf,
}

/// Builds the host, unless there is one, and the guests for both doors. What earlier runs left is removed.
///
/// # Errors
///
/// When something cannot be built or written.
pub(crate) fn prepare(given: Option<&Path>) -> anyhow::Result<Files> {
    let root = root();
    let hostel = match given {
        Some(hostel) => std::path::absolute(hostel)?,
        None => build_host(&root)?,
    };
    let bench = root.join("target/bench");
    let dir = |name: &str| {
        let dir = bench.join(name);
        if dir.exists() {
            fs::remove_dir_all(&dir).with_context(|| dir.display().to_string())?;
        }
        fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
        anyhow::Ok(dir)
    };
    let files = Files {
        hostel,
        lean: dir("lean")?,
        standard: dir("standard")?,
        alone: dir("alone")?,
        empty: dir("empty")?,
        data: dir("data")?,
        logs: dir("logs")?,
    };
    // Each door has a folder for cargo, or each run would compile both anew.
    build_guests(&root, &files.hostel, &files.lean, "target/guests", &[])?;
    build_guests(&root, &files.hostel, &files.standard, "target/guests-portable", &["--portable"])?;
    let front = files.lean.join("bench-front.wasm");
    fs::copy(&front, files.alone.join("bench-front.wasm"))?;
    fs::copy(&front, files.lean.join("fresh-front.wasm"))?;
    fs::write(files.lean.join("fresh-front.toml"), FRESH_MANIFEST)?;
    Ok(files)
}

fn build_host(root: &Path) -> anyhow::Result<PathBuf> {
    run(Command::new("cargo").current_dir(root).args([
        "build",
        "--release",
        "--package",
        "hostel",
        "--bin",
        "hostel",
        "--target-dir",
        "target",
    ]))?;
    Ok(root.join("target/release/hostel"))
}

fn build_guests(root: &Path, hostel: &Path, out: &Path, target_dir: &str, options: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new(hostel);
    command.current_dir(root).arg("build").args(options);
    command.args(["tests/guests/bench-front", "tests/guests/bench-greeter"]);
    command.arg("--out").arg(out).arg("--target-dir").arg(target_dir);
    run(&mut command)
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().display().to_string();
    // Standard output is for the table.
    let status = command.stdout(std::io::stderr()).status().with_context(|| format!("cannot run {program}"))?;
    anyhow::ensure!(status.success(), "{program} failed: {status}");
    Ok(())
}
