//! Is this still the process that started up?
//!
//! One page of the library's .bss is wiped by the kernel in every forked child (MADV_WIPEONFORK), raw clone included,
//! but not in a vfork child, which borrows its parent's memory until it execs. So:
//!
//! | pid in the page | this is |
//! | --- | --- |
//! | ours | the process that wrote it |
//! | 0 | a forked child: it writes its own pid and counts from zero. After fork(3) an atfork handler does so at once, before the child can vfork. After a raw clone nothing does, and kcmp(2) shows whether the process shares its parent's memory |
//! | another | a vfork child: it must not change anything of its parent's |
//!
//! Before Linux 4.14 the kernel does not offer this, and a vfork child is taken for a forked one.
//!
//! unsafe: the page is given to madvise(2); it is Sync because all of it is atomic.
#![allow(unsafe_code)]

use crate::page::{self, nopipe_stats};
use crate::seccomp;
use core::sync::atomic::{AtomicBool, AtomicI32, Ordering::Relaxed};
use nopipe_sys as sys;

static WIPES: AtomicBool = AtomicBool::new(false);

/// The last process that noted its pid in this memory: forked children find their parent's pid here.
static LAST: AtomicI32 = AtomicI32::new(0);

/// Runs in a child that fork(3) has made, before anything else of the program does: whoever has a libc registers it with
/// pthread_atfork(3). What other threads had open for the library at that moment is closed. Under seccomp of the program's own nothing is asked: the page stays unsigned.
pub extern "C" fn forked() {
    if !seccomp::is_sealed() {
        // Of a parent that came from a raw clone nothing is known: it may have closed and reused the numbers.
        if sys::getppid() == LAST.load(Relaxed) {
            sys::close_inherited();
        }
        note();
    }
}

fn note() {
    sys::forget_inherited();
    let pid = sys::getpid();
    LAST.store(pid, Relaxed);
    let (since, _) = sys::clock_realtime();
    page::block().sign(pid as u32, since as u64);
}

/// At start-up: notes which process this is.
pub fn start() {
    // SAFETY: whole pages of .bss, which is private anonymous memory; a child does not need their content.
    let wiped = unsafe { sys::wipe_on_fork((&raw const nopipe_stats).cast(), page::SIZE) };
    WIPES.store(wiped.is_ok(), Relaxed);
    nopipe_stats.started.store(true, Relaxed);
    note();
}

/// Whether the calling process is a vfork child, which must leave its parent's memory alone. If it is a forked child,
/// it is noted as a process of its own. If the program has put itself under seccomp, getpid(2) may be forbidden, so it
/// is not called; vfork is hardly ever allowed there.
pub fn is_vfork_child() -> bool {
    if seccomp::is_sealed() {
        return false;
    }
    let pid = sys::getpid();
    let is_vfork_child = match known_pid() {
        known if known == pid => return false,
        // A child of _Fork(3) or of a raw clone, or a vfork child of such a child.
        0 => {
            let parent = sys::getppid();
            parent != LAST.load(Relaxed) && sys::share_memory(pid, parent)
        }
        _ => WIPES.load(Relaxed),
    };
    if !is_vfork_child {
        note();
    }
    is_vfork_child
}

/// The process id, as far as it is known without a system call; 0 in a forked child that has not noted its own.
pub fn known_pid() -> i32 {
    page::block().pid() as i32
}

/// Whether the process was forked from one that started up, and has not called exec since.
pub fn is_forked() -> bool {
    !nopipe_stats.started.load(Relaxed)
}
