//! Waiting: for a condition, and not for longer than a deadline.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(5);

/// How long anything may take that has no limit of its own. Generous: the machine may be busy with other tests.
pub const LONG: Duration = Duration::from_secs(30);

/// Waits until `check` says yes. Until then it says what it saw instead, which is in the message when time is up.
pub async fn eventually<T>(what: &str, limit: Duration, mut check: impl AsyncFnMut() -> Result<T, String>) -> T {
    let end = Instant::now() + limit;
    loop {
        let seen = match check().await {
            Ok(value) => return value,
            Err(seen) => seen,
        };
        assert!(Instant::now() < end, "{what}: not within {limit:?}; in the end: {seen}");
        sleep(POLL).await;
    }
}

/// Looks at `check` again and again for `time`; each time it has to hold.
pub async fn throughout(what: &str, time: Duration, mut check: impl AsyncFnMut() -> Result<(), String>) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        if let Err(seen) = check().await {
            panic!("{what}: {seen}");
        }
        sleep(POLL).await;
    }
}

/// The outcome of a future that must not take longer than `limit`.
pub async fn within<F: Future>(what: &str, limit: Duration, future: F) -> F::Output {
    match timeout(limit, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what}: not within {limit:?}"),
    }
}
