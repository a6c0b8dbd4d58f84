//! Standard error, as it was at start-up.
//!
//! A daemon may close it and reuse its number; under inetd it is the client. So it is written only while descriptor 2
//! is the file that it was at start-up, and never if that is a socket, except the one that `$JOURNAL_STREAM` names.

use super::line::{Outcome, with_line};
use crate::config;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use log::Record;
use nopipe_sys as sys;

const STDERR: core::ffi::c_int = 2;

const OPEN_FLAGS: core::ffi::c_int = libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;

static MODE: AtomicU32 = AtomicU32::new(0);
static DEV: AtomicU64 = AtomicU64::new(0);
static INO: AtomicU64 = AtomicU64::new(0);
static TERMINAL: AtomicBool = AtomicBool::new(false);

/// At start-up: notes what descriptor 2 is. Mode 0: it must not be written to.
pub fn start() {
    let Ok(stat) = sys::fstat(STDERR) else { return };
    if stat.is(libc::S_IFSOCK) && config::journal_stream() != Some((stat.dev, stat.ino)) {
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

/// Whether descriptor 2 is still what it was at start-up.
pub fn is_there() -> bool {
    let then = sys::Stat {
        mode: MODE.load(Relaxed),
        dev: DEV.load(Relaxed),
        ino: INO.load(Relaxed),
    };
    then.mode != 0 && sys::fstat(STDERR).is_ok_and(|now| now.dev == then.dev && now.ino == then.ino)
}

/// Writes the record, if that can be done without waiting. Signals are blocked, so that SIGTTOU does not stop a
/// background job, whatever `stty tostop` says.
pub fn write(record: &Record) -> Outcome {
    if !is_there() {
        return Outcome::Absent;
    }
    with_line(record, write_line)
}

fn write_line(line: &[u8]) -> Outcome {
    let kind = MODE.load(Relaxed) & libc::S_IFMT;
    // A pipe with room for less than a page, or a terminal stopped by ^S, cannot take the line now.
    if sys::poll_now(STDERR, libc::POLLOUT).unwrap_or(0) & libc::POLLOUT == 0 {
        return Outcome::Lost;
    }
    // A terminal reports room even if a line does not fit. Only an open file description of our own can write to it
    // without waiting.
    let own = match kind {
        libc::S_IFCHR => match sys::open(c"/proc/self/fd/2", libc::O_WRONLY | OPEN_FLAGS, 0) {
            Ok(own) => Some(own),
            Err(_) => return Outcome::Lost,
        },
        _ => None,
    };
    let fd = own.as_ref().map_or(STDERR, sys::Fd::raw);
    let written = sys::write_quietly(|| match kind {
        libc::S_IFIFO | libc::S_IFSOCK => match sys::write_nowait(fd, line) {
            // Not offered before Linux 6.4; but poll has said that there is room for a page.
            Err(libc::EOPNOTSUPP | libc::ENOSYS | libc::EINVAL) => sys::write(fd, line),
            result => result,
        },
        _ => sys::write(fd, line),
    });
    match written == Ok(line.len()) {
        true => Outcome::Written,
        false => Outcome::Lost,
    }
}
