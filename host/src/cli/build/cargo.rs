//! Running cargo, and getting the target when it is missing.

use std::env;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde::Deserialize;

use super::selection::Workspace;
use super::{BuildDoor, Options, Profile};

const TARGET: &str = "wasm32-wasip2";

/// What cargo made of a crate.
pub(super) struct Product {
    /// The crate's name.
    pub(super) name: String,
    /// The component, in cargo's folders.
    pub(super) file: PathBuf,
    pub(super) elapsed: Duration,
}

/// A program of the Rust tool chain, run in `dir` so that its `rust-toolchain.toml` holds.
pub(super) fn command(program: &str, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(dir);
    // Under `cargo run` and `cargo test` this variable, which outranks the file, is that of the outer crate.
    if env::var_os("CARGO").is_some() && has_toolchain_file(dir) {
        command.env_remove("RUSTUP_TOOLCHAIN");
    }
    command
}

fn has_toolchain_file(dir: &Path) -> bool {
    let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    dir.ancestors().any(|dir| ["rust-toolchain.toml", "rust-toolchain"].iter().any(|name| dir.join(name).is_file()))
}

/// Standard output of a command that must succeed; its standard error is shown to the user.
pub(super) fn output(command: &mut Command) -> anyhow::Result<Vec<u8>> {
    let shown = shown(command);
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| not_run(command, &error))?;
    anyhow::ensure!(output.status.success(), "`{shown}` failed");
    Ok(output.stdout)
}

fn not_run(command: &Command, error: &io::Error) -> anyhow::Error {
    let program = command.get_program().to_string_lossy().into_owned();
    match error.kind() {
        io::ErrorKind::NotFound => anyhow::anyhow!(
            "`{program}` was not found; install Rust from https://rustup.rs and see that it is on the PATH"
        ),
        _ => anyhow::anyhow!("`{program}` cannot be run: {error}"),
    }
}

fn shown(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}

/// Sees to it that the tool chain used in `dir` can compile for the target.
pub(super) fn ensure_target(dir: &Path) -> anyhow::Result<()> {
    // Whoever builds the standard library from source needs no compiled one.
    if env::var_os("CARGO_UNSTABLE_BUILD_STD").is_some() || has_target(dir)? {
        return Ok(());
    }
    eprintln!("adding the target {TARGET} (rustup target add {TARGET})");
    let status = command("rustup", dir).args(["target", "add", TARGET]).status();
    let advice = format!("with a network, run `rustup target add {TARGET}` once in {}", dir.display());
    match status {
        Ok(status) if status.success() && has_target(dir)? => Ok(()),
        Ok(_) => bail!("the target {TARGET} could not be added; {advice}"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => bail!(
            "the target {TARGET} is not installed, and rustup, which could add it, was not found; install Rust from \
             https://rustup.rs, or the package of your system that has the standard library for {TARGET}"
        ),
        Err(error) => bail!("rustup cannot be run ({error}); {advice}"),
    }
}

fn has_target(dir: &Path) -> anyhow::Result<bool> {
    let mut rustc = command("rustc", dir);
    rustc.args(["--print", "target-libdir", "--target", TARGET]);
    let output = output(&mut rustc)?;
    let libdir = String::from_utf8_lossy(&output);
    Ok(Path::new(libdir.trim()).is_dir())
}

/// One line of cargo's output.
#[derive(Deserialize)]
struct Message {
    reason: String,
    package_id: Option<String>,
    target: Option<MessageTarget>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct MessageTarget {
    kind: Vec<String>,
}

/// Compiles the packages of a workspace; `start` is when the whole build began.
pub(super) fn build(workspace: &Workspace, options: &Options, start: Instant) -> anyhow::Result<Vec<Product>> {
    let mut cargo = command("cargo", &workspace.root);
    cargo.args(["build", "--target", TARGET]);
    // What cargo prints for people goes to standard error, the messages for us to standard output.
    cargo.arg("--message-format=json-render-diagnostics");
    if options.profile == Profile::Release {
        cargo.arg("--release");
    }
    for package in &workspace.packages {
        cargo.args(["--package", &package.id]);
    }
    // Crates without the SDK have no such feature, and cargo minds only when no crate has it.
    let sdk_is_used = workspace.packages.iter().any(|package| package.uses_sdk());
    if options.door == BuildDoor::Portable && sdk_is_used {
        cargo.args(["--features", "hostel-sdk/portable"]);
    }
    if let Some(target_dir) = target_dir(workspace, options)? {
        cargo.arg("--target-dir").arg(target_dir);
    }
    let mut child = cargo.stdout(Stdio::piped()).spawn().map_err(|error| not_run(&cargo, &error))?;
    let mut products = Vec::new();
    let read = child.stdout.take().map_or(Ok(()), |stdout| {
        BufReader::new(stdout).lines().try_for_each(|line| {
            let line = line?;
            match serde_json::from_str::<Message>(&line) {
                Ok(message) => products.extend(product(workspace, message, start)),
                // A build script's chatter.
                Err(_) => eprintln!("{line}"),
            }
            Ok::<_, io::Error>(())
        })
    });
    let status = child.wait().context("cargo cannot be waited for")?;
    read.context("cargo's output cannot be read")?;
    anyhow::ensure!(status.success(), "cargo build failed; its errors are above");
    for package in &workspace.packages {
        let name = &package.name;
        anyhow::ensure!(
            products.iter().any(|product| product.name == *name),
            "cargo built `{name}`, but no .wasm file came of it"
        );
    }
    Ok(products)
}

/// The product that a message speaks of, if it is one of ours.
fn product(workspace: &Workspace, message: Message, start: Instant) -> Option<Product> {
    let is_service = message.target?.kind.iter().any(|kind| kind == "cdylib");
    if message.reason != "compiler-artifact" || !is_service {
        return None;
    }
    let id = message.package_id?;
    let package = workspace.packages.iter().find(|package| package.id == id)?;
    let is_wasm = |file: &PathBuf| file.extension().is_some_and(|ending| ending == "wasm");
    Some(Product {
        name: package.name.clone(),
        file: message.filenames.into_iter().find(is_wasm)?,
        elapsed: start.elapsed(),
    })
}

/// Where cargo is told to put its files; `None` leaves it to cargo.
///
/// A project's `modules/` shares the `target` folder of the project around it, where what is ignored and cleaned
/// already is. It gets a folder of its own there: two builds at once would otherwise wait for each other.
fn target_dir(workspace: &Workspace, options: &Options) -> anyhow::Result<Option<PathBuf>> {
    if let Some(given) = &options.target_dir {
        // Cargo runs in another folder.
        return Ok(Some(std::path::absolute(given)?));
    }
    let root = &workspace.root;
    let chosen_elsewhere = workspace.target_dir != root.join("target");
    let is_modules = root.file_name().is_some_and(|name| name == "modules");
    let project = root.parent().filter(|parent| parent.join("Cargo.toml").is_file());
    Ok(match project {
        Some(project) if is_modules && !chosen_elsewhere => Some(project.join("target/guests")),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
