//! `libnopipe.so`: preloaded into a server, it lets the server survive SIGPIPE and logs the peer that vanished.
//!
//! # The contract
//!
//! Never kill, never hang; when in doubt, spare; never change a result; async-signal-safe on every path; no trace in
//! the process; the program reads back what it set; children are as they would be without the library. By construction:
//! no_std, no allocator, and inline system calls only (nopipe-sys), so that `errno` cannot change.
//!
//! # The map
//!
//! What happens after a call has failed is in the crate nopipe-engine; here is what takes a libc.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`hooks`] | the exported symbols |
//! | [`start`] | start-up: resolve, configure, install, complain |
//! | [`real`], [`elf`] | the real functions that the hooks stand before; the symbols of loaded objects |
//! | [`environment`] | what the environment says, and whether it may be believed |
//! | [`summary`], [`streams`] | the account at exit; what libc will flush after it |
//! | [`errno`], [`libc`] | the program's errno; every name taken from libc |
//! | [`runtime`], [`memory`] | what a no_std library must bring along |
#![no_std]
#![deny(unsafe_op_in_unsafe_fn, unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(
    target_pointer_width = "32",
    allow(trivial_numeric_casts, reason = "c_long is c_int there")
)]

mod elf;
mod environment;
mod errno;
mod hooks;
mod libc;
#[cfg(target_arch = "x86_64")]
mod memory;
mod real;
mod runtime;
mod start;
mod streams;
mod summary;

ctor::declarative::ctor! {
    // SAFETY: what the constructor calls is ready for any state of the process: start-up checks what libc knows.
    #[allow(unsafe_code, reason = "declared through a macro that says so")]
    #[ctor(unsafe)]
    fn constructor() {
        start::start();
    }
}
