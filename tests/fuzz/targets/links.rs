//! See `hostel_fuzz::links`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hostel_fuzz::links::run(data));
