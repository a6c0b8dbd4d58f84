//! signal(2), sigaction(2) and their kin: for SIGPIPE they set and read what the program believes in
//! ([`nopipe_engine::disposition`]); every other signal is libc's.
//!
//! For what glibc's own functions do, see its manual, "Signal Actions", and signal(2), sysv_signal(3), sigset(3),
//! siginterrupt(3). musl differs (its `src/signal`), and a program reads back what its libc would have shown:
//!
//! | | glibc | musl |
//! | --- | --- | --- |
//! | the mask that signal(2) sets | the signal itself | empty |
//! | signal(2) with SIG_ERR | EINVAL | an address like any other |
//! | `__sysv_signal` | one-shot | another name of signal(2) |
//! | siginterrupt(3) | also for later calls of signal(2) | for the present action |
//! | `sa_restorer` of the old action | written | left as it was |
//!
//! unsafe: exported C functions.
#![allow(unsafe_code, reason = "as the head says")]

use super::declare::hook;
use crate::libc::is_glibc;
use crate::{errno, start};
use core::ffi::c_int;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use libc::{SA_NODEFER, SA_RESETHAND, SA_RESTART, SIG_ERR, SIGPIPE, sighandler_t};
use nopipe_core::disposition::Action;
use nopipe_engine::disposition::{self, SIG_IGN};
use nopipe_sys as sys;

hook!(signal(number: c_int, handler: sighandler_t) -> sighandler_t = libc::signal => on_signal);
hook!(bsd_signal(number: c_int, handler: sighandler_t) -> sighandler_t => on_signal);
hook!(ssignal(number: c_int, handler: sighandler_t) -> sighandler_t => on_signal);
hook!(sysv_signal(number: c_int, handler: sighandler_t) -> sighandler_t => on_sysv_signal);
hook!(__sysv_signal(number: c_int, handler: sighandler_t) -> sighandler_t => on_sysv_signal);
hook!(sigaction(number: c_int, new: *const libc::sigaction, old: *mut libc::sigaction) -> c_int = libc::sigaction => on_sigaction);
hook!(__sigaction(number: c_int, new: *const libc::sigaction, old: *mut libc::sigaction) -> c_int => on_sigaction);
hook!(sigset(number: c_int, handler: sighandler_t) -> sighandler_t => on_sigset);
hook!(sigignore(number: c_int) -> c_int => on_sigignore);
hook!(siginterrupt(number: c_int, interrupt: c_int) -> c_int => on_siginterrupt);

/// SIG_HOLD, sigset(3).
const SIG_HOLD: sighandler_t = 2;
/// SA_INTERRUPT, which sysv_signal sets; the kernel no longer knows it.
const SA_INTERRUPT: c_int = 0x2000_0000;

/// Whether siginterrupt(SIGPIPE, 1) was called last: then glibc's signal() does not set SA_RESTART.
static INTERRUPTS: AtomicBool = AtomicBool::new(false);

/// Whether this call is about SIGPIPE, in a program in which the library works.
fn is_ours(number: c_int) -> bool {
    number == SIGPIPE && start::is_active() && disposition::is_taken_over()
}

fn action(handler: sighandler_t, flags: c_int, mask: sys::Mask) -> Action {
    Action {
        handler: handler as u64,
        // As wide as the kernel's word, `unsigned long`.
        flags: flags as usize as u64,
        restorer: 0,
        mask,
    }
}

#[inline(always)]
unsafe fn on_signal(real: signal::Function, number: c_int, handler: sighandler_t) -> sighandler_t {
    if !is_ours(number) {
        // SAFETY: the caller's arguments.
        return unsafe { real(number, handler) };
    }
    set(handler, false)
}

#[inline(always)]
unsafe fn on_sysv_signal(real: sysv_signal::Function, number: c_int, handler: sighandler_t) -> sighandler_t {
    if !is_ours(number) {
        // SAFETY: the caller's arguments.
        return unsafe { real(number, handler) };
    }
    set(handler, true)
}

/// signal(2) for SIGPIPE, or sysv_signal(3), which is one-shot.
#[inline(never)]
fn set(handler: sighandler_t, is_one_shot: bool) -> sighandler_t {
    let (flags, mask) = match is_glibc() {
        true if handler == SIG_ERR => {
            errno::set(libc::EINVAL);
            return SIG_ERR;
        }
        true if is_one_shot => (SA_RESETHAND | SA_NODEFER | SA_INTERRUPT, 0),
        true if INTERRUPTS.load(Relaxed) => (0, sys::SIGPIPE_MASK),
        true => (SA_RESTART, sys::SIGPIPE_MASK),
        false => (SA_RESTART, 0),
    };
    disposition::replace(action(handler, flags, mask)).handler as sighandler_t
}

#[inline(always)]
unsafe fn on_sigaction(
    real: sigaction::Function,
    number: c_int,
    new: *const libc::sigaction,
    old: *mut libc::sigaction,
) -> c_int {
    if !is_ours(number) {
        // SAFETY: the caller's arguments.
        return unsafe { real(number, new, old) };
    }
    // SAFETY: sigaction(2): each is null or valid. They may be the same.
    unsafe {
        let before = match new.is_null() {
            true => disposition::current(),
            false => {
                let mask = (&raw const (*new).sa_mask).cast::<sys::Mask>().read();
                disposition::replace(action((*new).sa_sigaction, (*new).sa_flags, mask))
            }
        };
        if !old.is_null() {
            (*old).sa_sigaction = before.handler as sighandler_t;
            (*old).sa_flags = before.flags as c_int;
            // Like glibc: the part of sigset_t that the kernel does not know stays as it is.
            (&raw mut (*old).sa_mask).cast::<sys::Mask>().write(before.mask);
            #[cfg(any(target_arch = "x86_64", target_arch = "x86", target_arch = "aarch64"))]
            if is_glibc() {
                (&raw mut (*old).sa_restorer)
                    .cast::<usize>()
                    .write(before.restorer as usize);
            }
        }
    }
    0
}

#[inline(always)]
unsafe fn on_sigset(real: sigset::Function, number: c_int, handler: sighandler_t) -> sighandler_t {
    if !is_ours(number) {
        // SAFETY: the caller's arguments.
        return unsafe { real(number, handler) };
    }
    let held_before = |mask: sys::Mask| mask & sys::SIGPIPE_MASK != 0;
    if handler == SIG_HOLD {
        return match held_before(sys::sigprocmask(libc::SIG_BLOCK, sys::SIGPIPE_MASK)) {
            true => SIG_HOLD,
            false => disposition::current().handler as sighandler_t,
        };
    }
    let before = disposition::replace(action(handler, 0, 0));
    match held_before(sys::sigprocmask(libc::SIG_UNBLOCK, sys::SIGPIPE_MASK)) {
        true => SIG_HOLD,
        false => before.handler as sighandler_t,
    }
}

#[inline(always)]
unsafe fn on_sigignore(real: sigignore::Function, number: c_int) -> c_int {
    if !is_ours(number) {
        // SAFETY: the caller's arguments.
        return unsafe { real(number) };
    }
    disposition::replace(action(SIG_IGN as sighandler_t, 0, 0));
    0
}

#[inline(always)]
unsafe fn on_siginterrupt(real: siginterrupt::Function, number: c_int, interrupt: c_int) -> c_int {
    if !is_ours(number) {
        // SAFETY: the caller's arguments.
        return unsafe { real(number, interrupt) };
    }
    INTERRUPTS.store(interrupt != 0, Relaxed);
    let now = disposition::current();
    let restart = SA_RESTART as u64;
    let flags = match interrupt != 0 {
        true => now.flags & !restart,
        false => now.flags | restart,
    };
    disposition::replace(Action { flags, ..now });
    0
}
