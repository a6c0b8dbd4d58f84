//! Standard error, as it was at start-up.
//!
//! A daemon may close it and reuse its number; under inetd it is the client. So it is written only while descriptor 2 is
//! the file that it was at start-up, and never if that is a socket, but for the one that `$JOURNAL_STREAM` names.

use super::{Outcome, is_still, with_line};
use crate::{config, sys};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use log::Record;

const STDERR: core::ffi::c_int = 2;

static MODE: AtomicU32 = AtomicU32::new(0);
static DEV: AtomicU64 = AtomicU64::new(0);
static INO: AtomicU64 = AtomicU64::new(0);
static TERMINAL: AtomicBool = AtomicBool::new(false);

/// At start-up: takes note of what descriptor 2 is. Mode 0: nothing that may be written to.
pub fn start() {
    let Ok(stat) = sys::fstat(STDERR) else { return };
    if stat.is(libc::S_IFSOCK) && !config::is_journal_stream(stat.dev, stat.ino) {
        return;
    }
    DEV.store(stat.dev, Relaxed);
    INO.store(stat.ino, Relaxed);
    MODE.store(stat.mode, Relaxed);
    TERMINAL.store(stat.is(libc::S_IFCHR) && sys::isatty(STDERR), Relaxed);
}

/// Whether it was a terminal at start-up.
pub fn is_terminal() -> bool {
    TERMINAL.load(Relaxed)
}

/// Writes the record, if that can be done without waiting.
pub fn write(record: &Record) -> Outcome {
    let then = sys::Stat {
        mode: MODE.load(Relaxed),
        dev: DEV.load(Relaxed),
        ino: INO.load(Relaxed),
    };
    if then.mode == 0 || !is_still(STDERR, &then) {
        return Outcome::Absent;
    }
    // A pipe with room for less than a page, a terminal that was stopped by ^S: not now.
    let ready = sys::poll_now(STDERR, libc::POLLOUT).is_ok_and(|events| events & libc::POLLOUT != 0);
    if !ready {
        return Outcome::Lost;
    }
    let written = with_line(record, |line| {
        without_sigpipe(|| match sys::write_nowait(STDERR, line) {
            // Not offered for this kind of file, or by this kernel: there is room, as poll said.
            Err(libc::EOPNOTSUPP | libc::ENOSYS | libc::EINVAL) => sys::write(STDERR, line),
            result => result,
        })
    });
    match written {
        Ok(_) => Outcome::Written,
        Err(_) => Outcome::Lost,
    }
}

/// Runs `write` with SIGPIPE blocked, and takes back the one that it raises: our own handler would come in again for ever.
fn without_sigpipe(write: impl FnOnce() -> sys::Result<usize>) -> sys::Result<usize> {
    let before = sys::sigprocmask(libc::SIG_BLOCK, sys::SIGPIPE_MASK);
    let pending_before = sys::sigpending() & sys::SIGPIPE_MASK != 0;
    let result = write();
    if result == Err(libc::EPIPE) && !pending_before {
        sys::take_pending_sigpipe();
    }
    sys::sigprocmask(libc::SIG_SETMASK, before);
    result
}
