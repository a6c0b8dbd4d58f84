//! What a process and the children that it forks know in common: one shared page, which the process maps at start-up. A
//! program that is started by exec has another.
//!
//! unsafe: the page is mapped memory.
#![allow(unsafe_code, reason = "as the head says")]

use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering::*};
use nopipe_sys as sys;

/// All of it is atomic, and all zero at first.
pub struct Family {
    /// One of them has reported that the log is not there ([`crate::sink`]).
    pub log_is_missed: AtomicBool,
    /// The log file that they share ends in the middle of a line.
    pub log_is_torn: AtomicBool,
}

/// Where there is no page yet, or none can be had: each process for itself.
static OWN: Family = Family {
    log_is_missed: AtomicBool::new(false),
    log_is_torn: AtomicBool::new(false),
};

static PAGE: AtomicPtr<Family> = AtomicPtr::new(ptr::null_mut());

/// At start-up: maps the page.
pub fn start() {
    if let Ok(page) = sys::shared_memory(size_of::<Family>()) {
        PAGE.store(page.cast(), Release);
    }
}

/// What they know.
pub fn family() -> &'static Family {
    // SAFETY: null, or a page that is never unmapped; all zeros is a valid Family, whose fields are atomic.
    unsafe { PAGE.load(Acquire).as_ref() }.unwrap_or(&OWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forked_child_is_heard() {
        start();
        assert!(!ptr::eq(family(), &raw const OWN) && !family().log_is_missed.load(Relaxed));
        // SAFETY: the child makes no call but _exit(2).
        match unsafe { libc::fork() } {
            0 => {
                family().log_is_missed.store(true, Relaxed);
                // SAFETY: as above.
                unsafe { libc::_exit(0) };
            }
            // SAFETY: our own child.
            child => unsafe { assert_eq!(libc::waitpid(child, ptr::null_mut(), 0), child) },
        }
        assert!(family().log_is_missed.load(Relaxed));
    }
}
