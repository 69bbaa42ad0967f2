//! Where things are.

use std::path::{Path, PathBuf};

/// The repository.
pub fn root() -> PathBuf {
    match std::env::var_os("HOSTEL_ROOT") {
        Some(root) => root.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("the crate is in a folder of the repository")
            .to_owned(),
    }
}

/// The program under test: `HOSTEL_BIN`, or the one cargo built beside this test.
pub fn binary() -> PathBuf {
    std::env::var_os("HOSTEL_BIN")
        .map(PathBuf::from)
        .or_else(|| option_env!("CARGO_BIN_EXE_hostel").map(PathBuf::from))
        .expect("set HOSTEL_BIN to the program to test")
}

/// Where guests are built.
pub fn guests_target() -> PathBuf {
    root().join("target/guests")
}

/// Files of the tests that outlive a run: the cache of compiled modules, locks.
pub fn scratch() -> PathBuf {
    let scratch = root().join("target/it");
    std::fs::create_dir_all(&scratch).expect("target/it can be made");
    scratch
}
