//! prctl(2) and syscall(2): to learn that the program puts itself under seccomp ([`nopipe_engine::seccomp`]), and, of
//! syscall(2), of a child that no fork(3) has made ([`nopipe_engine::process`]) and of what [`super::kill`] hooks.
//!
//! Both are variadic in C. Their arguments are integers and pointers, passed in registers (the seventh of syscall on
//! the stack), so a function with a fixed number of arguments can pass them on.
//!
//! unsafe: exported C functions.
#![allow(unsafe_code, reason = "as the head says")]

use super::declare::hook;
use super::on_purpose::{SYS_PIDFD_SEND_SIGNAL, sending, taken};
use crate::start;
use core::ffi::{c_int, c_long, c_ulong};
use nopipe_engine::disposition;
use nopipe_engine::process;
use nopipe_engine::purpose::{self, Target};
use nopipe_engine::seccomp::{self, Seal};

hook!(prctl(option: c_int, a: c_ulong, b: c_ulong, c: c_ulong, d: c_ulong) -> c_int => on_prctl);
// The same for a 32-bit program that was built with times of 64 bits.
#[cfg(target_arch = "x86")]
hook!(__prctl_time64(option: c_int, a: c_ulong, b: c_ulong, c: c_ulong, d: c_ulong) -> c_int => on_prctl);
hook!(syscall(number: c_long, a: c_long, b: c_long, c: c_long, d: c_long, e: c_long, f: c_long) -> c_long => on_syscall);

/// The number of clone3(2), the same on every CPU.
const SYS_CLONE3: c_long = 435;
/// The number of rt_sigtimedwait(2) with times of 64 bits, on 32-bit CPUs. It is nothing else on others.
const SYS_RT_SIGTIMEDWAIT_TIME64: c_long = 421;
/// The operations of seccomp(2) that set a mode; the others only ask.
const SECCOMP_SET_MODE_STRICT: c_long = 0;
const SECCOMP_SET_MODE_FILTER: c_long = 1;
/// prctl(2)'s second argument for strict mode.
const SECCOMP_MODE_STRICT: c_long = 1;

#[inline(always)]
unsafe fn on_prctl(real: prctl::Function, option: c_int, a: c_ulong, b: c_ulong, c: c_ulong, d: c_ulong) -> c_int {
    if option == libc::PR_SET_SECCOMP {
        let seal = sealing(a == SECCOMP_MODE_STRICT as c_ulong);
        // SAFETY: the caller's arguments.
        let result = unsafe { real(option, a, b, c, d) };
        sealed(seal, result == 0);
        return result;
    }
    // SAFETY: the caller's arguments.
    unsafe { real(option, a, b, c, d) }
}

/// To be called before the program puts itself under seccomp; `is_strict`: in strict mode.
fn sealing(is_strict: bool) -> Seal {
    let seal = seccomp::sealing(start::is_active() && process::is_vfork_child());
    // Of the two ways back from a handler, a 32-bit program may only take the old one then (kernel/seccomp.c,
    // mode1_syscalls_32), which is for handlers without a siginfo. Ours would be killed on its way back.
    if cfg!(target_arch = "x86") && is_strict && start::is_active() {
        disposition::ignore_in_kernel();
    }
    seal
}

/// To be called after the call; `succeeded` is what it returned.
fn sealed(seal: Seal, succeeded: bool) {
    if cfg!(target_arch = "x86") && !succeeded && start::is_active() {
        disposition::no_longer_ignore_in_kernel();
    }
    seccomp::sealed(seal, succeeded);
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
    match number {
        libc::SYS_seccomp
        | libc::SYS_prctl
        | libc::SYS_clone
        | SYS_CLONE3
        | libc::SYS_kill
        | SYS_PIDFD_SEND_SIGNAL
        | libc::SYS_rt_sigtimedwait
        | SYS_RT_SIGTIMEDWAIT_TIME64 => {
            // SAFETY: the caller's arguments; none of these takes more than six.
            unsafe { watched(real, number, a, b, c, d, e, f) }
        }
        // SAFETY: the caller's arguments.
        _ => unsafe { real(number, a, b, c, d, e, f) },
    }
}

/// A system call that is worth a look.
///
/// # Safety
/// The caller's arguments of syscall(2).
#[cold]
#[inline(never)]
#[allow(clippy::too_many_arguments, reason = "as many as syscall(2) has")]
unsafe fn watched(
    real: syscall::Function,
    number: c_long,
    a: c_long,
    b: c_long,
    c: c_long,
    d: c_long,
    e: c_long,
    f: c_long,
) -> c_long {
    let is_seal = match number {
        libc::SYS_seccomp => matches!(a, SECCOMP_SET_MODE_STRICT | SECCOMP_SET_MODE_FILTER),
        libc::SYS_prctl => a == libc::PR_SET_SECCOMP.into(),
        _ => false,
    };
    let target = match number {
        libc::SYS_kill => Some(Target::Pid(a as c_int)),
        SYS_PIDFD_SEND_SIGNAL => Some(Target::Pidfd {
            fd: a as c_int,
            flags: d as u32,
        }),
        _ => None,
    };
    let is_strict = match number {
        libc::SYS_seccomp => a == SECCOMP_SET_MODE_STRICT,
        _ => b == SECCOMP_MODE_STRICT,
    };
    let seal = is_seal.then(|| sealing(is_strict));
    let sending = target.map(|target| sending(b as c_int, target));
    // SAFETY: the caller's arguments. A child with a stack of its own does not return here.
    let result = unsafe { real(number, a, b, c, d, e, f) };
    if let Some(seal) = seal {
        // Setting a filter may return a descriptor; with SECCOMP_FILTER_FLAG_TSYNC, the id of a thread that failed.
        sealed(seal, result >= 0);
    }
    if let Some(sending) = sending {
        purpose::sent(sending, result == 0);
    }
    match number {
        libc::SYS_rt_sigtimedwait | SYS_RT_SIGTIMEDWAIT_TIME64 => taken(result as c_int),
        libc::SYS_clone | SYS_CLONE3 if result == 0 && start::is_active() => process::cloned(),
        _ => {}
    }
    result
}
