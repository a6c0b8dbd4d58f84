//! A CPU whose registers we do not read: every SIGPIPE of a failed call looks like nothing in particular, and the hooks
//! report what they see.

use super::interrupted::Interrupted;
pub use super::no_code::{SEVENTH_ARGUMENT, called_from, is_number, jump_target, words_taken_off};
use core::ffi::c_void;

/// No instruction is known.
pub const SYSCALL: &[u8] = &[];

/// Nothing is known.
///
/// # Safety
/// None: nothing is read. (Unsafe as on the other CPUs.)
#[allow(unsafe_code, reason = "as on the other CPUs")]
pub unsafe fn interrupted(_context: *const c_void) -> Option<Interrupted> {
    None
}

/// Nothing is known.
///
/// # Safety
/// None: nothing is read. (Unsafe as on the other CPUs.)
#[allow(unsafe_code, reason = "as on the other CPUs")]
pub unsafe fn kept(_context: *const c_void) -> [usize; 0] {
    []
}

/// An address near the interrupted stack: our own frame, which lies above it unless the handler has a stack of its own.
///
/// # Safety
/// None: nothing is read. (Unsafe as on the other CPUs.)
#[allow(unsafe_code, reason = "as on the other CPUs")]
pub unsafe fn stack(_context: *const c_void) -> usize {
    let here = 0_u8;
    &raw const here as usize
}

/// All threads look alike.
///
/// # Safety
/// None: nothing is read. (Unsafe as on the other CPUs.)
#[allow(unsafe_code)]
pub unsafe fn thread_pointer() -> usize {
    0
}
