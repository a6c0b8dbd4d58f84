//! How a hook is declared, and what each does on failure.
//!
//! unsafe: exported C functions.
#![allow(unsafe_code, reason = "as the head says")]

use crate::{errno, start};
use core::ffi::c_int;
use nopipe_core::event::Call;
use nopipe_engine::failure;

/// Declares an exported function, and all that is known of it: its [`crate::real::Symbol`]. The function loads the real
/// one's address and calls `body(real, arguments…)`.
///
/// | after the body | means |
/// | --- | --- |
/// | `makes Call` | the system call, if it can fail for a vanished peer: the handler looks for it by the address of libc's code |
/// | `makes Kill` | it is kill(2): the handler looks for it likewise |
/// | `to fd` | that argument may be a stream socket: `NOPIPE_EAGER` asks about it first |
macro_rules! hook {
    ($name:ident($($arg:ident: $type:ty),* $(,)?) -> $result:ty $(= $check:path)? => $body:path
        $(, makes $call:ident)? $(, to $out:ident)? ) => {
        #[doc = concat!("The hook of `", stringify!($name), "`.")]
        #[allow(non_snake_case, reason = "a C name")]
        pub mod $name {
            #[allow(unused_imports, reason = "not every hook needs all of its family's")]
            use super::*;

            /// The C prototype.
            pub type Function = unsafe extern "C" fn($($type),*) -> $result;
            $(const _: Function = $check;)?

            /// The real function, or `first` while it is not known; and the hook's registration: the linker makes the table
            /// of what is in this section ([`$crate::real::table`]).
            #[used]
            #[unsafe(link_section = "nopipe_symbols")]
            static SYMBOL: $crate::real::Symbol = $crate::real::Symbol::new(
                stringify!($name),
                first as *mut (),
                $crate::hooks::declare::deed!($($call)?),
                $crate::hooks::declare::ask_first!($($out)?),
            );

            #[inline(always)]
            pub(super) fn real() -> Function {
                // SAFETY: the slot holds a function that was found under this name, or `first`.
                unsafe { core::mem::transmute::<*mut (), Function>(SYMBOL.real.get()) }
            }

            /// Called before start-up: resolves, then does what the hook does.
            unsafe extern "C" fn first($($arg: $type),*) -> $result {
                $crate::start::first_call();
                // SAFETY: the caller's arguments for this function.
                unsafe { $body(real(), $($arg),*) }
            }

            $crate::hooks::declare::asking!([$($out)?] ($($arg: $type),*) -> $result);
            $crate::hooks::declare::export!($name($($arg: $type),*) -> $result => $body);
        }
    };
}

/// The `deed` of a [`hook`]'s symbol.
macro_rules! deed {
    () => {
        None
    };
    (Kill) => {
        Some(nopipe_engine::code::Deed::Kills)
    };
    ($call:ident) => {
        Some(nopipe_engine::code::Deed::Makes(nopipe_core::event::Call::$call))
    };
}

/// The `asking` of a [`hook`]'s symbol.
macro_rules! ask_first {
    () => {
        core::ptr::null_mut()
    };
    ($out:ident) => {
        asking as *mut ()
    };
}

/// For a [`hook`] that writes to a socket: the function that replaces the real one with `NOPIPE_EAGER`.
macro_rules! asking {
    ([] $($rest:tt)*) => {};
    ([$out:ident] ($($arg:ident: $type:ty),*) -> $result:ty) => {
        /// Replaces the real function: refuses a write that would be lost.
        unsafe extern "C" fn asking($($arg: $type),*) -> $result {
            if nopipe_engine::eager::would_be_lost($out) {
                $crate::errno::set(libc::EPIPE);
                return -1;
            }
            // SAFETY: the slot was set to the real function before the hook was aimed here; the caller's arguments.
            unsafe { core::mem::transmute::<*mut (), Function>(SYMBOL.behind())($($arg),*) }
        }
    };
}

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
}
pub(crate) use {ask_first, asking, deed, export, hook};

/// What every hook does when the real call failed, with what `errno` says: counts and reports it, unless our signal
/// handler has done it.
#[cold]
#[inline(never)]
pub fn failed(fd: c_int, call: Call) {
    if start::is_active() {
        failure::seen_by_hook(errno::get(), fd, call);
    }
}
