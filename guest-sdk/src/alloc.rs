//! The allocator of SDK guests: lists of free blocks in front of the system's allocator.
//!
//! A call makes a few dozen small allocations and frees them again. wasi-libc's allocator takes about two hundred
//! instructions for each such pair, which was a third of what a guest did in a small call; taking a block from a list and
//! putting it back takes twenty. Small blocks are never given back to the system: an instance keeps what its busiest moment
//! needed, in the sizes it needed, as its linear memory does anyway.

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
/// What is asked of the system at once.
const SLAB_BYTES: usize = 8 * 1024;

/// A block that is free, as long as it is free.
struct Free {
    next: Option<NonNull<Free>>,
}

/// Lists of free blocks, one for each size.
pub(crate) struct FreeLists<A> {
    lists: [Cell<Option<NonNull<Free>>>; CLASSES],
    /// What is left of the slab that new blocks are cut from: its start and its length.
    slab: Cell<(*mut u8, usize)>,
    system: A,
}

impl<A> FreeLists<A> {
    /// Lists that get their memory from `system`.
    pub(crate) const fn new(system: A) -> Self {
        Self { lists: [const { Cell::new(None) }; CLASSES], slab: Cell::new((ptr::null_mut(), 0)), system }
    }

    fn list(&self, layout: Layout) -> Option<&Cell<Option<NonNull<Free>>>> {
        // Zero sizes do not get here; were one to, it would have no list and go to the system.
        if layout.align() > STEP {
            return None;
        }
        self.lists.get((layout.size().wrapping_sub(1)) / STEP)
    }
}

#[allow(unsafe_code, reason = "an allocator hands out raw memory; the arguments are at each block")]
impl<A: GlobalAlloc> FreeLists<A> {
    /// Cuts a block from the slab.
    #[cold]
    fn cut(&self, size: usize) -> *mut u8 {
        let size = size.next_multiple_of(STEP);
        let (mut start, mut left) = self.slab.get();
        if left < size {
            // What is left of the old slab is too small for this and stays unused: at most one block.
            // SAFETY: the layout is not of size zero.
            start = unsafe { self.system.alloc(Layout::from_size_align_unchecked(SLAB_BYTES, STEP)) };
            if start.is_null() {
                return start;
            }
            left = SLAB_BYTES;
        }
        // SAFETY: `left` bytes from `start` on are ours, and `size` is not more than that.
        self.slab.set((unsafe { start.add(size) }, left - size));
        start
    }
}

// SAFETY: blocks of one list have the size of their class rounded up and alignment `STEP`; each is on its list or in
// use, never both, and blocks are cut from memory that the system has given for good. Everything else is the system's.
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
            None => self.cut(layout.size()),
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match (self.list(layout), NonNull::new(block.cast::<Free>())) {
            (Some(list), Some(free)) => {
                // SAFETY: the block is the caller's no more, and large and aligned enough for a `Free`.
                unsafe { free.write(Free { next: list.get() }) };
                list.set(Some(free));
            }
            // SAFETY: the caller's promise; without a list it came from the system.
            _ => unsafe { self.system.dealloc(block, layout) },
        }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that this size makes a layout.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (self.list(layout), self.list(wanted)) {
            // SAFETY: the caller's promise; both are the system's.
            (None, None) => return unsafe { self.system.realloc(block, layout, size) },
            (Some(old), Some(new)) if ptr::eq(old, new) => return block,
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

#[cfg(test)]
mod tests;
