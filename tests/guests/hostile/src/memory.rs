//! The guest's own memory, and the host's memory that a guest can make it use.

use crate::reply::{self, Answer};
use std::cell::RefCell;
use wasip3::clocks::monotonic_clock::wait_for;
use wasip3::http::types::Fields;
use wasip3::{spawn_local, wit_stream};

const MIB: usize = 1024 * 1024;

thread_local! {
    /// What `/eat/{mib}` has taken and never gives back.
    static HELD: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Allocates until it is refused, says how far it got, and gives all of it back to its own allocator. The memory
/// of the instance stays as large as it became.
pub fn eat_all() -> Answer {
    let mut eaten = Vec::new();
    while let Some(block) = mib_block() {
        eaten.push(block);
    }
    let mib = eaten.len();
    drop(eaten);
    reply::text(200, format!("{mib} MiB, then refused"))
}

/// Allocates so much more and holds it as long as the instance lives.
pub fn eat(mib: usize) -> Answer {
    let held = HELD.with_borrow_mut(|held| {
        for _ in 0..mib {
            match mib_block() {
                Some(block) => held.push(block),
                None => return Err(held.len()),
            }
        }
        Ok(held.len())
    });
    match held {
        Ok(held) => reply::text(200, format!("holding {held} MiB")),
        Err(held) => reply::text(507, format!("refused, holding {held} MiB")),
    }
}

/// A block of one MiB, each byte of it written to.
fn mib_block() -> Option<Vec<u8>> {
    let mut block = Vec::new();
    block.try_reserve_exact(MIB).ok()?;
    block.resize(MIB, 1);
    Some(block)
}

/// Makes the host keep `count` things on its side of the boundary, where no limit on the guest's memory counts them.
pub async fn hoard(what: &str, count: u64) -> Answer {
    match what {
        // A resource each, of the `wasi:http` kind.
        "handles" => hold(count, |_| Some(Fields::new())).await,
        // One resource that grows, a KiB at a time, under one name that repeats.
        "fields" => {
            let fields = Fields::new();
            hold(count, |_| fields.append("x-hoard", &[b'x'; 1024]).ok()).await
        }
        // Both ends of a stream each.
        "streams" => hold(count, |_| Some(wit_stream::new::<u8>())).await,
        // A pending call into the host each.
        "timers" => {
            for _ in 0..count {
                spawn_local(async { wait_for(u64::MAX).await });
            }
            reply::text(200, format!("holding {count}"))
        }
        _ => reply::text(404, format!("cannot hoard {what}")),
    }
}

/// Calls `make` until it is refused or `count` are held, answers while holding all of them, and gives them back only
/// when the answer has been taken.
async fn hold<T: 'static>(count: u64, mut make: impl FnMut(u64) -> Option<T>) -> Answer {
    let mut held = Vec::new();
    let mut refused = false;
    for number in 0..count {
        match make(number) {
            Some(thing) => held.push(thing),
            None => {
                refused = true;
                break;
            }
        }
    }
    let report = format!("holding {}{}\n", held.len(), if refused { ", then refused" } else { "" });
    reply::stream(200, reply::fields(&[])?, async move |mut to| {
        to.write_all(report.into_bytes()).await;
        drop(held);
        Ok(None)
    })
}
