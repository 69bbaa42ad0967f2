//! How much memory a test holds: what its thread has allocated and not given back.
//!
//! A test with a runtime on its own thread does everything there, both ends of its links included, so that the numbers are
//! exact, and other tests do not disturb them.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static LIVE: Cell<i64> = const { Cell::new(0) };
    static PEAK: Cell<i64> = const { Cell::new(0) };
    static TOTAL: Cell<i64> = const { Cell::new(0) };
}

/// The system's allocator, counted per thread.
struct Counted;

fn count(bytes: i64) {
    // A thread that ends still frees, and then counts no more.
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + bytes);
        PEAK.with(|peak| peak.set(peak.get().max(live.get())));
        TOTAL.with(|total| total.set(total.get() + bytes.max(0)));
    });
}

#[expect(unsafe_code, reason = "an allocator can be counted only from within")]
// SAFETY: everything is passed on to the system's allocator as it comes; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as i64 - layout.size() as i64);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counted = Counted;

/// Bytes that this thread has allocated, less those it has given back.
pub(super) fn live() -> i64 {
    LIVE.get()
}

/// All bytes that this thread has ever allocated.
pub(super) fn total() -> i64 {
    TOTAL.get()
}

/// Forgets how much it was at most.
pub(super) fn reset_peak() {
    PEAK.set(LIVE.get());
}

/// The most it was since then.
pub(super) fn peak() -> i64 {
    PEAK.get()
}

#[test]
fn what_is_given_back_is_not_held() {
    let before = live();
    reset_peak();
    let held = vec![1u8; 1 << 20];
    assert!(live() >= before + (1 << 20));
    drop(held);
    assert!(live() < before + 1_000 && peak() >= before + (1 << 20));
}
