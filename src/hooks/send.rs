//! send(2), sendto(2), sendmsg(2), sendmmsg(2): MSG_NOSIGNAL is added, so that no signal has to be caught.
//!
//! A family of sockets that refuses the flag (EINVAL or EOPNOTSUPP, nothing sent) gets the call again without it.
//!
//! unsafe: exported C functions.
#![allow(unsafe_code)]

use super::connect::not_connected;
use super::declare::{failed, hook};
use crate::errno;
use core::ffi::{c_int, c_uint, c_void};
use libc::{MSG_FASTOPEN, MSG_NOSIGNAL, mmsghdr, msghdr, size_t, sockaddr, socklen_t, ssize_t};
use nopipe_core::event::Call;
use nopipe_engine::disposition::added_send_flag;
use nopipe_engine::failure::Signal;

hook!(send(fd: c_int, buffer: *const c_void, length: size_t, flags: c_int) -> ssize_t = libc::send => on_send, makes Send, to fd, x86_64: by_hand::send);
hook!(__send(fd: c_int, buffer: *const c_void, length: size_t, flags: c_int) -> ssize_t => on_send, makes Send, to fd, x86_64: by_hand::send);
hook!(sendto(fd: c_int, buffer: *const c_void, length: size_t, flags: c_int, address: *const sockaddr, address_length: socklen_t) -> ssize_t = libc::sendto => on_sendto, makes Sendto, to fd);
hook!(sendmsg(fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t = libc::sendmsg => on_sendmsg, makes Sendmsg, to fd);
hook!(sendmmsg(fd: c_int, messages: *mut mmsghdr, count: c_uint, flags: c_int) -> c_int = libc::sendmmsg => on_sendmmsg, makes Sendmmsg, to fd);

#[inline(always)]
unsafe fn on_send(real: send::Function, fd: c_int, buffer: *const c_void, length: size_t, flags: c_int) -> ssize_t {
    // SAFETY: the caller's arguments, and a flag that send(2) allows.
    let result = unsafe { real(fd, buffer, length, flags | added_send_flag()) };
    if result < 0 {
        return after_failure(fd, Call::Send, flags, result, || {
            // SAFETY: the caller's arguments.
            unsafe { real(fd, buffer, length, flags) }
        });
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
    // SAFETY: the caller's arguments, and a flag that sendto(2) allows.
    let result = unsafe { real(fd, buffer, length, flags | added_send_flag(), address, address_length) };
    if result < 0 {
        if flags & MSG_FASTOPEN != 0 {
            // SAFETY: the caller's arguments.
            unsafe { not_connected(fd, address, address_length) };
        }
        return after_failure(fd, Call::Sendto, flags, result, || {
            // SAFETY: the caller's arguments.
            unsafe { real(fd, buffer, length, flags, address, address_length) }
        });
    }
    result
}

#[inline(always)]
unsafe fn on_sendmsg(real: sendmsg::Function, fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t {
    // SAFETY: the caller's arguments, and a flag that sendmsg(2) allows.
    let result = unsafe { real(fd, message, flags | added_send_flag()) };
    if result < 0 {
        return after_failure(fd, Call::Sendmsg, flags, result, || {
            // SAFETY: the caller's arguments.
            unsafe { real(fd, message, flags) }
        });
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
    // SAFETY: the caller's arguments, and a flag that sendmmsg(2) allows.
    let result = unsafe { real(fd, messages, count, flags | added_send_flag()) };
    if result < 0 {
        return after_failure(fd, Call::Sendmmsg, flags, result as ssize_t, || {
            // SAFETY: the caller's arguments.
            unsafe { real(fd, messages, count, flags) as ssize_t }
        }) as c_int;
    }
    result
}

/// `send` is called more often than any other, and the compiler takes 20 instructions to keep four arguments for a
/// second call that hardly ever comes. By hand it is 10: the arguments are pushed, `fd` and `flags` in one word.
#[cfg(target_arch = "x86_64")]
mod by_hand {
    use super::*;

    /// What lies on the stack behind the pushes.
    #[repr(C)]
    pub struct Arguments {
        fd: c_int,
        flags: c_int,
        buffer: *const c_void,
        length: size_t,
    }

    /// The whole function; `real` and `failure` are the symbols of its slot and of what it does on failure.
    macro_rules! send {
        ($real:path, $failure:path) => {
            core::arch::naked_asm!(
                ".cfi_startproc",
                "push rdx",
                ".cfi_adjust_cfa_offset 8",
                "push rsi",
                ".cfi_adjust_cfa_offset 8",
                "push rdi",
                ".cfi_adjust_cfa_offset 8",
                "mov [rsp + 4], ecx",
                "or ecx, [rip + {flag}]",
                "call [rip + {real}]",
                "test rax, rax",
                "js 2f",
                "add rsp, 24",
                ".cfi_adjust_cfa_offset -24",
                "ret",
                ".cfi_adjust_cfa_offset 24",
                "2:",
                "mov rdi, rsp",
                "mov rsi, rax",
                "call {failure}",
                "add rsp, 24",
                ".cfi_adjust_cfa_offset -24",
                "ret",
                ".cfi_endproc",
                flag = sym nopipe_engine::disposition::SEND_FLAG,
                real = sym $real,
                failure = sym $failure,
            )
        };
    }
    pub(super) use send;

    /// # Safety
    /// Called by `send!` alone.
    pub unsafe extern "C" fn failed(arguments: &Arguments, result: ssize_t) -> ssize_t {
        let Arguments {
            fd,
            flags,
            buffer,
            length,
        } = *arguments;
        after_failure(fd, Call::Send, flags, result, || {
            // SAFETY: the caller's arguments. (Both names of send are the same function.)
            unsafe { send::real()(fd, buffer, length, flags) }
        })
    }
}

/// `flags` are the program's own. Returns what the program gets.
#[cold]
#[inline(never)]
fn after_failure(fd: c_int, call: Call, flags: c_int, mut result: ssize_t, again: impl FnOnce() -> ssize_t) -> ssize_t {
    let wanted_by_program = flags & MSG_NOSIGNAL != 0;
    let mut added = !wanted_by_program && added_send_flag() != 0;
    if added && matches!(errno::get(), libc::EINVAL | libc::EOPNOTSUPP) {
        result = again();
        added = false;
    }
    if result < 0 {
        let signal = match (wanted_by_program, added) {
            (true, _) => Signal::NotWanted,
            (false, true) => Signal::HeldBack,
            (false, false) => Signal::Raised,
        };
        failed(fd, call, signal);
    }
    result
}
