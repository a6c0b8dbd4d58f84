//! fork(2) and _Fork(3): the child must know at once that it is one ([`nopipe_engine::process`]). glibc has a way to be called
//! in the child of every fork(2), also of one that libc makes itself (daemon(3), forkpty(3)). musl has none that does not
//! allocate, and _Fork(3) calls nobody.
//!
//! unsafe: exported C functions.
#![allow(unsafe_code, reason = "as the head says")]

use super::declare::hook;
use crate::libc::hears_of_forks;
use crate::start;
use libc::pid_t;
use nopipe_engine::process;

hook!(fork() -> pid_t = libc::fork => on_fork);
hook!(_Fork() -> pid_t => on_bare_fork);

#[inline(always)]
unsafe fn on_fork(real: fork::Function) -> pid_t {
    // SAFETY: no arguments.
    let child = unsafe { real() };
    if child == 0 && !hears_of_forks() {
        forked();
    }
    child
}

#[inline(always)]
unsafe fn on_bare_fork(real: _Fork::Function) -> pid_t {
    // SAFETY: no arguments.
    let child = unsafe { real() };
    if child == 0 {
        forked();
    }
    child
}

#[cold]
#[inline(never)]
fn forked() {
    if start::is_active() {
        process::forked();
    }
}
