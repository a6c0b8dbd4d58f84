//! What the environment says to the library, and whether it may be believed.
//!
//! unsafe: the environment is a C array.
#![allow(unsafe_code, reason = "as the head says")]

use crate::libc::{auxval, environment};
use core::ffi::{CStr, c_char};
use nopipe_engine::config::JOURNAL_STREAM;

/// What the names of settings begin with.
const PREFIX: &[u8] = b"NOPIPE_";

/// Calls `f` with name and value of each variable that is a setting or [`JOURNAL_STREAM`]; with none in a process that
/// gained privileges (AT_SECURE, getauxval(3)): its environment is its caller's.
pub fn for_each_variable(f: &mut dyn FnMut(&[u8], &[u8])) {
    if auxval(libc::AT_SECURE) != 0 {
        return;
    }
    // SAFETY: environ(7). We run before main, and threads that other constructors may have started do not change it
    // while we look (setenv is not thread-safe).
    unsafe {
        let mut next = environment();
        while !next.is_null() && !(*next).is_null() {
            if has_prefix(*next, PREFIX) || has_prefix(*next, JOURNAL_STREAM) {
                let variable = CStr::from_ptr(*next).to_bytes();
                if let Some(equals) = variable.iter().position(|&b| b == b'=') {
                    let (name, value) = variable.split_at_checked(equals).unwrap_or((variable, b""));
                    if name == JOURNAL_STREAM || name.starts_with(PREFIX) {
                        f(name, value.get(1..).unwrap_or(b""));
                    }
                }
            }
            next = next.add(1);
        }
    }
}

/// # Safety
/// `text` is a C string.
unsafe fn has_prefix(text: *const c_char, prefix: &[u8]) -> bool {
    prefix.iter().enumerate().all(|(i, &b)| {
        // SAFETY: all bytes before this one were equal to a prefix that has no NUL: the string goes on.
        unsafe { *text.add(i) as u8 == b }
    })
}
