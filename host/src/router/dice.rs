//! Dice for single calls: quick, and nothing that secrets depend on.

use std::cell::Cell;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

thread_local! {
    static NEXT: Cell<u64> = Cell::new(rand::rng().random());
}

/// What steps through all 64-bit numbers before it repeats one: the golden ratio, as in SplitMix64.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Dice that nobody else has. A generator is seeded by mixing, so consecutive numbers do as seeds.
pub(super) fn roll() -> SmallRng {
    let seed = NEXT.get();
    NEXT.set(seed.wrapping_add(STEP));
    SmallRng::seed_from_u64(seed)
}
