//! Logs that anybody may have written: the readers of `nopipe report` end, do not panic, and lose no line.
#![no_main]

use cli::log::{Found, Visitor, Zone, scan};
use libfuzzer_sys::fuzz_target;

#[path = "../../cli/src"]
#[allow(dead_code, unused_imports, reason = "the launcher uses more of it")]
mod cli {
    pub mod log;
}

#[derive(Default)]
struct Seen {
    lines: usize,
    undelivered: u64,
}

impl Visitor for Seen {
    fn found(&mut self, found: &Found<'_>) {
        self.lines += 1;
        if let Found::Record(record) = found {
            self.undelivered = self.undelivered.wrapping_add(record.undelivered);
        }
    }

    fn unit(&mut self, _: &[u8]) {}

    fn tick(&mut self) {}
}

fuzz_target!(|text: &[u8]| {
    let mut seen = Seen::default();
    scan(text, &mut Zone::system(), &mut seen).expect("memory can be read");
    // An entry of the journal is one line for several; anything else is a line for a line.
    let lines = text.iter().filter(|&&b| b == b'\n').count() + usize::from(text.last().is_some_and(|&b| b != b'\n'));
    assert!(seen.lines <= lines);
    if !text.windows(2).any(|two| two == b"__") {
        assert_eq!(seen.lines, lines);
    }
});
