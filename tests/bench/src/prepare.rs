//! Building what is measured, and laying out the folders it runs in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::component;

/// The manifest of a module whose instances serve one call each.
const FRESH_MANIFEST: &str = "[instances]\nreuse_max = 1\nconcurrency = 1\n";

/// Of modules through which much is streamed: it takes longer than calls usually may.
const STREAM_MANIFEST: &str = "[limits]\nwall_ms = 60000\ncpu_ms = 60000\n";
const STREAM_CONFIG: &str = "[edge]\nrequest_timeout_ms = 60000\n";

/// Of a module whose calls wait all on one instance.
const WAIT_MANIFEST: &str = "[instances]\nmax = 1\nconcurrency = 1000\n";

/// Modules that have an instance for each call, and their manifest.
pub(crate) const BURST_FRONTS: [&str; 4] = ["burst-front-1", "burst-front-2", "burst-front-3", "burst-front-4"];
const BURST_MANIFEST: &str = "[instances]\nconcurrency = 1\n";

/// With room for the instances of all services.
const SERVICES_CONFIG: &str = "[engine]\ninstances_max = 5000\ncompile_threads = 2\n";

/// Of services that give back their instances soon after they were used.
const SERVICES_MANIFEST: &str = "[instances]\nidle_s = 5\n";

/// What fits under an instrument, with a clock that is slower by as much as everything else is.
const INSTRUCTIONS_CONFIG: &str = "[engine]\ninstances_max = 4\nmemory_mib_max = 128\nthreads = 1\ntick_ms = 50\n";

/// The project's folder.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// What the measurements need. Everything but the programs is below `target/bench`.
pub(crate) struct Files {
    /// The host's program.
    pub(crate) hostel: PathBuf,
    /// `wasmtime`, if there is one.
    pub(crate) wasmtime: Option<PathBuf>,
    /// Modules with the lean door, among them one that wants a fresh instance for each call.
    pub(crate) lean: PathBuf,
    /// Modules with the standard door, and one with that of WASI 0.2.
    pub(crate) standard: PathBuf,
    /// The front with the lean door and nothing else.
    pub(crate) alone: PathBuf,
    /// No modules.
    pub(crate) empty: PathBuf,
    /// Front and greeter with limits for streams, and the host's configuration for it.
    pub(crate) stream_lean: PathBuf,
    pub(crate) stream_standard: PathBuf,
    pub(crate) stream_config: PathBuf,
    /// The front in several forms, for its memory to be seen.
    pub(crate) memory_lean: PathBuf,
    pub(crate) memory_standard: PathBuf,
    /// A front, and one that is replaced.
    pub(crate) swap: PathBuf,
    /// Folders with so many modules as their names say. What was compiled of them is kept for the next run.
    pub(crate) services: PathBuf,
    pub(crate) services_config: PathBuf,
    pub(crate) services_data: PathBuf,
    pub(crate) instructions_config: PathBuf,
    pub(crate) instructions_data: PathBuf,
    /// For the data of hosts.
    pub(crate) data: PathBuf,
    pub(crate) logs: PathBuf,
}

/// Builds the host, unless there is one, and the guests for both doors. What earlier runs left is removed.
///
/// # Errors
///
/// When something cannot be built or written.
pub(crate) fn prepare(given: Option<&Path>, wasmtime: Option<PathBuf>, services: &[usize]) -> anyhow::Result<Files> {
    let root = root();
    let hostel = match given {
        Some(hostel) => std::path::absolute(hostel)?,
        None => build_host(&root)?,
    };
    let bench = root.join("target/bench");
    let dir = |name: &str| {
        let dir = bench.join(name);
        remove_dir(&dir)?;
        fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
        anyhow::Ok(dir)
    };
    let config = |name: &str, text: &str| {
        let file = bench.join(name);
        fs::write(&file, text).with_context(|| file.display().to_string())?;
        anyhow::Ok(file)
    };
    let files = Files {
        hostel,
        wasmtime,
        lean: dir("lean")?,
        standard: dir("standard")?,
        alone: dir("alone")?,
        empty: dir("empty")?,
        stream_lean: dir("stream-lean")?,
        stream_standard: dir("stream-standard")?,
        stream_config: config("stream.toml", STREAM_CONFIG)?,
        memory_lean: dir("memory-lean")?,
        memory_standard: dir("memory-standard")?,
        swap: dir("swap")?,
        services: dir("services")?,
        services_config: config("services.toml", SERVICES_CONFIG)?,
        services_data: bench.join("services-data"),
        instructions_config: config("instructions.toml", INSTRUCTIONS_CONFIG)?,
        instructions_data: bench.join("instructions-data"),
        data: dir("data")?,
        logs: dir("logs")?,
    };
    let hostel = &files.hostel;
    // Each door has a folder for cargo, or each run would compile both anew.
    let both = ["bench-front", "bench-greeter"];
    build_guests(&root, hostel, &files.lean, "target/guests", &[], &both)?;
    build_guests(&root, hostel, &files.standard, "target/guests-portable", &["--portable"], &both)?;
    build_guests(&root, hostel, &files.standard, "target/guests", &[], &["wstd-hello"])?;
    lay_out(&files)?;
    lay_out_services(&files, services)?;
    Ok(files)
}

/// The folders that hold the same modules in other forms.
fn lay_out(files: &Files) -> anyhow::Result<()> {
    let copy = |from: &Path, name: &str, to: &Path, new: &str, manifest: Option<&str>| {
        fs::copy(from.join(format!("{name}.wasm")), to.join(format!("{new}.wasm")))?;
        if let Some(manifest) = manifest {
            fs::write(to.join(format!("{new}.toml")), manifest)?;
        }
        anyhow::Ok(())
    };
    let (front, greeter) = ("bench-front", "bench-greeter");
    copy(&files.lean, front, &files.alone, front, None)?;
    copy(&files.lean, front, &files.swap, front, None)?;
    for (from, stream, memory) in [
        (&files.lean, &files.stream_lean, &files.memory_lean),
        (&files.standard, &files.stream_standard, &files.memory_standard),
    ] {
        copy(from, front, stream, front, Some(STREAM_MANIFEST))?;
        copy(from, greeter, stream, greeter, Some(STREAM_MANIFEST))?;
        copy(from, front, memory, front, None)?;
        copy(from, front, memory, "wait-front", Some(WAIT_MANIFEST))?;
        for name in BURST_FRONTS {
            copy(from, front, memory, name, Some(BURST_MANIFEST))?;
        }
    }
    copy(&files.lean, front, &files.lean, "fresh-front", Some(FRESH_MANIFEST))?;
    fs::write(files.standard.join("wstd-hello.toml"), FRESH_MANIFEST)?;
    Ok(())
}

/// A folder for each number of services. They share the files.
fn lay_out_services(files: &Files, counts: &[usize]) -> anyhow::Result<()> {
    let front = fs::read(files.lean.join("bench-front.wasm"))?;
    let all = files.services.join("all");
    fs::create_dir_all(&all)?;
    for &count in counts {
        let dir = files.services.join(count.to_string());
        fs::create_dir_all(&dir)?;
        for number in 0..count {
            let name = format!("{}.wasm", service_name(number));
            let file = all.join(&name);
            if !file.exists() {
                fs::write(&file, component::marked(&front, &number.to_string()))?;
            }
            fs::hard_link(&file, dir.join(&name))?;
            fs::write(dir.join(name).with_extension("toml"), SERVICES_MANIFEST)?;
        }
    }
    Ok(())
}

/// The name of one of many services.
pub(crate) fn service_name(number: usize) -> String {
    format!("service-{number}")
}

/// Removes a folder, if there is one.
///
/// # Errors
///
/// When it cannot be removed.
pub(crate) fn remove_dir(dir: &Path) -> anyhow::Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| dir.display().to_string())?;
    }
    Ok(())
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

fn build_guests(
    root: &Path,
    hostel: &Path,
    out: &Path,
    target_dir: &str,
    options: &[&str],
    guests: &[&str],
) -> anyhow::Result<()> {
    let mut command = Command::new(hostel);
    command.current_dir(root).arg("build").args(options);
    command.args(guests.iter().map(|guest| format!("tests/guests/{guest}")));
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
