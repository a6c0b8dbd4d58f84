//! The functions that the compiler calls by itself, without a libc. Slow and plain: string instructions, byte by byte.

use core::arch::asm;

/// memcpy(3).
///
/// # Safety
/// `count` bytes at both, which do not overlap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    // SAFETY: as the caller says; the direction flag is clear in every function (System V ABI).
    unsafe {
        asm!("rep movsb", inout("rcx") count => _, inout("rdi") to => _, inout("rsi") from => _, options(nostack, preserves_flags));
    }
    to
}

/// memmove(3).
///
/// # Safety
/// `count` bytes at both.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    if (to as usize).wrapping_sub(from as usize) >= count {
        // SAFETY: the end of `from` is not overwritten before it is read.
        return unsafe { memcpy(to, from, count) };
    }
    let mut rest = count;
    while rest > 0 {
        rest -= 1;
        // SAFETY: from the end, so nothing is overwritten before it is read. The barrier keeps the compiler from making
        // a call of this very function out of the loop.
        unsafe {
            asm!("mov {byte}, [{from}]", "mov [{to}], {byte}", byte = out(reg_byte) _, from = in(reg) from.add(rest), to = in(reg) to.add(rest), options(nostack));
        }
    }
    to
}

/// memset(3).
///
/// # Safety
/// `count` bytes at `to`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memset(to: *mut u8, byte: i32, count: usize) -> *mut u8 {
    // SAFETY: as the caller says.
    unsafe {
        asm!("rep stosb", inout("rcx") count => _, inout("rdi") to => _, in("al") byte as u8, options(nostack, preserves_flags));
    }
    to
}

/// memcmp(3).
///
/// # Safety
/// `count` bytes at both.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcmp(one: *const u8, other: *const u8, count: usize) -> i32 {
    let mut at = 0;
    while at < count {
        // SAFETY: within the caller's `count`. Volatile: the compiler must not make a call of memcmp out of the loop.
        let (a, b) = unsafe { (one.add(at).read_volatile(), other.add(at).read_volatile()) };
        if a != b {
            return i32::from(a) - i32::from(b);
        }
        at += 1;
    }
    0
}

/// bcmp(3).
///
/// # Safety
/// `count` bytes at both.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bcmp(one: *const u8, other: *const u8, count: usize) -> i32 {
    // SAFETY: as the caller says.
    unsafe { memcmp(one, other, count) }
}

/// strlen(3).
///
/// # Safety
/// A C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn strlen(text: *const u8) -> usize {
    let mut length = 0;
    // SAFETY: no NUL has come yet.
    while unsafe { text.add(length).read_volatile() } != 0 {
        length += 1;
    }
    length
}
