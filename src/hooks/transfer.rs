//! sendfile(2), splice(2), tee(2), vmsplice(2): data that does not pass through the program. Only the output descriptor
//! can be a dead end.
//!
//! unsafe: exported C functions.
#![allow(unsafe_code, reason = "as the head says")]

use super::declare::{failed, hook};
use core::ffi::{c_int, c_uint};
use libc::{iovec, loff_t, off_t, off64_t, size_t, ssize_t};
use nopipe_core::event::Call;

hook!(sendfile(out: c_int, input: c_int, offset: *mut off_t, count: size_t) -> ssize_t = libc::sendfile => on_sendfile, makes Sendfile, to out);
hook!(sendfile64(out: c_int, input: c_int, offset: *mut off64_t, count: size_t) -> ssize_t = libc::sendfile64 => on_sendfile, makes Sendfile, to out);
hook!(splice(input: c_int, input_offset: *mut loff_t, out: c_int, out_offset: *mut loff_t, count: size_t, flags: c_uint) -> ssize_t = libc::splice => on_splice, makes Splice, to out);
hook!(tee(input: c_int, out: c_int, count: size_t, flags: c_uint) -> ssize_t = libc::tee => on_tee, makes Tee);
hook!(vmsplice(fd: c_int, vector: *const iovec, count: size_t, flags: c_uint) -> ssize_t = libc::vmsplice => on_vmsplice, makes Vmsplice);

/// `Offset`: [`off_t`] or [`off64_t`], which 32-bit programs have in two sizes.
#[inline(always)]
unsafe fn on_sendfile<Offset>(
    real: unsafe extern "C" fn(c_int, c_int, *mut Offset, size_t) -> ssize_t,
    out: c_int,
    input: c_int,
    offset: *mut Offset,
    count: size_t,
) -> ssize_t {
    // SAFETY: the caller's arguments.
    let result = unsafe { real(out, input, offset, count) };
    if result < 0 {
        failed(out, Call::Sendfile);
    }
    result
}

#[inline(always)]
unsafe fn on_splice(
    real: splice::Function,
    input: c_int,
    input_offset: *mut loff_t,
    out: c_int,
    out_offset: *mut loff_t,
    count: size_t,
    flags: c_uint,
) -> ssize_t {
    // SAFETY: the caller's arguments.
    let result = unsafe { real(input, input_offset, out, out_offset, count, flags) };
    if result < 0 {
        failed(out, Call::Splice);
    }
    result
}

#[inline(always)]
unsafe fn on_tee(real: tee::Function, input: c_int, out: c_int, count: size_t, flags: c_uint) -> ssize_t {
    // SAFETY: the caller's arguments.
    let result = unsafe { real(input, out, count, flags) };
    if result < 0 {
        failed(out, Call::Tee);
    }
    result
}

#[inline(always)]
unsafe fn on_vmsplice(
    real: vmsplice::Function,
    fd: c_int,
    vector: *const iovec,
    count: size_t,
    flags: c_uint,
) -> ssize_t {
    // SAFETY: the caller's arguments.
    let result = unsafe { real(fd, vector, count, flags) };
    if result < 0 {
        failed(fd, Call::Vmsplice);
    }
    result
}
