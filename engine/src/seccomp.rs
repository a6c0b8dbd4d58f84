//! A program that puts *itself* under seccomp(2) has listed the system calls that it will make. From then on the
//! library makes no system call of its own, not even for the time: it only counts, in its own memory.
//!
//! A filter that was there at start-up (from systemd or a container) is the administrator's, and allows what the
//! library needs: there it logs. Filters belong to threads; the first filter of any thread seals the whole process.
//!
//! A vfork child, or another child that borrows its parent's memory (CLONE_VM), seals itself and not its parent. It can be
//! told from the parent without a system call while it lives:
//!
//! * A word is set while it lives. The kernel clears it when the child ends or calls exec (set_tid_address(2)), before the
//!   parent goes on.
//! * The thread pointer is that of the thread that made the child. For a vfork child that thread sleeps meanwhile. A child
//!   made by clone(2) may run at the same time: then that one thread of the parent is taken for sealed, too, until the
//!   child has ended.
//!
//! A child whose maker has the kernel clear another word (CLONE_CHILD_CLEARTID), and a second one at the same time, seal
//! their parent with themselves.
//!
//! unsafe: reads the thread pointer.
#![allow(unsafe_code, reason = "as the head says")]

use crate::arch;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering::*};
use nopipe_sys as sys;

static SEALED: AtomicBool = AtomicBool::new(false);

/// Not 0 while a sealed child borrows this memory.
static BORROWED: AtomicI32 = AtomicI32::new(0);

/// That child's thread pointer.
static BORROWER: AtomicUsize = AtomicUsize::new(0);

/// Whether the program has put itself under seccomp.
pub fn is_sealed() -> bool {
    SEALED.load(Relaxed) || (BORROWED.load(Acquire) != 0 && is_sealed_borrower())
}

/// Whether the caller is a child that has put itself under seccomp, in memory that it borrows.
#[cold]
#[inline(never)]
pub fn is_sealed_borrower() -> bool {
    // SAFETY: only a program with a libc has set the word: `sealing` is for hooks.
    BORROWED.load(Acquire) != 0 && BORROWER.load(Relaxed) == unsafe { arch::thread_pointer() }
}

/// Whose seal it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seal {
    /// The process's.
    Own,
    /// A child's, in memory that it borrows.
    Borrowed,
}

/// To be called by a hook before the program puts itself under seccomp, because afterwards nothing may be asked. Its result
/// is for [`sealed`]. `borrows`: whether this is a child that borrows its parent's memory.
pub fn sealing(borrows: bool) -> Seal {
    // Where prctl cannot show the word (a kernel without CONFIG_CHECKPOINT_RESTORE), there is most probably none.
    if !borrows || SEALED.load(Relaxed) || sys::tid_address().unwrap_or(0) != 0 {
        return Seal::Own;
    }
    if BORROWED.compare_exchange(0, 1, Relaxed, Relaxed).is_err() {
        return Seal::Own;
    }
    sys::set_tid_address(Some(&BORROWED));
    // SAFETY: the program has a libc, since it calls a hook.
    BORROWER.store(unsafe { arch::thread_pointer() }, Relaxed);
    BORROWED.store(2, Release);
    Seal::Borrowed
}

/// To be called after the call; `succeeded` is what it returned.
pub fn sealed(seal: Seal, succeeded: bool) {
    match (seal, succeeded) {
        (Seal::Own, true) => SEALED.store(true, Relaxed),
        (Seal::Own, false) | (Seal::Borrowed, true) => {}
        (Seal::Borrowed, false) => {
            sys::set_tid_address(None);
            BORROWED.store(0, Relaxed);
        }
    }
}
