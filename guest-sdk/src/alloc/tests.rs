#![allow(unsafe_code, reason = "the allocator's interface is unsafe")]

use std::alloc::System;

use super::*;

/// A sequence that is the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

struct Block {
    start: *mut u8,
    layout: Layout,
    mark: u8,
}

impl Block {
    fn fill(&self) {
        // SAFETY: the block is that large, and ours.
        unsafe { self.start.write_bytes(self.mark, self.layout.size()) };
    }

    fn is_intact(&self, length: usize) -> bool {
        // SAFETY: as above, and it was filled.
        (0..length).all(|at| unsafe { self.start.add(at).read() } == self.mark)
    }
}

#[test]
fn blocks_keep_what_is_written_to_them() {
    let lists = FreeLists::new(System);
    let mut random = Random(7);
    let mut blocks: Vec<Block> = Vec::new();
    for round in 0..20_000_u32 {
        let size = 1 + random.below(if round % 10 == 0 { 5000 } else { 300 });
        match random.below(4) {
            0 | 1 => {
                let layout = Layout::from_size_align(size, 1 << random.below(6)).unwrap();
                // SAFETY: the size is not zero.
                let start = unsafe { lists.alloc(layout) };
                assert!(!start.is_null() && start.addr() % layout.align() == 0, "{layout:?}");
                let block = Block { start, layout, mark: round as u8 };
                block.fill();
                blocks.push(block);
            }
            2 if !blocks.is_empty() => {
                let block = blocks.swap_remove(random.below(blocks.len()));
                assert!(block.is_intact(block.layout.size()));
                // SAFETY: the block came from there, with this layout.
                unsafe { lists.dealloc(block.start, block.layout) };
            }
            _ if !blocks.is_empty() => {
                let at = random.below(blocks.len());
                let block = &mut blocks[at];
                let kept = size.min(block.layout.size());
                // SAFETY: as above, and the new size is not zero.
                block.start = unsafe { lists.realloc(block.start, block.layout, size) };
                block.layout = Layout::from_size_align(size, block.layout.align()).unwrap();
                assert!(block.start.addr() % block.layout.align() == 0);
                assert!(block.is_intact(kept));
                block.fill();
            }
            _ => {}
        }
    }
    for block in blocks {
        assert!(block.is_intact(block.layout.size()));
        // SAFETY: the block came from there, with this layout.
        unsafe { lists.dealloc(block.start, block.layout) };
    }
}

#[test]
fn a_freed_block_is_the_next_of_its_size() {
    let lists = FreeLists::new(System);
    let layout = |size| Layout::from_size_align(size, 8).unwrap();
    // SAFETY: no size is zero, and what is freed is used no more.
    unsafe {
        let first = lists.alloc(layout(20));
        let second = lists.alloc(layout(20));
        assert!(first != second);
        lists.dealloc(first, layout(20));
        assert_eq!(lists.alloc(layout(32)), first, "sizes of one class share a list");
        assert!(lists.alloc(layout(33)) != second);
        assert_eq!(lists.realloc(second, layout(20), 30), second, "there is room in the block");
    }
}

#[test]
fn what_the_system_gave_goes_back_to_it() {
    let lists = FreeLists::new(System);
    let layout = Layout::from_size_align(20, 8).unwrap();
    // SAFETY: no size is zero, and what is freed is used no more.
    unsafe {
        let first = lists.alloc(layout);
        let foreign = System.alloc(layout);
        lists.dealloc(foreign, layout);
        assert!(lists.alloc(layout) != foreign, "a block of the system's is on a list");
        lists.dealloc(first, layout);
        let foreign = System.alloc(layout);
        let grown = lists.realloc(foreign, layout, 30);
        assert!(lists.is_ours(grown));
        lists.dealloc(grown, Layout::from_size_align(30, 8).unwrap());
    }
}

#[test]
fn a_used_up_region_leaves_the_system() {
    let lists = FreeLists::new(System);
    let layout = Layout::from_size_align(1000, 8).unwrap();
    // SAFETY: the size is not zero; each block is freed once.
    unsafe {
        let blocks: Vec<_> = (0..REGION_BYTES / 500).map(|_| lists.alloc(layout)).collect();
        assert!(blocks.iter().any(|block| !lists.is_ours(*block)));
        for block in blocks {
            lists.dealloc(block, layout);
        }
        assert!(lists.is_ours(lists.alloc(layout)));
    }
}
