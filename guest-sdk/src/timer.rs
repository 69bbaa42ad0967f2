//! [`sleep`].

use std::time::Duration;

#[cfg(all(target_family = "wasm", not(feature = "portable")))]
use crate::bindings::wasi::clocks::monotonic_clock::wait_for;
#[cfg(all(target_family = "wasm", feature = "portable"))]
use wasip3::clocks::monotonic_clock::wait_for;

/// Waits. Other calls that share the instance go on meanwhile; whoever called gives up at the call's deadline.
///
/// In native builds it blocks the thread.
pub async fn sleep(duration: Duration) {
    #[cfg(target_family = "wasm")]
    {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        // The call is not `Send`, and futures of handlers must be.
        crate::single_thread::SingleThread(wait_for(nanos)).await;
    }
    #[cfg(not(target_family = "wasm"))]
    std::thread::sleep(duration);
}
