//! What other hosts and clients send, made up by a fuzzer that sees which code it reaches. See `README.md` here.
//!
//! Each module has a function `run` that takes any bytes, and panics when the host does something that it must not do. Bytes
//! are either taken as they are, or as edits of what an honest host sends ([`edit`]), so that what is behind several layers
//! of format is reached too.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what cannot go on fails, and says where"
)]

pub mod descriptions;
pub mod edit;
pub mod exchange;
pub mod gossip;
pub mod links;
pub mod pair;
pub mod transcoding;

#[cfg(test)]
mod tests {
    use super::*;

    /// A stand-in for the fuzzer: that each target still takes bytes, honest and not, without instrumentation.
    fn some(run: fn(&[u8]), rounds: u32) {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for round in 0..rounds {
            let length = next() % 64;
            let mut data: Vec<u8> = (0..length).map(|_| next() as u8).collect();
            // All modes come, those without edits too.
            data.insert(0, round as u8);
            run(&data);
        }
        run(&[]);
    }

    #[test]
    fn targets_take_any_bytes() {
        some(gossip::run, 500);
        some(exchange::run, 500);
        some(links::run, 200);
        some(descriptions::run, 500);
        some(transcoding::run, 2000);
    }
}
