//! The same cases for programs that are built for musl, and what differs there.

use nopipe_tests::c_program::Libc;
use nopipe_tests::suite::Need;

use crate::cases::{self, Case, LEFT};

/// Every case that a musl program can have, with the result that it has there.
pub fn cases() -> Vec<Case> {
    // The older kernels are simulated once, for glibc: nothing there depends on the libc.
    let there = |case: &Case| case.kernel.is_none() && !LEFT_OUT.iter().any(|(start, _)| case.line.starts_with(start));
    cases::cases().into_iter().filter(there).map(on_musl).collect()
}

/// Cases that no musl program can have, by the start of their line, and why. `docs/differences.md` has them too.
pub const LEFT_OUT: &[(&str, &str)] = &[
    ("loaded ", "musl has neither dlmopen(3) nor RTLD_DEEPBIND"),
    ("coroutine ", "musl has no makecontext(3)"),
    ("stack_use ", "musl has no makecontext(3)"),
    ("named top", "musl has no makecontext(3)"),
    ("named coroutine", "musl has no makecontext(3)"),
    ("one_shot ", "musl's signal(2) is never one-shot"),
    ("preinit", "musl knows no DT_PREINIT_ARRAY"),
    ("cancel vmsplice", "musl's vmsplice(2) is no cancellation point"),
    ("seccomp libseccomp ", "libseccomp.so.2 is built for glibc"),
];

fn on_musl(case: Case) -> Case {
    let mut case = Case {
        libc: Libc::Musl,
        ..case
    };
    if case.line.contains("pwritev") || case.line.starts_with("rwf_nosignal ") {
        case = case.needs(Need::Other(has_pwritev2));
    }
    match case.line {
        // musl's loader has no /etc/ld.so.preload, and LD_PRELOAD is not for a program with privileges.
        "setuid environment" | "setuid child" => case.preloaded(LEFT),
        _ => case,
    }
}

fn has_pwritev2() -> Result<(), String> {
    let header = format!("/usr/include/{}-linux-musl/sys/uio.h", std::env::consts::ARCH);
    match std::fs::read_to_string(header).is_ok_and(|text| text.contains("pwritev2")) {
        true => Ok(()),
        false => Err("needs pwritev2 in musl (since 1.2.5)".to_string()),
    }
}
