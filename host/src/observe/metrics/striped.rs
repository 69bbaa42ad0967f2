//! Counters that threads do not fight over.
//!
//! Two cores that add to one atomic pass its cache line back and forth, at some 60 ns a time; a call touches half a
//! dozen counters. So each is kept several times, a thread adds to the copy of its stripe, and whoever reads sums up.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};

/// More copies than this cost more memory than they save time.
const STRIPES_MAX: usize = 32;

static STRIPES: LazyLock<usize> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    cores.next_power_of_two().clamp(2, STRIPES_MAX)
});

/// The stripe of the thread that asks. Threads take turns, so that the serving ones, started together, get one each.
fn stripe() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: usize = NEXT.fetch_add(1, Ordering::Relaxed) % *STRIPES;
    }
    MINE.with(|mine| *mine)
}

/// A value in a pair of cache lines of its own; processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Padded<T>(pub(super) T);

/// One `T` for each stripe, made when a thread of the stripe first asks for it.
pub(super) struct Striped<T>(Box<[OnceLock<Arc<Padded<T>>>]>);

impl<T: Default> Striped<T> {
    /// The copy of this thread. There always is one; the `Option` spares a panic that would be dead code.
    pub(super) fn mine(&self) -> Option<&Arc<Padded<T>>> {
        Some(self.0.get(stripe())?.get_or_init(Arc::default))
    }

    /// All copies there are, to be summed up.
    pub(super) fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter().filter_map(|copy| copy.get()).map(|copy| &copy.0)
    }
}

impl<T> Default for Striped<T> {
    fn default() -> Self {
        Self((0..*STRIPES).map(|_| OnceLock::new()).collect())
    }
}

impl<T> fmt::Debug for Striped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Striped").finish_non_exhaustive()
    }
}
