//! Our SIGPIPE handler: the net under everything that no hook can see.
//!
//! It runs while the program's own disposition is the default or a handler ([`crate::disposition`]). It holds nothing when
//! it calls the program's handler, which may longjmp.
//!
//! unsafe: a signal handler.
#![allow(unsafe_code, reason = "as the head says")]

use crate::origin::Origin;
use crate::{arch, disposition, failure, report};
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
        Origin::FailedCall { channel, fd, call } => {
            // SAFETY: as above.
            let is_cramped = unsafe { is_cramped(context) };
            failure::seen_by_handler(channel, fd, call, stack, is_cramped)
        }
        Origin::Unknown => failure::seen_by_nobody(stack),
    };
    if native {
        // SAFETY: the kernel's arguments.
        unsafe { disposition::do_as_arranged(signal, info, context) };
    }
}

/// Whether we run on an alternate signal stack without enough room for a report. The context names the stack, also where
/// SS_AUTODISARM has taken it away from the kernel until the handler returns (sigaltstack(2)).
///
/// # Safety
/// `context` is what the kernel passed to the handler.
unsafe fn is_cramped(context: *const c_void) -> bool {
    // SAFETY: as the caller says. This part of a context is the same on every CPU.
    let stack = unsafe { (*context.cast::<libc::ucontext_t>()).uc_stack };
    let lowest = stack.ss_sp as usize;
    // The kernel's frame, with the context in it, lies on the stack that the handler runs on.
    (context as usize).wrapping_sub(lowest) < stack.ss_size && report::is_cramped_in_handler(lowest)
}
