//! send(2), sendto(2), sendmsg(2), sendmmsg(2).
//!
//! unsafe: exported C functions.
#![allow(unsafe_code, reason = "as the head says")]

use super::connect::not_connected;
use super::declare::{failed, hook};
use core::ffi::{c_int, c_uint, c_void};
use libc::{MSG_FASTOPEN, mmsghdr, msghdr, size_t, sockaddr, socklen_t, ssize_t};
use nopipe_core::event::Call;

hook!(send(fd: c_int, buffer: *const c_void, length: size_t, flags: c_int) -> ssize_t = libc::send => on_send, makes Send, to fd);
// Where libc has it for old programs alone, none can be built that needs the hook, and there is no default version to call.
#[cfg(not(target_arch = "aarch64"))]
hook!(__send(fd: c_int, buffer: *const c_void, length: size_t, flags: c_int) -> ssize_t => on_send, makes Send, to fd);
hook!(sendto(fd: c_int, buffer: *const c_void, length: size_t, flags: c_int, address: *const sockaddr, address_length: socklen_t) -> ssize_t = libc::sendto => on_sendto, makes Sendto, to fd);
hook!(sendmsg(fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t = libc::sendmsg => on_sendmsg, makes Sendmsg, to fd);
hook!(sendmmsg(fd: c_int, messages: *mut mmsghdr, count: c_uint, flags: c_int) -> c_int = libc::sendmmsg => on_sendmmsg, makes Sendmmsg, to fd);
// What a 32-bit program calls that was built with times of 64 bits (_TIME_BITS=64, glibc 2.34): the same calls.
#[cfg(target_arch = "x86")]
hook!(__sendmsg64(fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t = libc::sendmsg => on_sendmsg, makes Sendmsg, to fd);
#[cfg(target_arch = "x86")]
hook!(__sendmmsg64(fd: c_int, messages: *mut mmsghdr, count: c_uint, flags: c_int) -> c_int = libc::sendmmsg => on_sendmmsg, makes Sendmmsg, to fd);

#[inline(always)]
unsafe fn on_send(real: send::Function, fd: c_int, buffer: *const c_void, length: size_t, flags: c_int) -> ssize_t {
    // SAFETY: the caller's arguments.
    let result = unsafe { real(fd, buffer, length, flags) };
    if result < 0 {
        failed(fd, Call::Send);
    }
    result
}

#[inline(always)]
unsafe fn on_sendto(
    real: sendto::Function,
    fd: c_int,
    buffer: *const c_void,
    length: size_t,
    flags: c_int,
    address: *const sockaddr,
    address_length: socklen_t,
) -> ssize_t {
    if flags & MSG_FASTOPEN != 0 {
        // SAFETY: the caller's arguments.
        return unsafe { fast_open(fd, buffer, length, flags, address, address_length) };
    }
    // SAFETY: the caller's arguments.
    let result = unsafe { real(fd, buffer, length, flags, address, address_length) };
    if result < 0 {
        failed(fd, Call::Sendto);
    }
    result
}

/// A sendto that connects as well, tcp(7), "TCP_FASTOPEN": apart, so that the usual call need not keep all its arguments,
/// and with the same arguments in the same order, so that it is a mere jump away.
#[cold]
#[inline(never)]
unsafe extern "C" fn fast_open(
    fd: c_int,
    buffer: *const c_void,
    length: size_t,
    flags: c_int,
    address: *const sockaddr,
    address_length: socklen_t,
) -> ssize_t {
    // SAFETY: the caller's arguments.
    let result = unsafe { sendto::real()(fd, buffer, length, flags, address, address_length) };
    if result < 0 {
        not_connected(fd, address, address_length);
        failed(fd, Call::Sendto);
    }
    result
}

#[inline(always)]
unsafe fn on_sendmsg(real: sendmsg::Function, fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t {
    // SAFETY: the caller's arguments.
    let result = unsafe { real(fd, message, flags) };
    if result < 0 {
        failed(fd, Call::Sendmsg);
    }
    result
}

#[inline(always)]
unsafe fn on_sendmmsg(
    real: sendmmsg::Function,
    fd: c_int,
    messages: *mut mmsghdr,
    count: c_uint,
    flags: c_int,
) -> c_int {
    // SAFETY: the caller's arguments.
    let result = unsafe { real(fd, messages, count, flags) };
    if result < 0 {
        failed(fd, Call::Sendmmsg);
    }
    result
}
