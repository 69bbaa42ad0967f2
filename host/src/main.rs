//! The `hostel` binary.

use std::process::ExitCode;

// Calls are many small allocations on several threads, which is what it is good at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    hostel::cli::main().into()
}
