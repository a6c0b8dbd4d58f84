//! connect(2): remembers the address of a failed or unfinished connect, because the kernel forgets it.
//!
//! unsafe: exported C functions.
#![allow(unsafe_code, reason = "as the head says")]

use super::declare::hook;
use crate::{errno, start};
use core::ffi::c_int;
use libc::{sockaddr, socklen_t};
use nopipe_core::table::ADDRESS;
use nopipe_engine::{peer, process, seccomp};
use nopipe_sys as sys;

hook!(connect(fd: c_int, address: *const sockaddr, length: socklen_t) -> c_int = libc::connect => on_connect);
hook!(__connect(fd: c_int, address: *const sockaddr, length: socklen_t) -> c_int => on_connect);

#[inline(always)]
unsafe fn on_connect(real: connect::Function, fd: c_int, address: *const sockaddr, length: socklen_t) -> c_int {
    // SAFETY: the caller's arguments.
    let result = unsafe { real(fd, address, length) };
    if result < 0 {
        not_connected(fd, address, length);
    }
    result
}

/// Remembers the address of a connect that failed or is in progress; errno shows which.
///
/// Only where the network has answered, or is still to answer: any other error may come before the kernel has looked at the
/// address (a filter's EPERM, EFAULT), or is about an earlier connect (EISCONN, EALREADY). A filter may give these errors
/// too, and another thread may have unmapped the address since: the kernel copies it, and finds out.
#[cold]
#[inline(never)]
pub fn not_connected(fd: c_int, address: *const sockaddr, length: socklen_t) {
    let is_networks = matches!(
        errno::get(),
        libc::EINPROGRESS
            | libc::EINTR
            | libc::ECONNREFUSED
            | libc::ECONNRESET
            | libc::ETIMEDOUT
            | libc::EHOSTUNREACH
            | libc::ENETUNREACH
            | libc::EHOSTDOWN
            | libc::ENETDOWN
            | libc::EADDRNOTAVAIL
    );
    if !is_networks || !start::is_active() || seccomp::is_sealed() || process::is_vfork_child() {
        return;
    }
    let mut copy = [0; ADDRESS];
    if let Some(bytes) = copy.get_mut(..(length as usize).min(ADDRESS))
        && sys::copy_own_memory(address as usize, bytes) == Ok(bytes.len())
    {
        peer::remember_target(fd, bytes);
    }
}
