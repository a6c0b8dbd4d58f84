//! The program's `errno`: read after a real call failed, and put back where libc may have changed it.
//!
//! unsafe: dereferences the pointer that libc gives.
#![allow(unsafe_code, reason = "as the head says")]

use crate::libc::errno_location;
use core::ffi::c_int;

/// The calling thread's `errno`, errno(3).
pub fn get() -> c_int {
    // SAFETY: libc gives a valid pointer to the calling thread's own errno.
    unsafe { *errno_location() }
}

/// Sets the calling thread's `errno`.
#[cold]
#[inline(never)]
pub fn set(value: c_int) {
    // SAFETY: as in `get`.
    unsafe { *errno_location() = value }
}

/// Runs `work` and puts `errno` back.
pub fn kept<T>(work: impl FnOnce() -> T) -> T {
    let before = get();
    let result = work();
    set(before);
    result
}
