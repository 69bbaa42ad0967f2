//! See `hostel_fuzz::gossip`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hostel_fuzz::gossip::run(data));
