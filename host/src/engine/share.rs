//! Who has to make room for whom on the serving threads.
//!
//! A service that uses much CPU time, be it in long computations or in floods of short calls, must not make one wait
//! that uses little. Each service has a debt: the CPU time of its instances, less what it earns by the passing of time.
//! One in debt beyond a burst is *heavy*. While services that are not have something to do, the instances of all heavy
//! ones together may be on one thread fewer than there are; when there are only heavy ones, on all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

/// What a service earns: half a core.
const EARNED_PER_SECOND: Duration = Duration::from_millis(500);
/// How much debt does not matter yet.
const BURST: Duration = Duration::from_millis(10);
/// Debt does not grow beyond this, so that a service is light again soon after it has calmed down.
const DEBT_MAX: Duration = Duration::from_millis(100);
/// How long after a light service ran the heavy ones make room: it is likely to run again.
const ROOM: Duration = Duration::from_millis(20);

/// Calls that take less than this of a turn are brief: small ones, or such that compute a little.
const BRIEF: Duration = Duration::from_micros(100);

/// What all services share.
pub(super) struct Threads {
    base: Instant,
    /// Places for heavy instances, while they have to make room.
    places: Arc<Semaphore>,
    light_ran_nanos: AtomicU64,
    /// When a heavy instance had to make room.
    crowded_nanos: AtomicU64,
}

impl Threads {
    pub(super) fn new(threads: usize) -> Arc<Self> {
        Arc::new(Self {
            base: Instant::now(),
            places: Arc::new(Semaphore::new(threads.saturating_sub(1).max(1))),
            light_ran_nanos: AtomicU64::new(0),
            crowded_nanos: AtomicU64::new(0),
        })
    }

    pub(super) fn places(&self) -> Arc<Semaphore> {
        self.places.clone()
    }

    fn nanos_at(&self, now: Instant) -> u64 {
        nanos(now.saturating_duration_since(self.base))
    }
}

/// The share of one service.
pub(super) struct Share {
    threads: Arc<Threads>,
    /// When the debt would be paid if nothing were added: one number holds debt and time.
    paid_nanos: AtomicU64,
    /// How much of a turn of an instance each call took that had a part in it, lately.
    call_nanos: AtomicU64,
}

impl Share {
    pub(super) fn new(threads: Arc<Threads>) -> Self {
        Self { threads, paid_nanos: AtomicU64::new(0), call_nanos: AtomicU64::new(0) }
    }

    /// Whether an instance of the service needs a place to run now.
    pub(super) fn needs_place(&self, now: Instant) -> bool {
        let now = self.threads.nanos_at(now);
        let light_ran = self.threads.light_ran_nanos.load(Ordering::Relaxed);
        let needed = self.is_heavy(now) && now.saturating_sub(light_ran) < nanos(ROOM) && light_ran > 0;
        if needed {
            self.threads.crowded_nanos.store(now.max(1), Ordering::Relaxed);
        }
        needed
    }

    /// Whether its calls are over so soon that several on one instance do not keep each other waiting.
    pub(super) fn is_brief(&self) -> bool {
        self.call_nanos.load(Ordering::Relaxed) < nanos(BRIEF)
    }

    /// Whether calls to the service must not wait for others that are ready: it uses little, and others have to make room.
    pub(super) fn goes_first(&self) -> bool {
        let crowded = self.threads.crowded_nanos.load(Ordering::Relaxed);
        if crowded == 0 {
            // Nearly always, and then not worth a look at the clock.
            return false;
        }
        let now = self.threads.nanos_at(Instant::now());
        now.saturating_sub(crowded) < nanos(ROOM) && !self.is_heavy(now)
    }

    /// An instance of the service was on a thread for this long, until now, and began or ended so many calls.
    pub(super) fn ran(&self, spent: Duration, calls: u64, now: Instant) {
        let now = self.threads.nanos_at(now);
        // A moving average. Two threads may lose each other's turn, which does not matter.
        let call = self.call_nanos.load(Ordering::Relaxed);
        self.call_nanos.store(call - call / 8 + nanos(spent) / calls.max(1) / 8, Ordering::Relaxed);
        let scale = 1_000_000_000 / nanos(EARNED_PER_SECOND).max(1);
        let added = nanos(spent).saturating_mul(scale);
        let _ = self.paid_nanos.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |paid| {
            Some((paid.max(now) + added).min(now + nanos(DEBT_MAX).saturating_mul(scale)))
        });
        if !self.is_heavy(now) {
            self.threads.light_ran_nanos.store(now.max(1), Ordering::Relaxed);
        }
    }

    fn is_heavy(&self, now: u64) -> bool {
        let scale = 1_000_000_000 / nanos(EARNED_PER_SECOND).max(1);
        self.paid_nanos.load(Ordering::Relaxed) > now + nanos(BURST).saturating_mul(scale)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_heavy_services_make_room_and_only_for_light_ones() {
        let threads = Threads::new(2);
        let (heavy, light) = (Share::new(threads.clone()), Share::new(threads));
        let now = Instant::now();
        heavy.ran(BURST * 3, 1, now);
        assert!(!heavy.needs_place(now), "there is nobody to make room for");
        light.ran(Duration::from_micros(50), 1, now);
        assert!(!light.goes_first(), "nobody had to make room yet");
        assert!(heavy.needs_place(now));
        assert!(light.goes_first() && !heavy.goes_first());
        assert!(!light.needs_place(now));
    }

    #[test]
    fn a_service_that_computes_is_not_brief_until_it_is_again() {
        let share = Share::new(Threads::new(2));
        let turns = |spent: Duration, calls: u64| (0..32).for_each(|_| share.ran(spent, calls, Instant::now()));
        assert!(share.is_brief());
        turns(Duration::from_millis(1), 1);
        assert!(!share.is_brief());
        turns(Duration::from_micros(20), 1);
        assert!(share.is_brief());
        turns(Duration::from_millis(1), 0);
        assert!(!share.is_brief(), "it goes on computing");
        turns(Duration::from_millis(1), 32);
        assert!(share.is_brief(), "many small calls are no long one");
    }

    #[test]
    fn debt_is_bounded() {
        let share = Share::new(Threads::new(2));
        let now = Instant::now();
        share.ran(Duration::from_secs(3600), 1, now);
        let after_it_is_paid = share.threads.nanos_at(now) + nanos(DEBT_MAX) * 3;
        assert!(!share.is_heavy(after_it_is_paid));
    }
}
