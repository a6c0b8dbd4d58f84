//! The exported symbols: a family a file.
//!
//! # How to add a hook
//!
//! 1. Declare it in the file of its family: `hook!(name(argument: type, …) -> type = libc::name => body);` ([`declare`]
//!    explains what may follow). The compiler checks the signature against libc's prototype; where the libc crate has
//!    none, leave `= libc::name` out and add the function to `c-tests/prototypes.c`. Then write `body`, a plain function that
//!    gets the real one and the arguments.
//! 2. Add its row to the table of `docs/symbols.md` (a script compares the two).
//! 3. Run it on a vanished peer in a C test, bare and preloaded.
//!
//! # What a body may do
//!
//! Call the real function once, look at the result, and on failure call [`declare::failed`]. No value with a destructor may
//! live across the real call: pthread_cancel unwinds through it. The hot path is that call and one test.

pub mod connect;
pub mod declare;
pub mod fork;
pub mod kill;
pub mod on_purpose;
pub mod seccomp;
pub mod send;
pub mod signal;
pub mod transfer;
pub mod write;
