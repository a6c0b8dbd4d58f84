//! A setting, `NAME=value`, as in the environment.
#![no_main]

#[allow(dead_code)]
#[path = "../../core/tests/properties/checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|variable: &[u8]| {
    let mut parts = variable.splitn(2, |&byte| byte == b'=');
    checks::setting(parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
});
