//! A CPU whose registers we do not read: every SIGPIPE of a failed call looks like nothing in particular, and the hooks
//! report what they see.

use super::Interrupted;
use core::ffi::c_void;

/// No instruction is known.
pub const SYSCALL: &[u8] = &[];

/// Nothing is known.
///
/// # Safety
/// None: nothing is read. (Unsafe as on the other CPUs.)
#[allow(unsafe_code)]
pub unsafe fn interrupted(_context: *const c_void) -> Option<Interrupted> {
    None
}
