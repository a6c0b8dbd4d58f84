//! kill(2), killpg(3), pidfd_send_signal(2), and who may take such a signal away again: sigwait(3), sigwaitinfo(2),
//! sigtimedwait(2). All for a SIGPIPE that the program sends itself on purpose ([`nopipe_engine::purpose`]); of every other
//! signal nothing is noted.
//!
//! raise(3), pthread_kill(3), sigqueue(3) and timers need no hook: the signal's si_code shows what it is.
//!
//! unsafe: exported C functions.
#![allow(unsafe_code, reason = "as the head says")]

use super::declare::hook;
use super::on_purpose::{SYS_PIDFD_SEND_SIGNAL, sending, taken};
use super::seccomp::syscall;
use crate::real;
use core::ffi::{c_int, c_long, c_uint, c_ulong};
use libc::{pid_t, siginfo_t, sigset_t, timespec};
use nopipe_engine::purpose::{self, Target};

hook!(kill(pid: pid_t, number: c_int) -> c_int = libc::kill => on_kill, makes Kill);
hook!(killpg(group: pid_t, number: c_int) -> c_int = libc::killpg => on_killpg);
hook!(pidfd_send_signal(fd: c_int, number: c_int, info: *mut siginfo_t, flags: c_uint) -> c_int => on_pidfd_send_signal);
hook!(sigwait(set: *const sigset_t, number: *mut c_int) -> c_int = libc::sigwait => on_sigwait);
hook!(sigwaitinfo(set: *const sigset_t, info: *mut siginfo_t) -> c_int = libc::sigwaitinfo => on_sigwaitinfo);
hook!(sigtimedwait(set: *const sigset_t, info: *mut siginfo_t, timeout: *const timespec) -> c_int = libc::sigtimedwait => on_sigtimedwait);
// The same for a 32-bit program that was built with times of 64 bits: only libc looks at what `timeout` points to.
#[cfg(target_arch = "x86")]
hook!(__sigtimedwait64(set: *const sigset_t, info: *mut siginfo_t, timeout: *const timespec) -> c_int => on_sigtimedwait);

#[inline(always)]
unsafe fn on_kill(real: kill::Function, pid: pid_t, number: c_int) -> c_int {
    let sending = sending(number, Target::Pid(pid));
    // SAFETY: the caller's arguments.
    let result = unsafe { real(pid, number) };
    purpose::sent(sending, result == 0);
    result
}

#[inline(always)]
unsafe fn on_killpg(real: killpg::Function, group: pid_t, number: c_int) -> c_int {
    let sending = sending(number, Target::Pid(group.wrapping_neg()));
    // SAFETY: the caller's arguments.
    let result = unsafe { real(group, number) };
    purpose::sent(sending, result == 0);
    result
}

/// glibc has it since 2.36. A program that finds our symbol where libc has none (a weak reference) gets the system call.
#[inline(always)]
unsafe fn on_pidfd_send_signal(
    real: pidfd_send_signal::Function,
    fd: c_int,
    number: c_int,
    info: *mut siginfo_t,
    flags: c_uint,
) -> c_int {
    if real::is_missing(real as *mut ()) {
        // SAFETY: the caller's arguments; our own `syscall` notes a SIGPIPE.
        return unsafe {
            syscall::syscall(
                SYS_PIDFD_SEND_SIGNAL,
                fd.into(),
                number.into(),
                info as c_long,
                // (On 32-bit CPUs the type has no From<u32>.)
                c_ulong::from(flags) as c_long,
                0,
                0,
            )
        } as c_int;
    }
    let sending = sending(number, Target::Pidfd { fd, flags });
    // SAFETY: the caller's arguments.
    let result = unsafe { real(fd, number, info, flags) };
    purpose::sent(sending, result == 0);
    result
}

#[inline(always)]
unsafe fn on_sigwait(real: sigwait::Function, set: *const sigset_t, number: *mut c_int) -> c_int {
    // SAFETY: the caller's arguments.
    let result = unsafe { real(set, number) };
    if result == 0 {
        // SAFETY: sigwait(3) has written there.
        taken(unsafe { *number });
    }
    result
}

#[inline(always)]
unsafe fn on_sigwaitinfo(real: sigwaitinfo::Function, set: *const sigset_t, info: *mut siginfo_t) -> c_int {
    // SAFETY: the caller's arguments.
    let result = unsafe { real(set, info) };
    taken(result);
    result
}

#[inline(always)]
unsafe fn on_sigtimedwait(
    real: sigtimedwait::Function,
    set: *const sigset_t,
    info: *mut siginfo_t,
    timeout: *const timespec,
) -> c_int {
    // SAFETY: the caller's arguments.
    let result = unsafe { real(set, info, timeout) };
    taken(result);
    result
}
