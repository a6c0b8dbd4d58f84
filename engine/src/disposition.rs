//! The SIGPIPE disposition that the program believes in, and what the kernel holds in its place.
//!
//! | the program's own action | the kernel holds |
//! | --- | --- |
//! | SIG_DFL | our handler, SA_RESTART, SA_ONSTACK |
//! | SIG_IGN, set or inherited | SIG_IGN, so that exec passes it on |
//! | a handler | our handler, with its sa_mask, SA_RESTART, SA_ONSTACK, SA_NODEFER |
//!
//! # The flags of the program's action, sigaction(2)
//!
//! The program reads back every flag that it set, as this kernel would show it. When its handler runs, on purpose or by
//! `NOPIPE_HANDLERS=run`:
//!
//! | flag | how it is honoured |
//! | --- | --- |
//! | SA_SIGINFO | the handler gets the kernel's three arguments in any case; without the flag it looks at the first alone |
//! | SA_ONSTACK, SA_RESTART, SA_NODEFER | by the kernel: its action carries them |
//! | SA_RESETHAND | by us, when the handler is called: the program's action becomes SIG_DFL, and the kernel keeps our handler |
//! | SA_RESTORER | the kernel's action carries libc's restorer, whichever the program gave; libc sets its own as well. On aarch64 it has none |
//! | SA_NOCLDSTOP, SA_NOCLDWAIT | no effect on SIGPIPE: read back only |
//! | SA_EXPOSE_TAGBITS | no effect on SIGPIPE, which carries no address: read back only |
//! | SA_UNSUPPORTED, unknown ones | read back as the kernel would: cleared since Linux 5.11, kept before |
//!
//! # How it stays correct
//!
//! The program's action is published first ([`nopipe_core::disposition`]), then set in the kernel. After that each
//! writer checks whether the published action is still its own, and if not, sets the kernel's action again. So the last
//! writer always sets the newest action, whichever threads or handlers came in between. Between the two steps a signal
//! meets the new action with the old mask.
//!
//! # A vfork child
//!
//! It shares its parent's memory but not its dispositions: there only the kernel's action is set. If the program has put
//! itself under seccomp, nobody may ask whether this is a vfork child; only rt_sigaction(2) may be called, where the program
//! calls it. There a change is set in the kernel and published, and the action before it is kept. Whoever finds later that
//! the kernel's action does not belong to the published one is the parent, and takes the one before.
//!
//! A program's handler is called from ours, which holds nothing at that moment: the program's handler may longjmp.
//!
//! unsafe: calls the program's handler.
#![allow(unsafe_code, reason = "as the head says")]

use crate::{config, page, process, seccomp};
use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};
use libc::{SA_NODEFER, SA_ONSTACK, SA_RESETHAND, SA_RESTART, SA_SIGINFO, siginfo_t};
use nopipe_core::disposition::{Action, Disposition};
use nopipe_core::settings::Handlers;
use nopipe_sys as sys;

/// The default action.
pub const SIG_DFL: u64 = libc::SIG_DFL as u64;
/// Ignore.
pub const SIG_IGN: u64 = libc::SIG_IGN as u64;

/// In sa_flags: sa_restorer is set. On x86-64 libc always sets it.
const SA_RESTORER: u64 = 0x0400_0000;
/// In sa_flags: never supported, so a kernel that clears unknown flags (since Linux 5.11) clears it.
pub const SA_UNSUPPORTED: u64 = 0x400;
/// SA_EXPOSE_TAGBITS, sigaction(2).
const SA_EXPOSE_TAGBITS: u64 = 0x800;
/// The flags that a kernel which clears unknown ones keeps.
const KNOWN_FLAGS: u64 = (libc::SA_NOCLDSTOP | libc::SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER)
    as u64
    | SA_RESETHAND as u32 as u64
    | SA_EXPOSE_TAGBITS
    | SA_RESTORER;
/// SIGKILL and SIGSTOP, which the kernel removes from every mask.
const UNBLOCKABLE: sys::Mask = 1 << (libc::SIGKILL - 1) | 1 << (libc::SIGSTOP - 1);

/// The action that the program set, as it sees it.
static PROGRAM: Disposition = Disposition::new();

/// The action before that, if the program has put itself under seccomp (see "A vfork child" above): handler, flags,
/// restorer, mask. Two threads that set actions at the same moment may mix two; then it is nobody's.
static BEFORE: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];

/// What libc passes to the kernel with every action: the function that returns from a handler, and its flag.
static RESTORER: AtomicU64 = AtomicU64::new(0);
static RESTORER_FLAG: AtomicU64 = AtomicU64::new(0);
/// The flags that this kernel keeps.
static KEPT_FLAGS: AtomicU64 = AtomicU64::new(KNOWN_FLAGS);

/// A handler of three arguments, SA_SIGINFO in sigaction(2).
pub type Handler = unsafe extern "C" fn(c_int, *mut siginfo_t, *mut c_void);

/// The address of our handler, once it is installed.
static OUR_HANDLER: AtomicU64 = AtomicU64::new(0);

/// What a handler returns to, and what this kernel does with unknown flags.
#[derive(Clone, Copy)]
pub struct Restorer {
    /// The code that returns from a handler.
    address: u64,
    /// SA_RESTORER, or 0 on a CPU that has none.
    flag: u64,
    keeps_unknown_flags: bool,
}

impl Restorer {
    /// As seen in the kernel's action after libc, or whoever knows, has set one with [`SA_UNSUPPORTED`] among its flags.
    pub fn seen_in(action: &Action) -> Self {
        Restorer {
            address: action.restorer,
            flag: action.flags & SA_RESTORER,
            keeps_unknown_flags: action.flags & SA_UNSUPPORTED != 0,
        }
    }
}

/// At start-up: takes over `inherited`, what the kernel held for SIGPIPE, as the program's own action, and puts `handler`
/// in the place of the default action.
pub fn install(handler: Handler, restorer: Restorer, inherited: Action) {
    OUR_HANDLER.store(handler as *const () as u64, Relaxed);
    RESTORER.store(restorer.address, Relaxed);
    RESTORER_FLAG.store(restorer.flag, Relaxed);
    if restorer.keeps_unknown_flags {
        KEPT_FLAGS.store(u64::MAX, Relaxed);
    }
    PROGRAM.replace(inherited);
    tell_kernel();
}

fn our_handler() -> u64 {
    OUR_HANDLER.load(Relaxed)
}

/// Whether the disposition was taken over. If not, the program and the kernel deal with it between themselves.
pub fn is_taken_over() -> bool {
    our_handler() != 0
}

fn is_function(handler: u64) -> bool {
    handler != SIG_DFL && handler != SIG_IGN
}

/// The program's own action, as sigaction(2) shows it.
pub fn current() -> Action {
    if process::is_vfork_child() {
        return as_seen_by_program(sys::sigaction_sigpipe(None).unwrap_or_default());
    }
    if seccomp::is_sealed() {
        return current_under_seccomp();
    }
    take_over_what_was_set_by_hand();
    PROGRAM.get().0
}

fn before() -> Action {
    let [handler, flags, restorer, mask] = BEFORE.each_ref().map(|word| word.load(Relaxed));
    Action {
        handler,
        flags,
        restorer,
        mask,
    }
}

fn keep_as_before(action: &Action) {
    let values = [action.handler, action.flags, action.restorer, action.mask];
    for (word, value) in BEFORE.iter().zip(values) {
        word.store(value, Relaxed);
    }
}

/// The program's own action, by the kernel's: a vfork child may have published another.
#[cold]
#[inline(never)]
fn current_under_seccomp() -> Action {
    let (published, before) = (PROGRAM.get().0, before());
    let Ok(kernel) = sys::sigaction_sigpipe(None) else {
        return published;
    };
    let is_set = |action: &Action| kernel_action(action) == kernel;
    match [published, before].iter().find(|action| is_set(action)) {
        Some(action) => *action,
        None => as_seen_by_program(kernel),
    }
}

/// Writers between their publication and the kernel's. One that was taken away by longjmp stays counted: then nothing
/// is taken over any more.
static WRITERS: AtomicU32 = AtomicU32::new(0);

/// If the program has set the kernel's action by a system call of its own, as runtimes do, that is its action.
///
/// While a writer is under way the kernel may hold an older action than the published one; one that begins later changes
/// the ticket.
fn take_over_what_was_set_by_hand() {
    let (program, ticket) = PROGRAM.get();
    let is_quiet = || WRITERS.load(SeqCst) == 0;
    if !is_taken_over() || !is_quiet() || seccomp::is_sealed() {
        return;
    }
    let Ok(kernel) = sys::sigaction_sigpipe(None) else {
        return;
    };
    let is_known = kernel.handler == program.handler || kernel.handler == our_handler();
    if !is_known && is_quiet() {
        let _ = PROGRAM.replace_if(ticket, kernel);
    }
}

/// Publishes by `publish` and then sets the kernel's action.
fn publish_and_tell_kernel<T>(publish: impl FnOnce() -> T) -> T {
    WRITERS.fetch_add(1, SeqCst);
    let published = publish();
    tell_kernel();
    WRITERS.fetch_sub(1, SeqCst);
    published
}

/// Sets the program's own action; returns the previous one.
pub fn replace(new: Action) -> Action {
    let new = Action {
        flags: (new.flags | RESTORER_FLAG.load(Relaxed)) & KEPT_FLAGS.load(Relaxed),
        restorer: RESTORER.load(Relaxed),
        mask: new.mask & !UNBLOCKABLE,
        ..new
    };
    if process::is_vfork_child() {
        // What it sets holds only until its exec; nothing of the parent's changes.
        return as_seen_by_program(sys::sigaction_sigpipe(Some(&new)).unwrap_or_default());
    }
    let old = match seccomp::is_sealed() {
        true => {
            let old = current_under_seccomp();
            keep_as_before(&old);
            publish_and_tell_kernel(|| PROGRAM.replace(new));
            old
        }
        false => {
            take_over_what_was_set_by_hand();
            publish_and_tell_kernel(|| PROGRAM.replace(new)).0
        }
    };
    if new.handler == SIG_IGN {
        page::on_purpose().store(false, Relaxed);
    }
    old
}

/// A kernel action; if it is our handler, the program's own action instead.
fn as_seen_by_program(kernel: Action) -> Action {
    if kernel.handler == our_handler() {
        PROGRAM.get().0
    } else {
        kernel
    }
}

/// Whether our handler would run if a SIGPIPE arrived now: runtimes replace it by system calls of their own. Under seccomp
/// of the program's own the kernel is not asked.
pub fn handler_would_run() -> bool {
    match seccomp::is_sealed() {
        true => !is_ignored_by_program(),
        false => sys::sigaction_sigpipe(None).is_ok_and(|kernel| kernel.handler == our_handler()),
    }
}

/// Sets the kernel's action to match the program's.
fn tell_kernel() {
    loop {
        let (program, ticket) = PROGRAM.get();
        // Can only fail for a signal number that does not exist.
        let _ = sys::sigaction_sigpipe(Some(&kernel_action(&program)));
        if PROGRAM.ticket() == ticket {
            return;
        }
    }
}

/// Before the program puts itself where our handler cannot return: the kernel ignores SIGPIPE, whatever the program's action
/// is.
pub fn ignore_in_kernel() {
    if is_taken_over() {
        let ignore = Action {
            handler: SIG_IGN,
            ..Action::default()
        };
        let _ = sys::sigaction_sigpipe(Some(&ignore));
    }
}

/// It has not done so.
pub fn no_longer_ignore_in_kernel() {
    if is_taken_over() {
        tell_kernel();
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

/// Whether a SIGPIPE is pending for the calling thread, which blocks it.
pub fn is_pending() -> bool {
    sys::sigpending() & sys::SIGPIPE_MASK != 0
}

/// Whether the program ignores SIGPIPE, because it set that or inherited it.
pub fn is_ignored_by_program() -> bool {
    PROGRAM.get().0.handler == SIG_IGN
}

/// Whether the program has left the default action, or set it.
pub fn is_default_by_program() -> bool {
    PROGRAM.get().0.handler == SIG_DFL
}

/// Whether the program has a handler that does not run when a peer vanishes.
pub fn skips_program_handler() -> bool {
    config::settings().handlers == Handlers::Ignore && is_function(PROGRAM.get().0.handler)
}

/// Whether a handler of the program runs when a peer vanishes (`NOPIPE_HANDLERS=run`).
pub fn runs_program_handler() -> bool {
    config::settings().handlers == Handlers::Run && is_function(PROGRAM.get().0.handler)
}

/// Does what the program has arranged for SIGPIPE: its handler, nothing, or death.
///
/// # Safety
/// Called in our handler with its arguments.
pub unsafe fn do_as_arranged(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    loop {
        let (mut program, ticket) = PROGRAM.get();
        if program.handler == SIG_IGN && seccomp::is_sealed() {
            // The kernel would not have called us: a vfork child has published this.
            program = before();
        }
        match program.handler {
            SIG_IGN => return,
            SIG_DFL => return die(),
            _ => {}
        }
        if program.flags & u64::from(SA_RESETHAND as u32) != 0 {
            // Like the kernel: only the handler changes.
            let reset = Action {
                handler: SIG_DFL,
                ..program
            };
            if process::is_vfork_child() {
                let _ = sys::sigaction_sigpipe(Some(&reset));
            } else if publish_and_tell_kernel(|| PROGRAM.replace_if(ticket, reset)).is_none() {
                continue;
            }
        }
        // SAFETY: the program gave this address as a handler. A handler without SA_SIGINFO takes the first argument and
        // does not see the others, as when the kernel calls it.
        unsafe {
            let handler: Handler = core::mem::transmute(program.handler as usize);
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
