//! The same cases for programs that are built for musl, and what differs there.

use nopipe_tests::c_program::Libc;

use crate::cases::{self, Case};

/// Every case that a musl program can have, with the result that it has there.
pub fn cases() -> Vec<Case> {
    let there = |case: &Case| !LEFT_OUT.iter().any(|(start, _)| case.line.starts_with(start));
    cases::cases().into_iter().filter(there).map(on_musl).collect()
}

/// Cases that cannot be built for musl, by the start of their line, and why.
const LEFT_OUT: &[(&str, &str)] = &[
    ("loaded ", "musl has neither dlmopen nor RTLD_DEEPBIND"),
    ("coroutine ", "musl has no makecontext"),
    ("stack_use ", "musl has no makecontext"),
];

fn on_musl(case: Case) -> Case {
    Case {
        libc: Libc::Musl,
        ..case
    }
}
