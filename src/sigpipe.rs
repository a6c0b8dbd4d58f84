//! Our SIGPIPE handler (the net under everything that no hook can see), and the disposition that the program believes in.
//!
//! | the program's own action | the kernel holds |
//! | --- | --- |
//! | SIG_DFL | our handler, SA_RESTART, SA_ONSTACK |
//! | SIG_IGN, set or inherited | SIG_IGN, so that exec passes it on |
//! | a handler | our handler, with its sa_mask, SA_RESTART, SA_ONSTACK, SA_NODEFER |
//!
//! # How it stays correct
//!
//! The program's action is published first ([`nopipe_core::disposition`]), then the kernel is told; whoever has told
//! the kernel looks whether the publication is still its own, and tells it again if not. So the last to tell tells the
//! newest, whichever threads or handlers came in between. Between the two steps a signal meets the new action with the old
//! mask.
//!
//! In a vfork child, which shares its parent's memory but not its dispositions, only the kernel is told.
//!
//! A program's handler runs on top of ours, which holds nothing at that moment: it may longjmp.
//!
//! unsafe: a signal handler, and calls to the program's.
#![allow(unsafe_code)]

use crate::origin::Origin;
use crate::report::{self, Failure};
use crate::verdict::Target;
use crate::{config, process, real, runaway, seal, stats, sys, verdict};
use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering::*};
use libc::{SA_NODEFER, SA_ONSTACK, SA_RESETHAND, SA_RESTART, SA_SIGINFO, siginfo_t};
use nopipe_core::disposition::{Action, Disposition};
use nopipe_core::event::Call;
use nopipe_core::settings::Handlers;
use nopipe_core::stats::Counter;

/// The default action.
pub const SIG_DFL: u64 = libc::SIG_DFL as u64;
/// Ignore.
pub const SIG_IGN: u64 = libc::SIG_IGN as u64;

/// In sa_flags on x86-64: sa_restorer is set. libc sets it always.
const SA_RESTORER: u64 = 0x0400_0000;
/// In sa_flags: never supported, so a kernel that clears unknown flags (Linux 5.11) clears it.
const SA_UNSUPPORTED: u64 = 0x400;
/// SA_EXPOSE_TAGBITS, sigaction(2).
const SA_EXPOSE_TAGBITS: u64 = 0x800;
/// The flags that a kernel which clears unknown ones keeps.
const KNOWN_FLAGS: u64 = (libc::SA_NOCLDSTOP | libc::SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER)
    as u64
    | SA_RESETHAND as u32 as u64
    | SA_EXPOSE_TAGBITS
    | SA_RESTORER;
/// SIGKILL and SIGSTOP, which no mask keeps.
const UNBLOCKABLE: sys::Mask = 1 << (libc::SIGKILL - 1) | 1 << (libc::SIGSTOP - 1);

/// What the program believes in.
static PROGRAM: Disposition = Disposition::new();

/// What libc passes to the kernel with every action: the function that returns from a handler, and its flag.
static RESTORER: AtomicU64 = AtomicU64::new(0);
static RESTORER_FLAG: AtomicU64 = AtomicU64::new(0);
/// The flags that this kernel keeps.
static KEPT_FLAGS: AtomicU64 = AtomicU64::new(KNOWN_FLAGS);

/// MSG_NOSIGNAL, or 0 where the program's own handler is to run, or before start-up.
pub static SEND_FLAG: AtomicI32 = AtomicI32::new(0);

/// A hook has reported a failure whose SIGPIPE is pending, blocked.
static REPORTED_WHILE_BLOCKED: AtomicBool = AtomicBool::new(false);

/// What the `send` hooks add to the program's flags.
#[inline(always)]
pub fn added_send_flag() -> c_int {
    SEND_FLAG.load(Relaxed)
}

/// At start-up: takes over what the kernel holds, and puts our handler in the place of the default action. False if libc
/// has no sigaction to learn the restorer from: then there is no net.
pub fn install() -> bool {
    let Ok(inherited) = sys::sigaction_sigpipe(None) else {
        return false;
    };
    let Some(libc_sigaction) = real::libc_sigaction() else {
        return false;
    };
    // The first time through libc, which adds what it adds; from then on through our own system calls.
    // SAFETY: all zeros is a valid struct sigaction.
    let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
    action.sa_sigaction = on_sigpipe as *const () as usize;
    action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK | SA_UNSUPPORTED as c_int;
    // SAFETY: a valid action whose handler is ready for anything.
    let set = unsafe { libc_sigaction(libc::SIGPIPE, &raw const action, core::ptr::null_mut()) };
    let Ok(installed) = sys::sigaction_sigpipe(None) else {
        return false;
    };
    if set != 0 || installed.handler != our_handler() {
        return false;
    }
    RESTORER.store(installed.restorer, Relaxed);
    RESTORER_FLAG.store(installed.flags & SA_RESTORER, Relaxed);
    if installed.flags & SA_UNSUPPORTED != 0 {
        KEPT_FLAGS.store(u64::MAX, Relaxed);
    }
    PROGRAM.replace(inherited);
    tell_kernel();
    true
}

fn our_handler() -> u64 {
    on_sigpipe as *const () as u64
}

fn is_function(handler: u64) -> bool {
    handler != SIG_DFL && handler != SIG_IGN
}

/// The program's own action, as sigaction(2) shows it.
pub fn current() -> Action {
    if process::is_vfork_child() {
        return as_seen_by_program(sys::sigaction_sigpipe(None).unwrap_or_default());
    }
    PROGRAM.get().0
}

/// Sets the program's own action; returns the one before.
pub fn replace(new: Action) -> Action {
    let new = Action {
        flags: (new.flags | RESTORER_FLAG.load(Relaxed)) & KEPT_FLAGS.load(Relaxed),
        restorer: RESTORER.load(Relaxed),
        mask: new.mask & !UNBLOCKABLE,
        ..new
    };
    if process::is_vfork_child() {
        // What it sets holds for the moment until its exec; nothing of the parent's is touched.
        return as_seen_by_program(sys::sigaction_sigpipe(Some(&new)).unwrap_or_default());
    }
    let (old, _) = PROGRAM.replace(new);
    tell_kernel();
    old
}

/// A kernel action, with the program's own in the place of our handler.
fn as_seen_by_program(kernel: Action) -> Action {
    if kernel.handler == our_handler() {
        PROGRAM.get().0
    } else {
        kernel
    }
}

/// Makes the kernel's action follow the program's.
fn tell_kernel() {
    loop {
        let (program, ticket) = PROGRAM.get();
        let runs = config::settings().handlers == Handlers::Run && is_function(program.handler);
        SEND_FLAG.store(if runs { 0 } else { libc::MSG_NOSIGNAL }, Relaxed);
        // Can only fail for a signal number that does not exist.
        let _ = sys::sigaction_sigpipe(Some(&kernel_action(&program)));
        if PROGRAM.ticket() == ticket {
            return;
        }
    }
}

fn kernel_action(program: &Action) -> Action {
    let (flags, mask) = match program.handler {
        SIG_IGN => return *program,
        SIG_DFL => (SA_RESTART | SA_ONSTACK, 0),
        _ => (
            program.flags as c_int & (SA_RESTART | SA_ONSTACK | SA_NODEFER),
            program.mask,
        ),
    };
    Action {
        handler: our_handler(),
        flags: (SA_SIGINFO | flags) as u64 | RESTORER_FLAG.load(Relaxed),
        restorer: RESTORER.load(Relaxed),
        mask,
    }
}

/// Whether the kernel holds our handler: runtimes such as Go's replace it by raw system calls.
pub fn is_installed() -> bool {
    sys::sigaction_sigpipe(None).is_ok_and(|action| action.handler == our_handler())
}

/// Whether SIGPIPE is blocked in the calling thread.
pub fn is_blocked() -> bool {
    sys::signal_mask() & sys::SIGPIPE_MASK != 0
}

/// Takes note that a hook reports a failure whose SIGPIPE will come when the thread unblocks it.
pub fn will_be_unblocked() {
    REPORTED_WHILE_BLOCKED.store(true, Relaxed);
}

/// Makes SIGPIPE pending for the calling thread, which blocks it, as the failed call would have done without our
/// MSG_NOSIGNAL: the program may look for it with sigpending(2), sigwait(3) or signalfd(2).
pub fn leave_pending() {
    sys::queue_sigpipe();
}

/// Whether the program ignores SIGPIPE, by its own will or by inheritance.
pub fn is_ignored_by_program() -> bool {
    PROGRAM.get().0.handler == SIG_IGN
}

/// Whether the program has a handler that does not run when a peer vanishes.
pub fn skips_program_handler() -> bool {
    config::settings().handlers == Handlers::Ignore && is_function(PROGRAM.get().0.handler)
}

/// The net.
///
/// # Safety
/// Called by the kernel, as a handler with SA_SIGINFO.
unsafe extern "C" fn on_sigpipe(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel's pointers.
    let origin = unsafe { Origin::of(&*info, context) };
    let native = match origin {
        Origin::OnPurpose => true,
        Origin::FailedCall { target, fd, call } => on_failed_call(target, fd, call),
        Origin::Unknown => {
            if !REPORTED_WHILE_BLOCKED.swap(false, Relaxed) && !process::is_vfork_child() && !seal::is_sealed() {
                stats::count(Counter::Unattributed);
            }
            runs_handler()
        }
    };
    if native {
        // SAFETY: the kernel's arguments.
        unsafe { do_as_arranged(signal, info, context) };
    }
}

/// Counts and reports; whether the signal takes its native course.
fn on_failed_call(target: Target, fd: c_int, call: Call) -> bool {
    if process::is_vfork_child() {
        return false;
    }
    if verdict::is_native(&target) {
        return true;
    }
    let failure = Failure {
        target,
        fd,
        call,
        errno: libc::EPIPE,
        handler_skipped: skips_program_handler(),
    };
    report::handled(&failure.target);
    report::failure(&failure);
    runs_handler() || runaway::ends_by(&failure)
}

/// Whether a handler of the program runs when a peer vanishes (`NOPIPE_HANDLERS=run`).
fn runs_handler() -> bool {
    config::settings().handlers == Handlers::Run && is_function(PROGRAM.get().0.handler)
}

/// What the program has arranged for SIGPIPE: its handler, nothing, or death.
///
/// # Safety
/// Called in our handler with its arguments.
unsafe fn do_as_arranged(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    loop {
        let (program, ticket) = PROGRAM.get();
        match program.handler {
            SIG_IGN => return,
            SIG_DFL => return die(),
            _ => {}
        }
        if program.flags & SA_RESETHAND as u32 as u64 != 0 {
            // As the kernel does it: only the handler changes.
            let reset = Action {
                handler: SIG_DFL,
                ..program
            };
            if process::is_vfork_child() {
                let _ = sys::sigaction_sigpipe(Some(&reset));
            } else if PROGRAM.replace_if(ticket, reset).is_none() {
                continue;
            } else {
                tell_kernel();
            }
        }
        // SAFETY: the program gave this address as a handler. One without SA_SIGINFO takes the first argument and does not
        // see the others, as when the kernel calls it.
        unsafe {
            let handler: unsafe extern "C" fn(c_int, *mut siginfo_t, *mut c_void) =
                core::mem::transmute(program.handler as usize);
            handler(signal, info, context);
        }
        return;
    }
}

/// Ends the process by SIGPIPE. Returns only where the kernel drops the signal: pid 1 of a pid namespace.
#[cold]
fn die() {
    let default = Action::default();
    let _ = sys::sigaction_sigpipe(Some(&default));
    sys::raise_sigpipe();
    let before = sys::sigprocmask(libc::SIG_UNBLOCK, sys::SIGPIPE_MASK);
    sys::sigprocmask(libc::SIG_SETMASK, before);
    tell_kernel();
}
