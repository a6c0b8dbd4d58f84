//! What 64-bit CPUs do in their own way. Raw results: a negated errno, or what the call returns.
//!
//! unsafe: system calls.

use crate::number;
use core::ffi::{c_int, c_long};
use syscalls::raw_syscall;

/// What the kernel fills in for fstat(2).
pub type Stat = libc::stat;

/// `struct timespec`.
type Time = [i64; 2];

// The number type of timespec and others is 64 bits wide here; where it is not, this does not compile.
const _: () = assert!(size_of::<c_long>() == 8);

/// clock_gettime(2): seconds and nanoseconds.
pub fn clock_gettime(clock: c_int) -> (i64, i64) {
    let mut time: Time = [0; 2];
    // SAFETY: a struct timespec to fill in.
    unsafe { raw_syscall!(number::clock_gettime, clock, &raw mut time) };
    (time[0], time[1])
}

/// nanosleep(2).
pub fn sleep_ms(milliseconds: u64) {
    let time: Time = [(milliseconds / 1000) as i64, (milliseconds % 1000 * 1_000_000) as i64];
    // SAFETY: a struct timespec; what remains is not wanted.
    unsafe { raw_syscall!(number::nanosleep, &raw const time, 0) };
}

/// poll(2) without waiting. (ppoll exists on every 64-bit CPU, poll does not.)
pub fn poll_now(one: &mut libc::pollfd) -> usize {
    let zero: Time = [0; 2];
    // SAFETY: one entry, a zero struct timespec, no signal mask.
    unsafe { raw_syscall!(number::ppoll, &raw mut *one, 1, &raw const zero, 0, size_of::<u64>()) }
}

/// rt_sigtimedwait(2) without waiting.
pub fn sigtimedwait_now(set: &u64) {
    let zero: Time = [0; 2];
    // SAFETY: a signal set, no siginfo wanted, a zero struct timespec.
    unsafe {
        raw_syscall!(
            number::rt_sigtimedwait,
            &raw const *set,
            0,
            &raw const zero,
            size_of::<u64>()
        )
    };
}

/// pread(2).
///
/// # Safety
/// `length` bytes at `buffer` are the caller's to fill.
pub unsafe fn pread(fd: c_int, buffer: *mut u8, length: usize, position: u64) -> usize {
    // SAFETY: as the caller says.
    unsafe { raw_syscall!(number::pread64, fd, buffer, length, position) }
}

/// pwrite(2).
///
/// # Safety
/// `length` bytes at `buffer` can be read.
pub unsafe fn pwrite(fd: c_int, buffer: *const u8, length: usize, position: u64) -> usize {
    // SAFETY: as the caller says.
    unsafe { raw_syscall!(number::pwrite64, fd, buffer, length, position) }
}

/// socket(2).
pub fn socket(domain: c_int, kind: c_int) -> usize {
    // SAFETY: plain numbers.
    unsafe { raw_syscall!(number::socket, domain, kind, 0) }
}

/// connect(2).
///
/// # Safety
/// `length` bytes at `address` can be read.
pub unsafe fn connect(fd: c_int, address: *const u8, length: usize) -> usize {
    // SAFETY: as the caller says.
    unsafe { raw_syscall!(number::connect, fd, address, length) }
}

/// sendto(2).
///
/// # Safety
/// `length` bytes at `address` can be read. What the flags ask for is the caller's concern.
pub unsafe fn sendto(fd: c_int, bytes: &[u8], flags: c_int, address: *const u8, length: usize) -> usize {
    // SAFETY: as the caller says; `bytes` is valid to read.
    unsafe { raw_syscall!(number::sendto, fd, bytes.as_ptr(), bytes.len(), flags, address, length) }
}

/// getsockopt(2).
///
/// # Safety
/// `*length` bytes at `value` are the caller's to fill.
pub unsafe fn getsockopt(fd: c_int, level: c_int, option: c_int, value: *mut u8, length: *mut u32) -> usize {
    // SAFETY: as the caller says.
    unsafe { raw_syscall!(number::getsockopt, fd, level, option, value, length) }
}

/// getsockname(2).
///
/// # Safety
/// `*length` bytes at `name` are the caller's to fill.
pub unsafe fn getsockname(fd: c_int, name: *mut u8, length: *mut u32) -> usize {
    // SAFETY: as the caller says.
    unsafe { raw_syscall!(number::getsockname, fd, name, length) }
}

/// getpeername(2).
///
/// # Safety
/// `*length` bytes at `name` are the caller's to fill.
pub unsafe fn getpeername(fd: c_int, name: *mut u8, length: *mut u32) -> usize {
    // SAFETY: as the caller says.
    unsafe { raw_syscall!(number::getpeername, fd, name, length) }
}
