//! A program that puts *itself* under seccomp(2) has listed the system calls that it will make. From then on the
//! library makes no system call of its own, not even for the time: it only counts, in its own memory.
//!
//! A filter that was there at start-up (from systemd or a container) is the administrator's, and allows what the
//! library needs: there it logs. Filters belong to threads; the first filter of any thread seals the whole process.

use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

static SEALED: AtomicBool = AtomicBool::new(false);

/// Whether the program has put itself under seccomp.
pub fn is_sealed() -> bool {
    SEALED.load(Relaxed)
}

/// Notes that the program has just put itself under seccomp.
pub fn seal() {
    SEALED.store(true, Relaxed);
}
