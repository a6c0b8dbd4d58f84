//! prctl(2) and syscall(2): to learn that the program puts itself under seccomp ([`nopipe_engine::seccomp`]).
//!
//! Both are variadic in C. Their arguments are integers and pointers, passed in registers (the seventh of syscall on
//! the stack), so a function with a fixed number of arguments can pass them on.
//!
//! unsafe: exported C functions.
#![allow(unsafe_code, reason = "as the head says")]

use super::declare::hook;
use core::ffi::{c_int, c_long, c_ulong};
use nopipe_engine::seccomp;

hook!(prctl(option: c_int, a: c_ulong, b: c_ulong, c: c_ulong, d: c_ulong) -> c_int => on_prctl);
hook!(syscall(number: c_long, a: c_long, b: c_long, c: c_long, d: c_long, e: c_long, f: c_long) -> c_long => on_syscall);

/// The operations of seccomp(2) that set a mode; the others only ask.
const SECCOMP_SET_MODE_STRICT: c_long = 0;
const SECCOMP_SET_MODE_FILTER: c_long = 1;

#[inline(always)]
unsafe fn on_prctl(real: prctl::Function, option: c_int, a: c_ulong, b: c_ulong, c: c_ulong, d: c_ulong) -> c_int {
    // SAFETY: the caller's arguments.
    let result = unsafe { real(option, a, b, c, d) };
    if option == libc::PR_SET_SECCOMP && result == 0 {
        seccomp::seal();
    }
    result
}

#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "as many as syscall(2) has")]
unsafe fn on_syscall(
    real: syscall::Function,
    number: c_long,
    a: c_long,
    b: c_long,
    c: c_long,
    d: c_long,
    e: c_long,
    f: c_long,
) -> c_long {
    if number == libc::SYS_seccomp && matches!(a, SECCOMP_SET_MODE_STRICT | SECCOMP_SET_MODE_FILTER) {
        // SAFETY: the caller's arguments; seccomp takes three.
        let result = unsafe { real(number, a, b, c, d, e, f) };
        // Setting a filter may return a descriptor; with SECCOMP_FILTER_FLAG_TSYNC, the id of a thread that failed.
        if result >= 0 {
            seccomp::seal();
        }
        return result;
    }
    if number == libc::SYS_prctl && a == libc::PR_SET_SECCOMP.into() {
        // SAFETY: the caller's arguments.
        let result = unsafe { real(number, a, b, c, d, e, f) };
        if result == 0 {
            seccomp::seal();
        }
        return result;
    }
    // SAFETY: the caller's arguments.
    unsafe { real(number, a, b, c, d, e, f) }
}
