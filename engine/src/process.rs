//! Is this still the process that started up?
//!
//! One page of the library's .bss is wiped by the kernel in every forked child (MADV_WIPEONFORK), raw clone included,
//! but not in a vfork child, which borrows its parent's memory until it execs; nor in another child of clone(CLONE_VM). So:
//!
//! | pid in the page | what else | this is |
//! | --- | --- | --- |
//! | ours | we see our parent (getppid(2) is not 0) | the process that wrote it |
//! | ours | our parent is in another pid namespace | the process that wrote it if this is its namespace; else a vfork child that was given the same number in a new one |
//! | 0 | our parent is the last process that wrote here | a forked child |
//! | 0 | we share our parent's memory: kcmp(2) says so; where it is not permitted, our parent sleeps as the caller of vfork(2) does | a vfork child of a forked child that has not written yet |
//! | 0 | else | a forked child whose parent has not written, or is gone |
//! | another | that process has ended, and is not our parent | a forked child; a vfork child of ours has written by mistake |
//! | another | else | a vfork child: it must not change anything of its parent's |
//!
//! A forked child writes its own pid and counts from zero. After fork(3) an atfork handler or the hook does so at once,
//! before the child can vfork, and after `syscall(SYS_clone, …)` the hook. After a clone by an instruction of the program's
//! own, or of musl's in daemon(3) and forkpty(3), nothing does: that is the row with kcmp(2).
//!
//! If the program has put itself under seccomp, none of this may be asked. A sealed program has no vfork children then, as
//! far as can be seen; [`crate::disposition`] does not rely on it. A child that seals itself in memory that it borrows is
//! known without asking ([`crate::seccomp`]).
//!
//! Before Linux 4.14 the kernel does not wipe the page. There a word in a page that forked children do not have
//! (MADV_DONTFORK) is the witness: who cannot read it is a forked child, and wipes the page itself; then the table holds.
//! After fork(3) the atfork handler wipes it. In a sealed program, where nothing may be asked, a child that was made by a
//! system call counts on; and a SIGPIPE that its parent sends a child of fork(3) before that handler has run is spared.
//! Where there is no witness either, kcmp(2) says who shares the memory of the process in the page; else its children are
//! taken for vfork children.
//!
//! unsafe: the page is given to madvise(2); the tests fork.
#![allow(unsafe_code, reason = "as the head says")]

use crate::page::{self, nopipe_stats};
use crate::{proc, seccomp};
use core::ffi::c_int;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use nopipe_sys as sys;

static WIPES: AtomicBool = AtomicBool::new(false);

/// Where the kernel does not wipe: the address of a word that only this process has, and what it holds; 0: there is none.
static WITNESS: AtomicUsize = AtomicUsize::new(0);
static TESTIMONY: AtomicU64 = AtomicU64::new(0);

/// The last process that noted its pid in this memory: forked children find their parent's pid here.
static LAST: AtomicI32 = AtomicI32::new(0);

/// Runs in a child that fork(3) has made, before anything else of the program does: whoever has a libc registers it with
/// pthread_atfork(3), or hooks fork(3). What other threads had open for the library at that moment is closed. Under seccomp
/// of the program's own nothing is asked: the page stays unsigned.
pub extern "C" fn forked() {
    if !WIPES.load(Relaxed) {
        page::wipe();
    }
    if !seccomp::is_sealed() {
        // Of a parent that came from a raw clone nothing is known: it may have closed and reused the numbers.
        if sys::getppid() == LAST.load(Relaxed) {
            sys::close_inherited();
        }
        note();
    }
}

/// To be called by whoever sees a raw clone(2) return in the child. Nothing is closed: the child may share its parent's
/// descriptors (CLONE_FILES).
pub fn cloned() {
    is_vfork_child();
}

/// Whether this memory is a copy of that in which the witness was called. The word's address may be another page's by now.
#[inline(never)]
fn has_lost_witness() -> bool {
    let at = WITNESS.load(Relaxed);
    at != 0 && sys::bytes_before(at + size_of::<u64>()) != Some(TESTIMONY.load(Relaxed).to_ne_bytes())
}

/// In a process that has none, or has lost it.
fn call_witness() {
    let value = sys::clock_monotonic_ns();
    let word = sys::word_unknown_to_forks(value).unwrap_or(0);
    TESTIMONY.store(value, Relaxed);
    WITNESS.store(word, Relaxed);
}

fn note() {
    sys::forget_inherited();
    if has_lost_witness() {
        call_witness();
    }
    let pid = sys::getpid();
    LAST.store(pid, Relaxed);
    let namespace = match sys::getppid() {
        0 => namespace(),
        _ => VISIBLE_PARENT,
    };
    NAMESPACE.store(namespace, Relaxed);
    let (since, _) = sys::clock_realtime();
    page::block().sign(pid as u32, since as u64);
}

/// The pid namespace of the process that noted itself, if its parent was in another; else [`VISIBLE_PARENT`].
static NAMESPACE: AtomicU64 = AtomicU64::new(VISIBLE_PARENT);
const VISIBLE_PARENT: u64 = 0;
/// There is no /proc to find it out.
const UNKNOWN_NAMESPACE: u64 = 1;

fn namespace() -> u64 {
    proc::pid_namespace().unwrap_or(UNKNOWN_NAMESPACE)
}

/// At start-up: notes which process this is.
pub fn start() {
    // SAFETY: whole pages of .bss, which is private anonymous memory; a child does not need their content.
    let wiped = unsafe { sys::wipe_on_fork((&raw const nopipe_stats).cast(), page::SIZE) };
    WIPES.store(wiped.is_ok(), Relaxed);
    if wiped.is_err() {
        call_witness();
    }
    nopipe_stats.started.store(true, Relaxed);
    note();
}

/// Whether the calling process is a vfork child, which must leave its parent's memory alone. If it is a forked child,
/// it is noted as a process of its own. If the program has put itself under seccomp, nothing is asked.
#[inline(never)]
pub fn is_vfork_child() -> bool {
    if seccomp::is_sealed() {
        return seccomp::is_sealed_borrower();
    }
    if has_lost_witness() {
        page::wipe();
    }
    let pid = sys::getpid();
    let parent = sys::getppid();
    let is_vfork_child = match known_pid() {
        known if known == pid => return parent == 0 && NAMESPACE.load(Relaxed) != namespace(),
        0 => parent != LAST.load(Relaxed) && shares_memory(pid, parent),
        known if !WIPES.load(Relaxed) && WITNESS.load(Relaxed) == 0 => {
            let shares = sys::share_memory(pid, known).unwrap_or(parent == known);
            if !shares {
                page::wipe();
            }
            shares
        }
        known => parent == known || parent == 0 || exists(known) || shares_memory(pid, parent),
    };
    if !is_vfork_child {
        note();
    }
    is_vfork_child
}

/// Whether this process, `pid`, shares its parent's memory.
fn shares_memory(pid: c_int, parent: c_int) -> bool {
    sys::share_memory(pid, parent).unwrap_or_else(|_| proc::is_in_deep_sleep(parent))
}

fn exists(pid: c_int) -> bool {
    sys::getsid_of(pid) != -1
}

/// The process id, as far as it is known without a system call; 0 in a forked child that has not noted its own.
pub fn known_pid() -> i32 {
    page::block().pid() as i32
}

/// Whether `pid` may be the calling process's. If the program has put itself under seccomp, getpid(2) is not called, and a
/// child that was forked since knows only whose child it is: then the answer may be true for another's.
pub fn may_be_ours(pid: c_int) -> bool {
    if !seccomp::is_sealed() {
        return pid == sys::getpid();
    }
    match known_pid() {
        0 => pid != 0 && pid != LAST.load(Relaxed),
        known => pid == known,
    }
}

/// Whether the process was forked from one that started up, and has not called exec since.
pub fn is_forked() -> bool {
    !nopipe_stats.started.load(Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forked_child_has_no_witness() {
        let word = sys::word_unknown_to_forks(4711).unwrap();
        let testimony = || sys::bytes_before(word + size_of::<u64>());
        assert_eq!(testimony(), Some(4711_u64.to_ne_bytes()));
        // SAFETY: the child makes no call but _exit(2).
        match unsafe { libc::fork() } {
            // SAFETY: as above.
            0 => unsafe { libc::_exit(testimony().is_some().into()) },
            child => {
                let mut status = -1;
                // SAFETY: our own child.
                unsafe { assert_eq!(libc::waitpid(child, &raw mut status, 0), child) };
                assert_eq!(status, 0);
            }
        }
        assert!(testimony().is_some());
    }
}
