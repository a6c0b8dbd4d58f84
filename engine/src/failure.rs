//! Hook or handler: exactly one of them counts and reports a failed call.
//!
//! # The rule
//!
//! A call that fails with EPIPE on a stream raises SIGPIPE, and the signal is delivered before the call returns. So the
//! handler comes first, where it comes at all; the hook, which sees the result, comes second. Only the handler knows that
//! the kernel raised the signal: MSG_NOSIGNAL, RWF_NOSIGNAL, a mask, another handler, a family of sockets without the
//! signal all look the same to a hook. So the handler leaves a note for the hook of the same call, and the hook believes
//! nothing else:
//!
//! | the hook finds | it means | the hook |
//! | --- | --- | --- |
//! | a note with this connection's key | the handler has counted and reported | does nothing |
//! | the note [`SPARED`] | the signal came, and the handler could not know the descriptor (another CPU, a function of libc that it does not know) | counts, reports, asks the runaway guard |
//! | no note | the kernel raised nothing, or the signal is pending, blocked, or somebody else's handler ran | counts and reports |
//!
//! Both name a peer only after a look whether the descriptor is a dead end: another thread may have closed it, and the
//! number may be a living connection's, whose own end is still to be reported. That holds for ECONNRESET and ETIMEDOUT,
//! which come without a signal, as for EPIPE. Only a datagram socket lives on after an error of the network
//! ([`Suspect`]). A failure whose descriptor is gone counts as unattributed. An event is written once for each connection by
//! the table itself ([`crate::report`]), which is the second line of defence.
//!
//! # Threads, signals and fork
//!
//! * A note lies in the place of its thread's number, one of 1,024, with the stack pointer that the signal interrupted. The
//!   hook takes it only if that is near its own: a note that nobody took (a stdio flush has no hook) is no news later,
//!   and a thread that shares the place has another stack. What remains: a failed stdio flush and, at the same depth of
//!   the same stack, a later `send` with MSG_NOSIGNAL on the same connection are counted as one failure.
//! * Two threads that share a place and fail within microseconds of each other may count a failure twice. Two threads
//!   that fail on one connection at the same moment: one enters it in the table, both count.
//! * A signal that was blocked comes when the thread unblocks it; its registers say nothing then. The hook has reported
//!   the failure and set `REPORTED_WHILE_BLOCKED`, so that the late signal is not counted as unattributed. Several
//!   pending in several threads share that one flag: each further one counts as unattributed.
//! * A forked child goes on with its parent's table and these words; a vfork child counts nothing.
//! * Neither side holds anything when a program's handler runs on top of it, or longjmps away.

use crate::channel::{self, Channel};
use crate::report::{self, Failure};
use crate::{disposition, eager, page, pipeline, process, runaway, seccomp};
use core::ffi::c_int;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use nopipe_core::cause::{Suspect, says_gone};
use nopipe_core::event::Call;
use nopipe_core::stats::Counter;
use nopipe_sys as sys;

/// Whether a hook has reported a failure whose SIGPIPE is blocked and pending.
static REPORTED_WHILE_BLOCKED: AtomicBool = AtomicBool::new(false);

/// What the handler leaves for the hook of the same call.
struct Note {
    /// The connection that the handler has counted, [`SPARED`], or 0.
    key: AtomicU64,
    /// The stack pointer that the signal interrupted.
    stack: AtomicUsize,
}

static NOTES: [Note; 1024] = [const {
    Note {
        key: AtomicU64::new(0),
        stack: AtomicUsize::new(0),
    }
}; 1024];

/// In a note: the signal came, and nothing was counted. No connection has this key ([`Channel::key`]).
const SPARED: u64 = u64::MAX;

/// How far below the hook's frame the call itself may lie: libc's frame, and those of other preloads in between.
const NEAR: usize = 8192;

fn own_note() -> Option<&'static Note> {
    NOTES.get(sys::gettid() as usize % NOTES.len())
}

fn leave_note(key: u64, stack: usize) {
    if let Some(note) = own_note() {
        note.stack.store(stack, Relaxed);
        note.key.store(key, Relaxed);
    }
}

/// The key of the note for this call, if there is one; it is taken away.
#[inline(never)]
fn take_note() -> Option<u64> {
    let here = 0_u8;
    let here = &raw const here as usize;
    let note = own_note()?;
    let key = note.key.load(Relaxed);
    if key == 0 || note.stack.load(Relaxed).abs_diff(here) > NEAR {
        return None;
    }
    note.key.store(0, Relaxed);
    Some(key)
}

/// A hooked `call` on `fd` has failed with `errno`: counts and reports it, unless the handler has done it.
#[cold]
#[inline(never)]
pub fn seen_by_hook(errno: c_int, fd: c_int, call: Call) {
    if !says_gone(errno) {
        return;
    }
    if process::is_vfork_child() {
        return;
    }
    if seccomp::is_sealed() {
        return page::count(Counter::Failures);
    }
    let note = match errno {
        libc::EPIPE => take_note(),
        _ => None,
    };
    let found = Channel::of(fd);
    if note.is_some() && note == found.as_ref().map(Channel::key) {
        return;
    }
    let raised = note == Some(SPARED);
    // The kernel knows nothing of an EPIPE that we made ourselves.
    let refused = errno == libc::EPIPE && eager::has_refused(fd);
    let is_pending = errno == libc::EPIPE && !raised && !refused && disposition::is_pending();
    if is_pending {
        REPORTED_WHILE_BLOCKED.store(true, Relaxed);
    }
    let channel = match (whose(found.as_ref(), fd, errno, call, refused), &found) {
        (Whose::ThisChannels, Some(channel)) => channel,
        (Whose::Nobodys, _) => return,
        // Another thread or a handler has closed it since. If the handler was there, it has counted this failure.
        _ if note.is_some() => return,
        _ => return page::count(Counter::Unattributed),
    };
    let failure = Failure {
        channel,
        fd,
        call,
        errno,
        handler_skipped: (raised || is_pending) && disposition::skips_program_handler(),
        is_cramped: None,
    };
    report::failure(&failure);
    if raised && runaway::ends_by(&failure) {
        sys::raise_sigpipe();
    }
}

/// Whose failure it is.
enum Whose {
    ThisChannels,
    /// No connection has failed.
    Nobodys,
    Unknown,
}

/// Whether the failure of `call` on `fd` is that of the channel that is there now. (Apart, because stacks may be small.)
#[inline(never)]
fn whose(channel: Option<&Channel>, fd: c_int, errno: c_int, call: Call, refused: bool) -> Whose {
    let suspect = match channel {
        // The kernel reads a socket into a pipe: what fails so is the input.
        Some(channel) if channel.is_pipe() && call == Call::Splice && errno != libc::EPIPE => Suspect::Nobody,
        Some(channel) => channel.suspect(fd, errno),
        None => channel::suspect_without_channel(fd, errno),
    };
    match (suspect, channel) {
        (Suspect::Nobody, _) => Whose::Nobodys,
        (Suspect::Living, Some(_)) => Whose::ThisChannels,
        (Suspect::DeadEnd, Some(channel)) if refused || channel.is_dead_end(fd) => Whose::ThisChannels,
        _ => Whose::Unknown,
    }
}

/// The handler has found which call failed: counts and reports it. Whether the signal takes its native course.
/// `stack`: the stack pointer that the signal interrupted; `is_cramped`: there is too little room for a report.
pub fn seen_by_handler(channel: Channel, fd: c_int, call: Call, stack: usize, is_cramped: bool) -> bool {
    if process::is_vfork_child() {
        return false;
    }
    if channel.is_pipe() && pipeline::is_native(&channel.stat) {
        return true;
    }
    let failure = Failure {
        channel: &channel,
        fd,
        call,
        errno: libc::EPIPE,
        handler_skipped: disposition::skips_program_handler(),
        is_cramped: Some(is_cramped),
    };
    leave_note(failure.channel.key(), stack);
    report::failure(&failure);
    disposition::runs_program_handler() || runaway::ends_by(&failure)
}

/// The handler was called for a failure of which it knows nothing: counts it, unless a hook has reported it while the
/// signal was blocked. Whether the signal takes its native course. `stack`: the stack pointer that the signal interrupted.
pub fn seen_by_nobody(stack: usize) -> bool {
    if !seccomp::is_sealed() {
        leave_note(SPARED, stack);
    }
    if !REPORTED_WHILE_BLOCKED.swap(false, Relaxed) && !process::is_vfork_child() && !seccomp::is_sealed() {
        page::count(Counter::Unattributed);
    }
    disposition::runs_program_handler()
}
