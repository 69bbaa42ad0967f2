//! The `hostel` binary.

use std::process::ExitCode;

// Calls are many small allocations on several threads, which is what it is good at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The allocator asks for huge pages. They made no call faster, and an idle host take 14 MB more. Before anything is
    // allocated on other threads; where it cannot be had, it only costs memory.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    hostel::cli::main().into()
}
