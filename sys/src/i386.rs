//! What i386 does in its own way. Raw results: a negated errno, or what the call returns.
//!
//! | what | why |
//! | --- | --- |
//! | socketcall(2) for everything about sockets | the calls themselves came with Linux 4.3, and glibc does it in this way |
//! | poll(2) for nanosleep and ppoll | it takes no `struct timespec`, whose first version ends in 2038 |
//! | a position in two halves | a register has 32 bits |
//!
//! unsafe: system calls.

use crate::number;
use core::ffi::{c_int, c_long};
use syscalls::raw_syscall;

/// What the kernel fills in for fstat64(2).
pub type Stat = libc::stat64;

/// The first arguments of socketcall(2), linux/net.h.
const SOCKET: c_long = 1;
const CONNECT: c_long = 3;
const GETSOCKNAME: c_long = 6;
const GETPEERNAME: c_long = 7;
const SENDTO: c_long = 11;
const GETSOCKOPT: c_long = 15;

/// clock_gettime(2): seconds and nanoseconds. Before Linux 5.1, or where a filter does not know the newer call, seconds end
/// in 2038.
pub fn clock_gettime(clock: c_int) -> (i64, i64) {
    let mut time = [0_i64; 2];
    // SAFETY: a struct __kernel_timespec to fill in.
    if unsafe { raw_syscall!(number::clock_gettime64, clock, &raw mut time) } == 0 {
        return (time[0], time[1]);
    }
    let mut time = [0_i32; 2];
    // SAFETY: a struct old_timespec32 to fill in.
    unsafe { raw_syscall!(number::clock_gettime, clock, &raw mut time) };
    (time[0].into(), time[1].into())
}

/// Sleeps, unless a signal comes.
pub fn sleep_ms(milliseconds: u64) {
    let milliseconds = c_int::try_from(milliseconds).unwrap_or(c_int::MAX);
    // SAFETY: no entry.
    unsafe { raw_syscall!(number::poll, 0, 0, milliseconds) };
}

/// poll(2) without waiting.
pub fn poll_now(one: &mut libc::pollfd) -> usize {
    // SAFETY: one entry.
    unsafe { raw_syscall!(number::poll, &raw mut *one, 1, 0) }
}

/// rt_sigtimedwait(2) without waiting: the zero is the same in both versions of struct timespec.
pub fn sigtimedwait_now(set: &u64) {
    let zero = [0_i64; 2];
    for call in [number::rt_sigtimedwait, number::rt_sigtimedwait_time64] {
        // SAFETY: a signal set, no siginfo wanted, a zero struct timespec.
        let result = unsafe { raw_syscall!(call, &raw const *set, 0, &raw const zero, size_of::<u64>()) };
        // A kernel without the calls of 32-bit time: CONFIG_COMPAT_32BIT_TIME.
        if result as isize != -(libc::ENOSYS as isize) {
            return;
        }
    }
}

/// pread(2).
///
/// # Safety
/// `length` bytes at `buffer` are the caller's to fill.
pub unsafe fn pread(fd: c_int, buffer: *mut u8, length: usize, position: u64) -> usize {
    // SAFETY: as the caller says.
    unsafe { raw_syscall!(number::pread64, fd, buffer, length, position, position >> 32) }
}

/// pwrite(2).
///
/// # Safety
/// `length` bytes at `buffer` can be read.
pub unsafe fn pwrite(fd: c_int, buffer: *const u8, length: usize, position: u64) -> usize {
    // SAFETY: as the caller says.
    unsafe { raw_syscall!(number::pwrite64, fd, buffer, length, position, position >> 32) }
}

/// socketcall(2).
///
/// # Safety
/// As the call that it makes.
unsafe fn socketcall<const N: usize>(call: c_long, arguments: [usize; N]) -> usize {
    // SAFETY: as many words as the call takes.
    unsafe { raw_syscall!(number::socketcall, call, &raw const arguments) }
}

/// socket(2).
pub fn socket(domain: c_int, kind: c_int) -> usize {
    // SAFETY: plain numbers.
    unsafe { socketcall(SOCKET, [domain as usize, kind as usize, 0]) }
}

/// connect(2).
///
/// # Safety
/// `length` bytes at `address` can be read.
pub unsafe fn connect(fd: c_int, address: *const u8, length: usize) -> usize {
    // SAFETY: as the caller says.
    unsafe { socketcall(CONNECT, [fd as usize, address as usize, length]) }
}

/// sendto(2).
///
/// # Safety
/// `length` bytes at `address` can be read. What the flags ask for is the caller's concern.
pub unsafe fn sendto(fd: c_int, bytes: &[u8], flags: c_int, address: *const u8, length: usize) -> usize {
    let (buffer, count) = (bytes.as_ptr() as usize, bytes.len());
    // SAFETY: as the caller says; `bytes` is valid to read.
    unsafe {
        socketcall(
            SENDTO,
            [fd as usize, buffer, count, flags as usize, address as usize, length],
        )
    }
}

/// getsockopt(2).
///
/// # Safety
/// `*length` bytes at `value` are the caller's to fill.
pub unsafe fn getsockopt(fd: c_int, level: c_int, option: c_int, value: *mut u8, length: *mut u32) -> usize {
    let arguments = [
        fd as usize,
        level as usize,
        option as usize,
        value as usize,
        length as usize,
    ];
    // SAFETY: as the caller says.
    unsafe { socketcall(GETSOCKOPT, arguments) }
}

/// getsockname(2).
///
/// # Safety
/// `*length` bytes at `name` are the caller's to fill.
pub unsafe fn getsockname(fd: c_int, name: *mut u8, length: *mut u32) -> usize {
    // SAFETY: as the caller says.
    unsafe { socketcall(GETSOCKNAME, [fd as usize, name as usize, length as usize]) }
}

/// getpeername(2).
///
/// # Safety
/// `*length` bytes at `name` are the caller's to fill.
pub unsafe fn getpeername(fd: c_int, name: *mut u8, length: *mut u32) -> usize {
    // SAFETY: as the caller says.
    unsafe { socketcall(GETPEERNAME, [fd as usize, name as usize, length as usize]) }
}
