//! connect(2): remembers the address of a failed or unfinished connect, because the kernel forgets it.
//!
//! unsafe: exported C functions.
#![allow(unsafe_code, reason = "as the head says")]

use super::declare::hook;
use crate::{errno, start};
use core::ffi::c_int;
use libc::{sockaddr, socklen_t};
use nopipe_core::table::ADDRESS;
use nopipe_engine::{peer, process};

hook!(connect(fd: c_int, address: *const sockaddr, length: socklen_t) -> c_int = libc::connect => on_connect);
hook!(__connect(fd: c_int, address: *const sockaddr, length: socklen_t) -> c_int => on_connect);

#[inline(always)]
unsafe fn on_connect(real: connect::Function, fd: c_int, address: *const sockaddr, length: socklen_t) -> c_int {
    // SAFETY: the caller's arguments.
    let result = unsafe { real(fd, address, length) };
    if result < 0 {
        // SAFETY: the caller's arguments.
        unsafe { not_connected(fd, address, length) };
    }
    result
}

/// Remembers the address of a connect that failed or is in progress; errno shows which.
///
/// # Safety
/// As connect(2): `address` is null or has `length` bytes.
#[cold]
#[inline(never)]
pub unsafe fn not_connected(fd: c_int, address: *const sockaddr, length: socklen_t) {
    // If the kernel could not read the address, or found it too short, we do not read it either. EISCONN and EALREADY
    // are about an earlier connect.
    let refused = matches!(
        errno::get(),
        libc::EFAULT | libc::EINVAL | libc::EISCONN | libc::EALREADY | libc::EBADF | libc::ENOTSOCK
    );
    if refused || address.is_null() || !start::is_active() || process::is_vfork_child() {
        return;
    }
    // SAFETY: the kernel has read `length` bytes there.
    let bytes = unsafe { core::slice::from_raw_parts(address.cast::<u8>(), (length as usize).min(ADDRESS)) };
    peer::remember_target(fd, bytes);
}
