//! Our SIGPIPE handler: the net under everything that no hook can see.
//!
//! It runs while the program's own disposition is the default or a handler ([`crate::disposition`]). It holds nothing when
//! it calls the program's handler, which may longjmp.
//!
//! unsafe: a signal handler.
#![allow(unsafe_code, reason = "as the head says")]

use crate::origin::Origin;
use crate::{arch, disposition, failure};
use core::ffi::{c_int, c_void};
use libc::siginfo_t;

/// What the kernel calls.
///
/// # Safety
/// Called by the kernel, as a handler with SA_SIGINFO.
pub unsafe extern "C" fn on_sigpipe(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel's pointers.
    let origin = unsafe { Origin::of(&*info, context) };
    // SAFETY: as above.
    let stack = unsafe { arch::stack(context) };
    let native = match origin {
        Origin::OnPurpose => true,
        Origin::FailedCall { channel, fd, call } => failure::seen_by_handler(channel, fd, call, stack),
        Origin::Unknown => failure::seen_by_nobody(stack),
    };
    if native {
        // SAFETY: the kernel's arguments.
        unsafe { disposition::do_as_arranged(signal, info, context) };
    }
}
