//! What the environment says to the library, and whether it may be believed.
//!
//! A process that gained privileges (AT_SECURE, getauxval(3)) has its caller's environment. It takes no setting from there,
//! and [`remove_settings`] takes them out: the process may become root for good and start a program, which would obey them.
//! ld.so does the same with its own variables (ld.so(8), "Secure-execution mode"). Only start-up
//! does it: what the program or its caller puts there later is the program's own.
//!
//! unsafe: the environment is a C array.
#![allow(unsafe_code, reason = "as the head says")]

use crate::libc::{environment, gained_privileges};
use core::ffi::{CStr, c_char};
use nopipe_engine::config::JOURNAL_STREAM;

/// What the names of settings begin with.
const PREFIX: &[u8] = b"NOPIPE_";

/// Calls `f` with name and value of each variable that is a setting or [`JOURNAL_STREAM`]; with none in a process that
/// gained privileges.
pub fn for_each_variable(f: &mut dyn FnMut(&[u8], &[u8])) {
    if gained_privileges() {
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

/// In a process that gained privileges: takes every entry that begins with `NOPIPE_` out of the environment, also one
/// without an equals sign. The others keep their order. The array is edited in place, as unsetenv(3) does it: main's third
/// argument is the same array.
pub fn remove_settings() {
    if !gained_privileges() {
        return;
    }
    // SAFETY: as in `for_each_variable`. `to` is never ahead of `from`, which stops at the null at the array's end. A
    // thread that reads meanwhile finds a string in each place, as with unsetenv.
    unsafe {
        let mut from = environment();
        if from.is_null() {
            return;
        }
        let mut to = from;
        while !(*from).is_null() {
            if !has_prefix(*from, PREFIX) {
                if to != from {
                    *to = *from;
                }
                to = to.add(1);
            }
            from = from.add(1);
        }
        if to != from {
            *to = core::ptr::null();
        }
    }
}

/// # Safety
/// `text` is a C string.
unsafe fn has_prefix(text: *const c_char, prefix: &[u8]) -> bool {
    prefix.iter().enumerate().all(|(i, &b)| {
        // SAFETY: all bytes before this one were equal to a prefix that has no NUL: the string goes on.
        unsafe { *text.add(i).cast::<u8>() == b }
    })
}
