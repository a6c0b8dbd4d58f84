//! Fields with any values, as text, as JSON and for journald.
#![no_main]

#[allow(dead_code)]
#[path = "../../core/tests/properties/checks.rs"]
mod checks;

use checks::Value;
use nopipe_core::fields::FIELDS;
use std::collections::HashSet;

libfuzzer_sys::fuzz_target!(|pairs: Vec<(u8, Result<u64, String>)>| {
    let mut used = HashSet::new();
    let pairs: Vec<_> = pairs
        .into_iter()
        .map(|(field, value)| {
            (
                usize::from(field) % FIELDS.len(),
                value.map_or_else(Value::Text, Value::Number),
            )
        })
        .filter(|(field, _)| used.insert(*field))
        .collect();
    checks::encoding(&pairs);
    checks::journal_datagram(&pairs);
});
