//! Puts into the binary what it must have with it: the guest SDK and the templates of `hostel new`, and for
//! `--version` the commit and the version of wasmtime.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let host = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let project = host.parent().ok_or("the host crate has no parent folder")?;
    println!("cargo::rerun-if-changed=build.rs");

    let embedded = embed(&project.join("guest-sdk"), &host.join("templates"))?;
    fs::write(Path::new(&env::var("OUT_DIR")?).join("embedded.rs"), embedded)?;

    let lock = project.join("Cargo.lock");
    println!("cargo::rerun-if-changed={}", lock.display());
    let wasmtime = fs::read_to_string(lock).ok().and_then(|lock| version_in(&lock, "wasmtime"));
    set("HOSTEL_WASMTIME_VERSION", wasmtime);
    set("HOSTEL_GIT_REV", git_revision(project));
    Ok(())
}

fn set(variable: &str, value: Option<String>) {
    let value = value.unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env={variable}={value}");
}

/// Rust source with the files of the SDK and of each template, as pairs of path and content.
fn embed(sdk: &Path, templates: &Path) -> Result<String> {
    let mut source = String::from("type Files = &'static [(&'static str, &'static [u8])];\n\n");
    // Not the folder itself: a build inside it would count as a change.
    for entry in entries(sdk)? {
        println!("cargo::rerun-if-changed={}", entry.display());
    }
    println!("cargo::rerun-if-changed={}", templates.display());

    source.push_str("pub(super) const SDK: Files = ");
    list(&mut source, sdk)?;
    source.push_str(";\n\npub(super) const TEMPLATES: &[(&str, Files)] = &[\n");
    for template in entries(templates)?.iter().filter(|path| path.is_dir()) {
        let name = template.file_name().unwrap_or_default().to_string_lossy();
        write!(source, "({name:?}, ")?;
        list(&mut source, template)?;
        source.push_str("),\n");
    }
    source.push_str("];\n");
    Ok(source)
}

fn list(source: &mut String, root: &Path) -> Result<()> {
    let mut files = Vec::new();
    collect(root, &mut files)?;
    source.push_str("&[\n");
    for file in files {
        let path = file.strip_prefix(root)?;
        // The same on every system, whatever separates folders there.
        let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
        writeln!(source, "({:?}, include_bytes!({file:?})),", parts.join("/"))?;
    }
    source.push(']');
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for path in entries(folder)? {
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// What belongs to the sources in a folder, in a fixed order. Build output and lock files do not.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        // A test looks for the templates; the host can be built without.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| format!("{}: {error}", folder.display()))?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        if name != "target" && name != "Cargo.lock" {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// The version of a package in the text of a `Cargo.lock`.
fn version_in(lock: &str, package: &str) -> Option<String> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name);
    let version = lines.nth(1)?.strip_prefix("version = \"")?;
    Some(version.trim_end_matches('"').to_owned())
}

/// The commit, `-dirty` when files differ from it; nothing without git or outside a repository.
fn git_revision(project: &Path) -> Option<String> {
    let git = |arguments: &[&str]| {
        let output =
            Command::new("git").arg("--no-optional-locks").args(arguments).current_dir(project).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    // It changes with every commit and checkout, and unlike the index with nothing else. So the mark `-dirty` is
    // right for a fresh build, which releases are, and may be stale while one edits.
    let log = project.join(git(&["rev-parse", "--git-path", "logs/HEAD"])?);
    if log.exists() {
        println!("cargo::rerun-if-changed={}", log.display());
    }
    let revision = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changes = git(&["status", "--porcelain", "--untracked-files=no"])?;
    Some(match changes.as_str() {
        "" => revision,
        _ => format!("{revision}-dirty"),
    })
}
