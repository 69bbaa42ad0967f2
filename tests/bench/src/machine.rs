//! What the figures were measured on, and of what.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use serde::Serialize;

use crate::prepare::{Files, root};

/// Crates whose versions matter to the figures.
const CRATES: [&str; 5] = ["axum", "hyper", "tokio", "tonic", "wasmtime"];

/// The machine, the system and the versions. What cannot be found out is `unknown`.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: u64,
    pub(crate) kernel: String,
    pub(crate) rustc: String,
    pub(crate) hostel: String,
    /// The one whose `serve` is compared.
    pub(crate) wasmtime: Option<String>,
    pub(crate) revision: String,
    pub(crate) crates: Vec<String>,
    /// Sizes of the components with either door, in bytes.
    pub(crate) lean: Vec<(String, u64)>,
    pub(crate) standard: Vec<(String, u64)>,
}

impl Machine {
    pub(crate) fn describe(files: &Files) -> Self {
        let version = |program: &Path| output(&program.display().to_string(), &["--version"], &root());
        let lean = ["bench-front.wasm", "bench-greeter.wasm"].map(|name| files.lean.join(name));
        let standard = ["bench-front.wasm", "bench-greeter.wasm", "wstd-hello.wasm"].map(|n| files.standard.join(n));
        let root = root();
        let dirty = output("git", &["status", "--porcelain"], &root).is_some_and(|changes| !changes.is_empty());
        let revision = output("git", &["rev-parse", "--short", "HEAD"], &root)
            .map(|revision| revision + if dirty { " with changes" } else { "" });
        let kernel = read("/proc/sys/kernel/osrelease").map(|release| format!("Linux {release}"));
        Self {
            cpu: field("/proc/cpuinfo", "model name").unwrap_or_else(unknown),
            // This process is pinned by now; the machine has more.
            cores: fs::read_to_string("/proc/cpuinfo")
                .map_or(0, |text| text.lines().filter(|line| line.starts_with("processor")).count()),
            memory_gib: field("/proc/meminfo", "MemTotal")
                .and_then(|total| total.split(' ').next()?.parse::<u64>().ok())
                .map_or(0, |kib| kib.div_ceil(1 << 20)),
            kernel: kernel.unwrap_or_else(unknown),
            rustc: output("rustc", &["--version"], &root).unwrap_or_else(unknown),
            hostel: version(&files.hostel).unwrap_or_else(unknown),
            wasmtime: files.wasmtime.as_deref().map(|wasmtime| version(wasmtime).unwrap_or_else(unknown)),
            revision: revision.unwrap_or_else(unknown),
            crates: versions(&root),
            lean: lean.iter().map(|path| size(path)).collect(),
            standard: standard.iter().map(|path| size(path)).collect(),
        }
    }
}

/// How many cores the machine has, of which this process may be allowed only some.
pub(crate) fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| {
        let text = read("/proc/cpuinfo").unwrap_or_default();
        let cores = text.lines().filter(|line| line.starts_with("processor"));
        cores.count().max(1)
    })
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

/// The value of the first line `NAME: VALUE`.
fn field(path: &str, name: &str) -> Option<String> {
    let text = read(path)?;
    let (_, value) = text.lines().filter_map(|line| line.split_once(':')).find(|(key, _)| key.trim() == name)?;
    Some(value.trim().to_owned())
}

/// What a command prints, if it succeeds.
fn output(program: &str, args: &[&str], dir: &Path) -> Option<String> {
    let output = Command::new(program).args(args).current_dir(dir).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().replace('\n', ", ");
    output.status.success().then_some(text)
}

/// `NAME VERSION` of each crate, from the host's and the guests' lock files.
fn versions(root: &Path) -> Vec<String> {
    let mut versions = Vec::new();
    for name in CRATES {
        let line = format!("name = \"{name}\"");
        for lock in ["Cargo.lock", "modules/Cargo.lock"] {
            let text = read(root.join(lock)).unwrap_or_default();
            let mut lines = text.lines().skip_while(|other| *other != line).skip(1);
            if let Some(version) = lines.next().and_then(|line| line.strip_prefix("version = ")) {
                let version = format!("{name} {}", version.trim_matches('"'));
                if !versions.contains(&version) {
                    versions.push(version);
                }
            }
        }
    }
    versions
}

fn size(path: &Path) -> (String, u64) {
    let name = path.file_stem().unwrap_or_default().display().to_string();
    (name, fs::metadata(path).map_or(0, |metadata| metadata.len()))
}
