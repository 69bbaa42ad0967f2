//! See `hostel_fuzz::exchange`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hostel_fuzz::exchange::run(data));
