//! A CPU on which nobody follows the code to find who made a call: because the number of the call shows it, or because nothing
//! is known of that CPU.

use nopipe_core::event::Call;

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
