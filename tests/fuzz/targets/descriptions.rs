//! See `hostel_fuzz::descriptions`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hostel_fuzz::descriptions::run(data));
