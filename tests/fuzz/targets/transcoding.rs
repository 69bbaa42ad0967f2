//! See `hostel_fuzz::transcoding`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hostel_fuzz::transcoding::run(data));
