//! Time.

use crate::reply::{self, Answer};
use wasip3::clocks::monotonic_clock::wait_for;
use wasip3::{spawn_local, wit_stream};

const HOUR_NS: u64 = 3_600_000_000_000;

pub async fn sleep(ms: u64) -> Answer {
    wait_for(ms.saturating_mul(1_000_000)).await;
    reply::text(200, format!("slept {ms}"))
}

/// Waits for bytes that nobody else can send: it holds the other end itself. A future that is never ready would not do:
/// the bindings take a task that waits for nothing of the host's for a mistake, and trap.
pub async fn never() -> Answer {
    let (_held, mut bytes) = wit_stream::new::<u8>();
    bytes.read(Vec::with_capacity(1)).await;
    reply::text(200, "never came".to_owned())
}

/// Answers like a good citizen, and leaves a task behind that waits for hours.
pub fn linger() -> Answer {
    let answer = reply::text(200, "answered".to_owned());
    spawn_local(async {
        loop {
            wait_for(HOUR_NS).await;
        }
    });
    answer
}
