//! Hook or handler: exactly one of them counts and reports a failed call.
//!
//! # The rule
//!
//! A call that fails with EPIPE on a stream raises SIGPIPE, and the signal is delivered before the call returns. So the
//! handler comes first, where it comes at all; the hook, which sees the result, comes second. The hook leaves a failure
//! alone if *all* of this holds, and counts and reports it otherwise:
//!
//! * the call raised SIGPIPE: EPIPE, not one that we made ourselves ([`crate::eager`]), no MSG_NOSIGNAL, a channel for
//!   which the kernel raises it;
//! * SIGPIPE is not blocked in this thread;
//! * the kernel holds our handler now. It is asked, because runtimes such as Go's replace it by raw system calls;
//! * the connection is known: the handler of this very call has entered it in the table of reported connections, or, if
//!   other threads have driven it out since, in this thread's place of `LAST_HANDLED`. The handler does not get that
//!   far where it cannot know the descriptor (splice and tee by a raw call, another CPU).
//!
//! The handler names a peer only after a look whether the descriptor is a dead end. An event is written once for each
//! connection by the table itself ([`crate::report`]), which is the second line of defence.
//!
//! # Threads, signals and fork
//!
//! * Two threads that fail on one connection at the same moment: one enters it in the table, both count.
//! * A signal that was blocked comes when the thread unblocks it; its registers say nothing then. The hook has reported
//!   the failure and set `REPORTED_WHILE_BLOCKED`, so that the late signal is not counted as unattributed. Several
//!   pending in several threads share that one flag: each further one counts as unattributed.
//! * `LAST_HANDLED` has 1,024 places, chosen by thread number: two threads that share one, both in the full table's way
//!   at the same moment, may count a failure twice. Events are not doubled by that while the table keeps the connection.
//! * A forked child goes on with its parent's table and these words; a vfork child counts nothing.
//! * Neither side holds anything when a program's handler runs on top of it, or longjmps away.

use crate::channel::Channel;
use crate::report::{self, Failure};
use crate::{disposition, eager, page, pipeline, process, runaway, seccomp};
use core::ffi::c_int;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use nopipe_core::event::{Call, errno_name};
use nopipe_core::stats::Counter;
use nopipe_sys as sys;

/// Whether, and how, a call that failed with EPIPE raised SIGPIPE.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// As the kernel does it.
    Raised,
    /// The program had asked for none (MSG_NOSIGNAL).
    NotWanted,
    /// The program wanted it; our MSG_NOSIGNAL held it back.
    HeldBack,
}

/// A hook has reported a failure whose SIGPIPE is pending, blocked.
static REPORTED_WHILE_BLOCKED: AtomicBool = AtomicBool::new(false);

/// The connection that our handler counted last in each thread: in the full table, other threads may drive it out before
/// the hook of the same call asks for it. A thread's place follows from its number.
static LAST_HANDLED: [AtomicU64; 1024] = [const { AtomicU64::new(0) }; 1024];

fn last_handled() -> Option<&'static AtomicU64> {
    LAST_HANDLED.get(sys::gettid() as usize % LAST_HANDLED.len())
}

/// A hooked `call` on `fd` has failed with `errno`: counts and reports it, unless the handler has done it.
#[cold]
#[inline(never)]
pub fn seen_by_hook(errno: c_int, fd: c_int, call: Call, signal: Signal) {
    if errno_name(errno).is_none() {
        return;
    }
    if seccomp::is_sealed() {
        return page::count(Counter::Failures);
    }
    if process::is_vfork_child() {
        return;
    }
    let Some(channel) = Channel::of(fd) else {
        return;
    };
    // The kernel knows nothing of an EPIPE that we made ourselves, nor of a signal.
    let refused = errno == libc::EPIPE && eager::has_refused(fd);
    let raises = errno == libc::EPIPE && !refused && signal != Signal::NotWanted && channel.raises_sigpipe(fd);
    if raises {
        let blocked = disposition::is_blocked();
        if blocked {
            REPORTED_WHILE_BLOCKED.store(true, Relaxed);
        }
        match signal {
            Signal::Raised if !blocked && disposition::is_installed() && was_counted(&channel) => return,
            Signal::HeldBack if blocked => disposition::leave_pending(),
            _ => {}
        }
    }
    if errno == libc::EPIPE && !refused && !channel.is_dead_end(fd) {
        // Another thread, or a handler, has closed it since, and the number belongs to another file.
        return page::count(Counter::Unattributed);
    }
    let failure = Failure {
        channel,
        fd,
        call,
        errno,
        handler_skipped: raises && disposition::skips_program_handler(),
    };
    report::failure(&failure);
    if raises && runaway::ends_by(&failure) {
        sys::raise_sigpipe();
    }
}

fn was_counted(channel: &Channel) -> bool {
    report::is_known(channel) || last_handled().is_some_and(|place| place.load(Relaxed) == channel.key())
}

/// The handler has found which call failed: counts and reports it. Whether the signal takes its native course.
pub fn seen_by_handler(channel: Channel, fd: c_int, call: Call) -> bool {
    if process::is_vfork_child() {
        return false;
    }
    if channel.is_pipe() && pipeline::is_native(&channel.stat) {
        return true;
    }
    let failure = Failure {
        channel,
        fd,
        call,
        errno: libc::EPIPE,
        handler_skipped: disposition::skips_program_handler(),
    };
    if let Some(place) = last_handled() {
        place.store(failure.channel.key(), Relaxed);
    }
    report::failure(&failure);
    disposition::runs_program_handler() || runaway::ends_by(&failure)
}

/// The handler was called for a failure of which it knows nothing: counts it, unless a hook has reported it while the
/// signal was blocked. Whether the signal takes its native course.
pub fn seen_by_nobody() -> bool {
    if !REPORTED_WHILE_BLOCKED.swap(false, Relaxed) && !process::is_vfork_child() && !seccomp::is_sealed() {
        page::count(Counter::Unattributed);
    }
    disposition::runs_program_handler()
}
