#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| diplomatic_fuzz::checks::requests(data));
