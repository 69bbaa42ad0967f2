//! What the tests of readers share: many inputs that are nearly right.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

const CASES: u32 = 100_000;
const BYTES_MAX: usize = 512;

/// Gives `read` inputs that are made of `seeds`, the same ones each time.
pub(super) fn inputs(seeds: &[&[u8]], mut read: impl FnMut(&[u8], &mut SmallRng)) {
    let mut random = SmallRng::seed_from_u64(20_260_101);
    for _ in 0..CASES {
        let mut input = seeds[random.random_range(0..seeds.len())].to_vec();
        for _ in 0..random.random_range(0..6) {
            let at = random.random_range(0..=input.len());
            match random.random_range(0..5) {
                0 if at < input.len() => input[at] = random.random(),
                1 if at < input.len() => input[at] ^= 1 << random.random_range(0..8),
                2 => input.truncate(at),
                3 => input.insert(at, random.random()),
                _ => {
                    let other = seeds[random.random_range(0..seeds.len())];
                    input.extend_from_slice(&other[random.random_range(0..=other.len())..]);
                }
            }
        }
        input.truncate(BYTES_MAX);
        read(&input, &mut random);
    }
}

/// Cuts an input into chunks.
pub(super) fn cut<'i>(input: &'i [u8], random: &mut SmallRng) -> Vec<&'i [u8]> {
    let mut rest = input;
    let mut chunks = Vec::new();
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(random.random_range(0..=rest.len()));
        chunks.push(chunk);
        rest = after;
    }
    chunks
}
