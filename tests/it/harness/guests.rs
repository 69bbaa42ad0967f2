//! The guests the tests run. They are built once per run of the tests, and found where cargo puts them.
//!
//! A guest is claimed by a test that uses its constant: one that nobody uses is dead code, which `main` forbids. That
//! every folder in `tests/guests` has a constant is tested in `tidy`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use rustix::fs::{FlockOperation, flock};

use super::paths::{guests_target, root, scratch};

pub struct Guest {
    /// The folder, the crate and the service.
    pub name: &'static str,
    file: &'static str,
}

macro_rules! guests {
    ($($constant:ident = $name:literal at $file:literal;)*) => {
        $(pub const $constant: Guest = Guest { name: $name, file: $file };)*
        /// All of the above by name; does not count as use.
        pub const NAMES: &[&str] = &[$($name),*];
    };
}

guests! {
    ECHO = "echo" at "wasm32-wasip2/release/echo.wasm";
    HOSTILE = "hostile" at "wasm32-wasip2/release/hostile.wasm";
    HOSTILE2 = "hostile2" at "wasm32-wasip2/release/hostile2.wasm";
    HOSTILE_LEAN = "hostile-lean" at "wasm32-wasip2/release/hostile_lean.wasm";
    INTEROP = "interop" at "wasm32-wasip2/release/interop.wasm";
    INTEROP_CALLER = "interop-caller" at "wasm32-wasip2/release/interop_caller.wasm";
    LEAN_BARE = "lean-bare" at "wasm32-wasip2/release/lean_bare.wasm";
    LIBRARY = "library" at "wasm32-wasip2/release/library.wasm";
    MARKED = "marked" at "wasm32-wasip2/release/marked.wasm";
    PYTHON_HELLO = "python-hello" at "python-hello.wasm";
    RELAY = "relay" at "wasm32-wasip2/release/relay.wasm";
    WASIP3_HELLO = "wasip3-hello" at "wasm32-wasip2/release/wasip3_hello.wasm";
    WSTD_HELLO = "wstd-hello" at "wasm32-wasip2/release/wstd_hello.wasm";
}

impl Guest {
    pub fn path(&self) -> PathBuf {
        built(&guests_target().join(self.file))
    }

    pub fn bytes(&self) -> Vec<u8> {
        fs::read(self.path()).expect("a guest can be read")
    }
}

/// A service of the shop, as a component.
pub fn shop(name: &str) -> Vec<u8> {
    let file = guests_target().join(format!("wasm32-wasip2/release/{name}.wasm"));
    fs::read(built(&file)).expect("a service of the shop can be read")
}

/// The guest `marked` with another marker, and so another version with another digest.
pub fn marked(marker: u32) -> Vec<u8> {
    const PLACE: &[u8] = b"marker:00000000;";
    let mut wasm = MARKED.bytes();
    let found: Vec<usize> = (0..wasm.len() - PLACE.len()).filter(|at| wasm[*at..].starts_with(PLACE)).collect();
    assert_eq!(found.len(), 1, "the marker is in the guest once");
    let text = marker_text(marker);
    wasm[found[0]..][..PLACE.len()].copy_from_slice(text.as_bytes());
    wasm
}

/// What the guest `marked` with this marker says of itself.
pub fn marker_text(marker: u32) -> String {
    format!("marker:{marker:08};")
}

fn built(file: &Path) -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(build_once);
    assert!(file.exists(), "{} was not built", file.display());
    file.to_owned()
}

/// Builds all guests, unless `HOSTEL_GUESTS_BUILT` says that somebody has, or an earlier process of the same run did.
fn build_once() {
    if std::env::var_os("HOSTEL_GUESTS_BUILT").is_some_and(|value| value == "1") {
        return;
    }
    let lock = File::create(scratch().join("guests.lock")).expect("a lock file can be made");
    flock(&lock, FlockOperation::LockExclusive).expect("lock the guests");
    // With nextest each test is a process of its own; the run has a name.
    let run = std::env::var("NEXTEST_RUN_ID").ok();
    let stamp = scratch().join("guests.run");
    if run.is_some() && fs::read_to_string(&stamp).ok() == run {
        return;
    }
    let root = root();
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--release", "--target", "wasm32-wasip2"])
        .arg("--manifest-path")
        .arg(root.join("modules/Cargo.toml"))
        .arg("--target-dir")
        .arg(guests_target());
    run_build(&mut cargo);
    run_build(&mut Command::new(root.join("tests/guests/python-hello/build.sh")));
    if let Some(run) = run {
        fs::write(&stamp, run).expect("target can be written");
    }
}

fn run_build(command: &mut Command) {
    // What configures the build of the host is not meant for guests.
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET"] {
        command.env_remove(name);
    }
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?} failed:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
