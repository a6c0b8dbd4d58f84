//! The exported symbols.
//!
//! # How to add a hook
//!
//! 1. Declare it in the file of its family: `hook!(name(argument: type, …) -> type = libc::name => body);`. The compiler
//!    checks the signature against libc's prototype; where the libc crate has none, leave `= libc::name` out and add the
//!    function to `c-tests/prototypes.c`. Then write `body`, a plain function that gets the real one and the arguments.
//! 2. Add its row to [`SYMBOLS`], and to the table in `docs/symbols.md` (a script compares the two).
//! 3. Run it on a vanished peer in a C test, bare and preloaded.
//!
//! # What a body may do
//!
//! Call the real function once, look at the result, and on failure call [`failed`]. No value with a destructor may live
//! across the real call: pthread_cancel unwinds through it. The hot path is that call and one test.
//!
//! unsafe: exported C functions.
#![allow(unsafe_code)]

pub mod connect;
pub mod seccomp;
pub mod send;
pub mod signal;
pub mod transfer;
pub mod write;

use crate::real::Symbol;
use crate::{eager, errno, init, process, report, runaway, seal, sigpipe, stats, sys, verdict};
use core::ffi::c_int;
use nopipe_core::event::Call;
use nopipe_core::stats::Counter;

/// Declares an exported function. It loads the real function's address and calls `body(real, arguments…)`. With
/// `writes to fd`, `NOPIPE_EAGER` asks about that argument first. With `x86_64: macro`, the function is written by hand on that CPU, and `body` serves the others.
macro_rules! hook {
    ($name:ident($($arg:ident: $type:ty),* $(,)?) -> $result:ty $(= $check:path)? => $body:path
        $(, writes to $out:ident)? $(, x86_64: $by_hand:ident::$macro:ident)?) => {
        #[doc = concat!("The hook of `", stringify!($name), "`.")]
        pub mod $name {
            #[allow(unused_imports)]
            use super::*;

            /// The C prototype.
            pub type Function = unsafe extern "C" fn($($type),*) -> $result;
            $(const _: Function = $check;)?

            /// The real function, or `first` while it is not known.
            pub static REAL: $crate::real::Slot = $crate::real::Slot::new(first as *mut ());

            #[inline(always)]
            pub(super) fn real() -> Function {
                // SAFETY: the slot holds a function that was found under this name, or `first`.
                unsafe { core::mem::transmute::<*mut (), Function>(REAL.get()) }
            }

            /// Called before start-up: resolves, then does what the hook does.
            unsafe extern "C" fn first($($arg: $type),*) -> $result {
                $crate::init::first_call();
                // SAFETY: the caller's arguments for this function.
                unsafe { $body(real(), $($arg),*) }
            }

            $crate::hooks::ask_first!([$($out)?] ($($arg: $type),*) -> $result);
            $crate::hooks::export!($name($($arg: $type),*) -> $result => $body $(, $by_hand::$macro)?);
        }
    };
}

/// For a [`hook`] that writes to a socket: what takes the real function's place with `NOPIPE_EAGER`.
macro_rules! ask_first {
    ([] $($rest:tt)*) => {};
    ([$out:ident] ($($arg:ident: $type:ty),*) -> $result:ty) => {
        /// What [`REAL`] was, when it is aimed at `ask_first`.
        pub static BEHIND: $crate::real::Slot = $crate::real::Slot::new(core::ptr::null_mut());

        /// In the place of the real function: refuses what would be lost.
        pub unsafe extern "C" fn ask_first($($arg: $type),*) -> $result {
            if $crate::eager::would_be_lost($out) {
                $crate::errno::set(libc::EPIPE);
                return -1;
            }
            // SAFETY: the slot was set to the real function before REAL was aimed here; the caller's arguments.
            unsafe { core::mem::transmute::<*mut (), Function>(BEHIND.get())($($arg),*) }
        }
    };
}
use ask_first;

/// The exported function of a [`hook`].
macro_rules! export {
    ($name:ident($($arg:ident: $type:ty),*) -> $result:ty => $body:path) => {
        /// The exported symbol.
        ///
        /// # Safety
        /// As the manual page of the function says.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($arg: $type),*) -> $result {
            // SAFETY: the caller's arguments for this function.
            unsafe { $body(real(), $($arg),*) }
        }
    };
    ($name:ident($($arg:ident: $type:ty),*) -> $result:ty => $body:path, $by_hand:ident::$macro:ident) => {
        #[cfg(not(target_arch = "x86_64"))]
        $crate::hooks::export!($name($($arg: $type),*) -> $result => $body);

        /// The exported symbol.
        ///
        /// # Safety
        /// As the manual page of the function says.
        #[cfg(target_arch = "x86_64")]
        #[unsafe(naked)]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($arg: $type),*) -> $result {
            $by_hand::$macro!(REAL, $by_hand::failed)
        }
    };
}
use export;
use hook;

macro_rules! symbol {
    ($file:ident::$name:ident) => {
        Symbol::new(stringify!($name), &$file::$name::REAL, None)
    };
    ($file:ident::$name:ident, $call:ident) => {
        Symbol::new(stringify!($name), &$file::$name::REAL, Some(Call::$call))
    };
}

/// Every exported symbol, and the system call it makes if that can fail for a vanished peer.
pub static SYMBOLS: [Symbol; 29] = [
    symbol!(write::write, Write),
    symbol!(write::__write, Write),
    symbol!(write::writev, Writev),
    symbol!(write::pwritev2, Pwritev2),
    symbol!(write::pwritev64v2, Pwritev2),
    symbol!(send::send, Send),
    symbol!(send::__send, Send),
    symbol!(send::sendto, Sendto),
    symbol!(send::sendmsg, Sendmsg),
    symbol!(send::sendmmsg, Sendmmsg),
    symbol!(transfer::sendfile, Sendfile),
    symbol!(transfer::sendfile64, Sendfile),
    symbol!(transfer::splice, Splice),
    symbol!(transfer::tee, Tee),
    symbol!(transfer::vmsplice, Vmsplice),
    symbol!(connect::connect),
    symbol!(connect::__connect),
    symbol!(signal::signal),
    symbol!(signal::bsd_signal),
    symbol!(signal::ssignal),
    symbol!(signal::sysv_signal),
    symbol!(signal::__sysv_signal),
    symbol!(signal::sigaction),
    symbol!(signal::__sigaction),
    symbol!(signal::sigset),
    symbol!(signal::sigignore),
    symbol!(signal::siginterrupt),
    symbol!(seccomp::prctl),
    symbol!(seccomp::syscall),
];

/// Aims every hook that writes to a socket at the function that asks first.
pub fn divert_all() {
    macro_rules! divert {
        ($($file:ident::$name:ident),* $(,)?) => {
            $($file::$name::REAL.divert(&$file::$name::BEHIND, $file::$name::ask_first as *mut ());)*
        };
    }
    divert!(
        write::write,
        write::__write,
        write::writev,
        write::pwritev2,
        write::pwritev64v2,
        send::send,
        send::__send,
        send::sendto,
        send::sendmsg,
        send::sendmmsg,
        transfer::sendfile,
        transfer::sendfile64,
        transfer::splice,
    );
}

/// Whether, and how, a call that failed with EPIPE raised SIGPIPE.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// As the kernel does it.
    Raised,
    /// The program had asked for none (MSG_NOSIGNAL).
    NotWanted,
    /// The program wanted it; our MSG_NOSIGNAL held it back.
    HeldBack,
}

/// What every hook does when the real call failed: count and report it, unless our signal handler has done it.
#[cold]
#[inline(never)]
pub fn failed(fd: c_int, call: Call, signal: Signal) {
    let errno = errno::get();
    if !verdict::says_gone(errno) || !init::is_active() {
        return;
    }
    if seal::is_sealed() {
        return stats::count(Counter::Failures);
    }
    if process::is_vfork_child() {
        return;
    }
    let Some(target) = verdict::Target::of(fd) else {
        return;
    };
    // Of an EPIPE that we made ourselves the kernel knows nothing, nor of the signal.
    let refused = errno == libc::EPIPE && eager::has_refused(fd);
    let raises = errno == libc::EPIPE && !refused && signal != Signal::NotWanted && target.raises_sigpipe(fd);
    if raises {
        let blocked = sigpipe::is_blocked();
        if blocked {
            sigpipe::will_be_unblocked();
        }
        match signal {
            Signal::Raised if !blocked && sigpipe::is_installed() && report::is_known(&target) => return,
            Signal::HeldBack if blocked => sigpipe::leave_pending(),
            _ => {}
        }
    }
    if errno == libc::EPIPE && !refused && !target.is_dead_end(fd) {
        // Another thread, or a handler, has closed it since, and the number belongs to another file.
        return stats::count(Counter::Unattributed);
    }
    let failure = report::Failure {
        target,
        fd,
        call,
        errno,
        handler_skipped: raises && sigpipe::skips_program_handler(),
    };
    report::failure(&failure);
    if raises && runaway::ends_by(&failure) {
        sys::raise_sigpipe();
    }
}
