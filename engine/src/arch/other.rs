//! A CPU whose registers we do not read: every SIGPIPE of a failed call looks like nothing in particular, and the hooks
//! report what they see.

use super::interrupted::Interrupted;
use core::ffi::c_void;
use nopipe_core::event::Call;

/// No instruction is known.
pub const SYSCALL: &[u8] = &[];

/// Not used: no call is known.
pub const SEVENTH_ARGUMENT: usize = 0;

/// No call is known.
pub fn called_from(_next: usize, _before: &[u8]) -> Option<usize> {
    None
}

/// No jump is known.
pub fn jump_target(_start: usize, _code: &[u8]) -> Option<usize> {
    None
}

/// No code is known.
pub fn words_taken_off(_code: &[u8]) -> Option<usize> {
    None
}

/// No number is known.
pub fn is_number(_call: Call, _number: usize) -> bool {
    false
}

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
