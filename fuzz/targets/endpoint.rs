//! A socket address.
#![no_main]

#[allow(dead_code)]
#[path = "../../core/tests/properties/checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::endpoint(bytes));
