//! How much a guest may log: lines a second with a burst, and bytes a line.
//!
//! The limiter is the generic cell rate algorithm (ITU-T I.371, annex A), a token bucket whose whole state is one
//! instant: the time at which the bucket would be full again. One atomic holds it, so that all instances of a
//! service share a limiter without a lock.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What to do with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admit {
    /// Log it.
    Yes,
    /// Log it, after a line that tells how many were dropped since the last line that was logged.
    YesAfterDropping(u64),
    /// Drop it; it has been counted.
    No,
}

/// Limits lines per second, all callers together.
#[derive(Debug)]
pub struct LineLimiter {
    /// Instants are kept as nanoseconds since this one.
    origin: Instant,
    /// Nanoseconds that one line takes to be earned back; 0 for no limit.
    line_ns: u64,
    /// How far ahead of now the bucket may be in debt.
    burst_ns: u64,
    /// When the bucket will be full again.
    full_at_ns: AtomicU64,
    dropped: AtomicU64,
}

impl LineLimiter {
    /// Lets `lines_per_s` lines a second pass, and `burst_lines` (at least one) at once after a silence.
    ///
    /// `lines_per_s` of 0 sets no limit.
    pub fn new(lines_per_s: u32, burst_lines: u32, now: Instant) -> Self {
        let line_ns = match lines_per_s {
            0 => 0,
            rate => 1_000_000_000 / u64::from(rate),
        };
        Self {
            origin: now,
            line_ns,
            burst_ns: line_ns.saturating_mul(u64::from(burst_lines.max(1))),
            full_at_ns: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        }
    }

    /// Whether a line may be logged now. Never waits; a `now` from before [`LineLimiter::new`] counts as that time.
    pub fn admit(&self, now: Instant) -> Admit {
        if self.line_ns == 0 {
            return Admit::Yes;
        }
        let now_ns = nanos(now.saturating_duration_since(self.origin));
        let take = |full_at: u64| {
            let taken = full_at.max(now_ns).saturating_add(self.line_ns);
            (taken - now_ns <= self.burst_ns).then_some(taken)
        };
        match self.full_at_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            Ok(_) => match self.dropped.swap(0, Ordering::Relaxed) {
                0 => Admit::Yes,
                lines => Admit::YesAfterDropping(lines),
            },
            Err(_) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                Admit::No
            }
        }
    }

    /// How many lines were dropped and not told of yet; for the last word when a service ends.
    pub fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Ordering::Relaxed)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// `line` cut at a character boundary to at most `bytes_max` bytes, with a marker of how much is missing behind it.
pub fn truncate(line: &str, bytes_max: usize) -> Cow<'_, str> {
    let kept = line.get(..line.floor_char_boundary(bytes_max)).unwrap_or_default();
    match line.len() - kept.len() {
        0 => Cow::Borrowed(line),
        missing => Cow::Owned(format!("{kept}… [{missing} bytes cut]")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_then_the_rate() {
        let limiter = LineLimiter::new(10, 5, now());
        let burst: Vec<Admit> = (0..8).map(|_| limiter.admit(now())).collect();
        assert_eq!(burst[..5], [Admit::Yes; 5]);
        assert_eq!(burst[5..], [Admit::No; 3]);
        tokio::time::advance(Duration::from_millis(99)).await;
        assert_eq!(limiter.admit(now()), Admit::No);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(limiter.admit(now()), Admit::YesAfterDropping(4));
        assert_eq!(limiter.admit(now()), Admit::No);
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(limiter.admit(now()), Admit::YesAfterDropping(1));
        let after_silence = (0..10).filter(|_| limiter.admit(now()) == Admit::Yes).count();
        assert_eq!(after_silence, 4);
        assert_eq!(limiter.take_dropped(), 6);
        assert_eq!(limiter.take_dropped(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn zero_is_no_limit_and_time_may_stand_or_go_back() {
        let start = now();
        let unlimited = LineLimiter::new(0, 0, start);
        assert!((0..1000).all(|_| unlimited.admit(start) == Admit::Yes));
        tokio::time::advance(Duration::from_secs(1)).await;
        let limiter = LineLimiter::new(1, 0, now());
        assert_eq!(limiter.admit(start), Admit::Yes);
        assert_eq!(limiter.admit(start), Admit::No);
    }

    #[test]
    fn no_line_passes_twice_between_threads() {
        let start = Instant::now();
        let limiter = LineLimiter::new(1, 100, start);
        let passed: usize = std::thread::scope(|scope| {
            let count = || (0..1000).filter(|_| limiter.admit(start) != Admit::No).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(passed, 100);
    }

    #[test]
    fn lines_are_cut_between_characters() {
        assert_eq!(truncate("héllo", 6), "héllo");
        assert_eq!(truncate("héllo", 2), "h… [5 bytes cut]");
        assert_eq!(truncate("héllo", 3), "hé… [3 bytes cut]");
        assert_eq!(truncate("é", 0), "… [2 bytes cut]");
        assert_eq!(truncate("", 0), "");
    }
}
