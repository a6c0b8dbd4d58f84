//! A program that puts *itself* under seccomp(2) has listed the system calls that it will make. From then on the library
//! makes none that the failing call itself did not make, not even for the time: it only counts, in its own memory.
//!
//! A filter that was there at start-up (systemd's, a container's) is the administrator's, and allows what the library
//! needs: there it logs. Filters belong to threads; the first one that a thread sets seals the whole process.

use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

static SEALED: AtomicBool = AtomicBool::new(false);

/// Whether the program has put itself under seccomp.
pub fn is_sealed() -> bool {
    SEALED.load(Relaxed)
}

/// The program has just done so.
pub fn seal() {
    SEALED.store(true, Relaxed);
}
