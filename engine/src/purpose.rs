//! A SIGPIPE that the program has sent itself on purpose, by kill(2), killpg(3) or pidfd_send_signal(2), is on its way.
//!
//! When such a signal arrives at once, the registers show who sent it ([`crate::origin`]). When it was blocked and arrives
//! later, or arrives in another thread, nothing distinguishes it from the signal of a failed write: the kernel fills in the
//! same siginfo. So the hooks set a flag before such a call, and a signal that looks like nothing in particular is the one
//! on purpose if the flag is set.
//!
//! # The flag must not outlive the signal
//!
//! A flag that is left behind would make a failed write deadly. One is enough, because the kernel keeps one pending SIGPIPE
//! for a process, however many were sent. It is cleared:
//!
//! | when | by |
//! | --- | --- |
//! | the signal arrives | the handler |
//! | another SIGPIPE arrives (a failed write, raise(3), another process), and none is pending any more | the handler: the kernel has merged the two, or another thread has just taken it, and then it is spared |
//! | sigwait(3), sigwaitinfo(2), sigtimedwait(2) take it | the hooks of these |
//! | SIGPIPE is set to be ignored: the kernel drops what is pending | [`crate::disposition`] |
//! | the call fails | the hook of the call |
//!
//! It is not set where the kernel ignores SIGPIPE, or another's handler is installed. It lies in the page that forked
//! children find wiped, because they inherit no pending signal; a vfork child leaves nothing behind.
//!
//! What remains: signalfd(2), and system calls that the program makes by itself, take the signal where nobody sees it; and a
//! handler that interrupts the hook just before the call may longjmp away.

use crate::{disposition, page, proc, process, seccomp};
use core::ffi::c_int;
use core::sync::atomic::Ordering::Relaxed;
use nopipe_sys as sys;

/// Whom a SIGPIPE is sent to.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// The first argument of kill(2).
    Pid(c_int),
    /// pidfd_send_signal(2).
    Pidfd {
        /// The first argument.
        fd: c_int,
        /// The fourth.
        flags: u32,
    },
}

/// What to do when the call has returned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sending {
    /// Nothing: it is for somebody else, or nobody of ours would see it arrive.
    Elsewhere,
    /// The flag is set.
    Announced,
    /// The flag is set, in memory that is borrowed.
    Borrowed,
    /// It may be pending now, or not.
    Perhaps,
}

use page::on_purpose as flag;

/// To be called before a SIGPIPE is sent; its result is for [`sent`].
pub fn sending(target: Target) -> Sending {
    if !disposition::is_taken_over() {
        return Sending::Elsewhere;
    }
    let Some(reaches_us) = reaches_us(target) else {
        return Sending::Perhaps;
    };
    if !reaches_us {
        return Sending::Elsewhere;
    }
    if !disposition::handler_would_run() {
        // A signal that is blocked is kept even if it is ignored; what holds when it is unblocked decides.
        return Sending::Perhaps;
    }
    let sending = match process::is_vfork_child() {
        false => Sending::Announced,
        // What it leaves pending is its own.
        true if seccomp::is_sealed() || sys::signal_mask() & sys::SIGPIPE_MASK != 0 => return Sending::Elsewhere,
        true => Sending::Borrowed,
    };
    flag().store(true, Relaxed);
    sending
}

/// To be called after the call; `succeeded` is what it returned.
pub fn sent(sending: Sending, succeeded: bool) {
    match sending {
        Sending::Elsewhere => {}
        Sending::Announced if succeeded => {}
        Sending::Announced | Sending::Borrowed => flag().store(false, Relaxed),
        Sending::Perhaps => {
            if succeeded && !seccomp::is_sealed() && !process::is_vfork_child() && disposition::is_pending() {
                flag().store(true, Relaxed);
            }
        }
    }
}

/// A SIGPIPE has arrived that looks like nothing in particular: whether it is the one on purpose.
pub fn arrives() -> bool {
    flag().load(Relaxed) && flag().swap(false, Relaxed)
}

/// Another SIGPIPE has arrived, or one was taken: the one on purpose is only on its way if one is still pending.
pub fn one_less() {
    if flag().load(Relaxed) && (seccomp::is_sealed() || !disposition::is_pending()) {
        flag().store(false, Relaxed);
    }
}

/// Whether a signal for `target` reaches the calling process; `None` if that cannot be known.
fn reaches_us(target: Target) -> Option<bool> {
    match target {
        Target::Pid(0) => Some(true),
        // Not the calling process itself, kill(2).
        Target::Pid(-1) => Some(false),
        Target::Pid(pid) if seccomp::is_sealed() => Some(pid == process::known_pid()),
        Target::Pid(pid @ 1..) => Some(pid == sys::getpid() || pid == sys::gettid()),
        Target::Pid(group) => Some(group.checked_neg() == Some(sys::getpgid())),
        Target::Pidfd { fd, flags } => {
            // linux/pidfd.h: the calling thread and process, without a descriptor (Linux 6.14).
            const PIDFD_SELF_THREAD: c_int = -10000;
            const PIDFD_SELF_THREAD_GROUP: c_int = -10001;
            const PIDFD_SIGNAL_PROCESS_GROUP: u32 = 1 << 2;
            if matches!(fd, PIDFD_SELF_THREAD | PIDFD_SELF_THREAD_GROUP) {
                return Some(true);
            }
            if seccomp::is_sealed() {
                return None;
            }
            let pid = proc::pid_of_pidfd(fd)?;
            Some(match flags & PIDFD_SIGNAL_PROCESS_GROUP != 0 {
                true => pid == sys::getpgid(),
                false => pid == sys::getpid(),
            })
        }
    }
}
