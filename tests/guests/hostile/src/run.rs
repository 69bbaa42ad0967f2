//! Processor time, stack, ways to die, and noise.

use crate::reply::{self, Answer};
use std::hint::black_box;
use std::time::{Duration, Instant};
use wasip3::spawn_local;

/// Loops without end and without one call to the host.
pub fn spin() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// Loops for a time, asking the clock now and then.
pub fn spin_ms(ms: u64) -> Answer {
    let end = Instant::now() + Duration::from_millis(ms);
    let mut turns = 0_u64;
    while Instant::now() < end {
        for _ in 0..10_000 {
            turns = black_box(turns.wrapping_add(1));
        }
    }
    reply::text(200, format!("spun {ms} ms"))
}

/// Answers like a good citizen, and spins in a task that outlives the answer.
pub fn spin_later() -> Answer {
    let answer = reply::stream(200, reply::fields(&[])?, async |mut to| {
        to.write_all(b"answered\n".to_vec()).await;
        Ok(None)
    });
    spawn_local(async {
        // Long enough for the answer to be on its way.
        wasip3::clocks::monotonic_clock::wait_for(50_000_000).await;
        spin();
    });
    answer
}

/// Recurses until the stack is used up: small frames, so that it is the host's own stack that ends first.
pub fn recurse() -> Answer {
    #[inline(never)]
    #[expect(unconditional_recursion, reason = "that is the point")]
    fn deeper(depth: u64) -> u64 {
        // Using the result afterwards keeps the compiler from turning the recursion into a loop.
        black_box(deeper(black_box(depth + 1))).wrapping_add(depth)
    }
    reply::text(200, format!("came back from {}", deeper(0)))
}

pub fn trap() -> ! {
    core::arch::wasm32::unreachable()
}

/// Writes lines of 80 bytes to both outputs in turn, `lines` in all.
pub fn log_flood(lines: u64) -> Answer {
    for line in 0..lines {
        if line % 2 == 0 {
            eprintln!("{line:012} on standard error, {}", "and on ".repeat(6));
        } else {
            println!("{line:012} on standard output, {}", "and on ".repeat(6));
        }
    }
    reply::text(200, format!("wrote {lines} lines"))
}

/// Writes one line that is much longer than a line should be.
pub fn log_line(kib: usize) -> Answer {
    eprintln!("{}", "x".repeat(kib * 1024));
    reply::text(200, format!("wrote one line of {kib} KiB"))
}
