//! write(2), writev(2), pwritev2(2).
//!
//! unsafe: exported C functions.
#![allow(unsafe_code, reason = "as the head says")]

use super::declare::{failed, hook};
use core::ffi::{c_int, c_void};
use libc::{iovec, off_t, off64_t, size_t, ssize_t};
use nopipe_core::event::Call;

hook!(write(fd: c_int, buffer: *const c_void, count: size_t) -> ssize_t = libc::write => on_write, makes Write, to fd);
hook!(__write(fd: c_int, buffer: *const c_void, count: size_t) -> ssize_t => on_write, makes Write, to fd);
hook!(writev(fd: c_int, vector: *const iovec, count: c_int) -> ssize_t = libc::writev => on_writev, makes Writev, to fd);
hook!(pwritev2(fd: c_int, vector: *const iovec, count: c_int, offset: off_t, flags: c_int) -> ssize_t = libc::pwritev2 => on_pwritev2, makes Pwritev2, to fd);
hook!(pwritev64v2(fd: c_int, vector: *const iovec, count: c_int, offset: off64_t, flags: c_int) -> ssize_t = libc::pwritev64v2 => on_pwritev2, makes Pwritev2, to fd);

#[inline(always)]
unsafe fn on_write(real: write::Function, fd: c_int, buffer: *const c_void, count: size_t) -> ssize_t {
    // SAFETY: the caller's arguments.
    let result = unsafe { real(fd, buffer, count) };
    if result < 0 {
        failed(fd, Call::Write);
    }
    result
}

#[inline(always)]
unsafe fn on_writev(real: writev::Function, fd: c_int, vector: *const iovec, count: c_int) -> ssize_t {
    // SAFETY: the caller's arguments.
    let result = unsafe { real(fd, vector, count) };
    if result < 0 {
        failed(fd, Call::Writev);
    }
    result
}

/// `Offset`: [`off_t`] or [`off64_t`], which 32-bit programs have in two sizes.
#[inline(always)]
unsafe fn on_pwritev2<Offset>(
    real: unsafe extern "C" fn(c_int, *const iovec, c_int, Offset, c_int) -> ssize_t,
    fd: c_int,
    vector: *const iovec,
    count: c_int,
    offset: Offset,
    flags: c_int,
) -> ssize_t {
    // SAFETY: the caller's arguments.
    let result = unsafe { real(fd, vector, count, offset, flags) };
    if result < 0 {
        failed(fd, Call::Pwritev2);
    }
    result
}
