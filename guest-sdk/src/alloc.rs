//! The allocator of SDK guests: lists of free blocks in front of the system's allocator.
//!
//! A call makes a few dozen small allocations and frees them again. wasi-libc's allocator takes about two hundred
//! instructions for each such pair, which was a third of what a guest did in a small call; taking a block from a list and
//! putting it back takes twenty.
//!
//! All these blocks are from one region, and only blocks from there go to a list: memory also comes from elsewhere, above all
//! from the host, by `cabi_realloc`, which wasi-libc's part of the guest gives back to wasi-libc. When the region is used up,
//! what is not on a list comes from the system.

use std::{
    alloc::{GlobalAlloc, Layout},
    cell::Cell,
    ptr::{self, NonNull},
};

/// Sizes are rounded up to this, and all blocks have this alignment.
const STEP: usize = 16;
/// Larger blocks come from the system.
const BLOCK_MAX: usize = 1024;
const CLASSES: usize = BLOCK_MAX / STEP;
/// What is asked of the system, once. Only what is touched of it takes memory.
const REGION_BYTES: usize = 512 * 1024;

/// A block that is free, as long as it is free.
struct Free {
    next: Option<NonNull<Free>>,
}

/// Lists of free blocks, one for each size.
pub(crate) struct FreeLists<A> {
    lists: [Cell<Option<NonNull<Free>>>; CLASSES],
    /// Where the region begins; 0 before the first use.
    region: Cell<usize>,
    /// How much of it has been cut off so far.
    used: Cell<usize>,
    system: A,
}

impl<A> FreeLists<A> {
    /// Lists that get their memory from `system`.
    pub(crate) const fn new(system: A) -> Self {
        Self { lists: [const { Cell::new(None) }; CLASSES], region: Cell::new(0), used: Cell::new(0), system }
    }

    fn list(&self, layout: Layout) -> Option<&Cell<Option<NonNull<Free>>>> {
        // Zero sizes do not get here; were one to, it would have no list and go to the system.
        if layout.align() > STEP {
            return None;
        }
        self.lists.get((layout.size().wrapping_sub(1)) / STEP)
    }

    fn is_ours(&self, block: *mut u8) -> bool {
        block.addr().wrapping_sub(self.region.get()) < self.used.get()
    }
}

#[allow(unsafe_code, reason = "an allocator hands out raw memory; the arguments are at each block")]
impl<A: GlobalAlloc> FreeLists<A> {
    /// Cuts a block off the region, or takes one from the system.
    #[cold]
    fn cut(&self, layout: Layout) -> *mut u8 {
        let size = layout.size().next_multiple_of(STEP);
        if self.region.get() == 0 {
            // SAFETY: the layout is not of size zero.
            let region = unsafe { self.system.alloc(Layout::from_size_align_unchecked(REGION_BYTES, STEP)) };
            if region.is_null() {
                return region;
            }
            self.region.set(region.expose_provenance());
        }
        let used = self.used.get();
        if used + size > REGION_BYTES {
            // SAFETY: the layout is the caller's.
            return unsafe { self.system.alloc(layout) };
        }
        self.used.set(used + size);
        ptr::with_exposed_provenance_mut(self.region.get() + used)
    }
}

// SAFETY: blocks of the region have the size of their class rounded up and alignment `STEP`; each is on the list of its class
// or in use, never both, and the region is never given back. Everything else is the system's, and goes back to it.
// The lists are not synchronised; see `Sync` below.
#[allow(unsafe_code, reason = "the argument is above")]
unsafe impl<A: GlobalAlloc> GlobalAlloc for FreeLists<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(list) = self.list(layout) else {
            // SAFETY: the caller's promise.
            return unsafe { self.system.alloc(layout) };
        };
        match list.get() {
            Some(block) => {
                // SAFETY: what is on a list is a free block of ours, which begins with a `Free`.
                list.set(unsafe { block.as_ref() }.next);
                block.as_ptr().cast()
            }
            None => self.cut(layout),
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match (self.list(layout), NonNull::new(block.cast::<Free>())) {
            (Some(list), Some(free)) if self.is_ours(block) => {
                // SAFETY: the block is the caller's no more, and large and aligned enough for a `Free`.
                unsafe { free.write(Free { next: list.get() }) };
                list.set(Some(free));
            }
            // SAFETY: the caller's promise; it came from the system.
            _ => unsafe { self.system.dealloc(block, layout) },
        }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that this size makes a layout.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        let ours = self.is_ours(block);
        match (self.list(layout), self.list(wanted)) {
            (Some(old), Some(new)) if ours && ptr::eq(old, new) => return block,
            // SAFETY: the caller's promise; the system's before and after.
            (_, None) if !ours => return unsafe { self.system.realloc(block, layout, size) },
            _ => {}
        }
        // SAFETY: as for `alloc` and `dealloc`; the blocks do not overlap, since both are in use.
        unsafe {
            let new = self.alloc(wanted);
            if !new.is_null() {
                ptr::copy_nonoverlapping(block, new, layout.size().min(size));
                self.dealloc(block, layout);
            }
            new
        }
    }
}

// SAFETY: guests have one thread (`single_thread` refuses to compile where they could have more), and the allocator is
// not reentrant: nothing it calls allocates through it. Native builds do not install it.
#[allow(unsafe_code, reason = "the argument is above")]
unsafe impl<A: Sync> Sync for FreeLists<A> {}

#[cfg(target_family = "wasm")]
#[global_allocator]
static ALLOCATOR: FreeLists<std::alloc::System> = FreeLists::new(std::alloc::System);

/// What the host allocates with. Whoever gets it may give it back to the system, so it has to be from there.
///
/// # Safety
///
/// As the canonical ABI says: `old` is null, or what this has returned for `old_size` and `align`.
#[cfg(target_family = "wasm")]
#[allow(unsafe_code, reason = "the argument is below")]
#[unsafe(no_mangle)]
unsafe extern "C" fn cabi_realloc(old: *mut u8, old_size: usize, align: usize, size: usize) -> *mut u8 {
    use std::alloc::System;

    if size == 0 {
        return ptr::without_provenance_mut(align);
    }
    // SAFETY: the host gives alignments that are powers of two, and asks again only with what it was given.
    let block = unsafe {
        if old_size == 0 {
            System.alloc(Layout::from_size_align_unchecked(size, align))
        } else {
            System.realloc(old, Layout::from_size_align_unchecked(old_size, align), size)
        }
    };
    if block.is_null() {
        std::process::abort();
    }
    block
}

#[cfg(test)]
mod tests;
