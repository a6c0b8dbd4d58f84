//! Standard error, as it was at start-up.
//!
//! A daemon may close it and reuse its number; under inetd it is the client. So it is written only while descriptor 2
//! is the file that it was at start-up, and never if that is a socket, except the one that `$JOURNAL_STREAM` names.

use super::line::{Outcome, with_line};
use crate::config;
use core::ffi::c_int;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use log::Record;
use nopipe_sys as sys;

const STDERR: c_int = 2;

const OPEN_FLAGS: c_int = libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;

/// `/dev/null` and `/dev/zero`, null(4): no place where lines arrive.
const SWALLOWING: [u64; 2] = [libc::makedev(1, 3), libc::makedev(1, 5)];

static MODE: AtomicU32 = AtomicU32::new(0);
static DEV: AtomicU64 = AtomicU64::new(0);
static INO: AtomicU64 = AtomicU64::new(0);
static TERMINAL: AtomicBool = AtomicBool::new(false);
/// It ends in the middle of a line of ours.
static TORN: AtomicBool = AtomicBool::new(false);

/// At start-up: notes what descriptor 2 is. Mode 0: it must not be written to.
pub fn start() {
    let Ok(file) = sys::fstat_file(STDERR) else { return };
    let stat = file.stat;
    if stat.is(libc::S_IFSOCK) && config::journal_stream() != Some((stat.dev, stat.ino)) {
        return;
    }
    if stat.is(libc::S_IFCHR) && SWALLOWING.contains(&file.device) {
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
    is_as_it_was(STDERR)
}

fn is_as_it_was(fd: c_int) -> bool {
    let (mode, dev, ino) = (MODE.load(Relaxed), DEV.load(Relaxed), INO.load(Relaxed));
    mode != 0 && sys::fstat(fd).is_ok_and(|now| now.dev == dev && now.ino == ino)
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
    // A terminal reports room even if a line does not fit. Only an open file description of our own can write to it
    // without waiting. There is none if the terminal was hung up (EIO) or is another user's (EACCES), or without /proc.
    let own = match kind {
        libc::S_IFCHR => match open_own() {
            Ok(own) => Some(own),
            Err(_) => return Outcome::Absent,
        },
        _ => None,
    };
    let fd = own.as_ref().map_or(STDERR, sys::Fd::raw);
    let events = sys::poll_now(fd, libc::POLLOUT).unwrap_or(0);
    // Nobody reads the pipe any more.
    if events & libc::POLLERR != 0 {
        return Outcome::Absent;
    }
    // A pipe with room for less than a page, or a terminal stopped by ^S, cannot take the line now.
    if events & libc::POLLOUT == 0 {
        return Outcome::Lost;
    }
    if TORN.load(Relaxed) && write_bytes(kind, fd, b"\n") != Ok(1) {
        return Outcome::Lost;
    }
    TORN.store(false, Relaxed);
    match write_bytes(kind, fd, line) {
        Ok(n) if n == line.len() => Outcome::Written,
        Ok(n) => {
            TORN.store(n > 0, Relaxed);
            Outcome::Lost
        }
        Err(libc::EAGAIN | libc::EINTR) => Outcome::Lost,
        Err(_) => Outcome::Absent,
    }
}

/// One write to `fd`, a file of this kind, without waiting (a regular file on a network may take its time).
fn write_bytes(kind: u32, fd: c_int, bytes: &[u8]) -> sys::Result<usize> {
    sys::write_quietly(|| match kind {
        libc::S_IFSOCK => sys::send_nowait(fd, bytes),
        libc::S_IFIFO => match sys::write_nowait(fd, bytes) {
            // Not offered for pipes before Linux 6.4.
            Err(libc::EOPNOTSUPP | libc::ENOSYS | libc::EINVAL) => sys::write(open_own()?.raw(), bytes),
            result => result,
        },
        _ => sys::write(fd, bytes),
    })
}

/// Standard error in an open file description of our own, which never waits; the program's own keeps its flags. Fails if
/// it is no more what it was at start-up.
fn open_own() -> sys::Result<sys::Fd> {
    let own = sys::open(c"/proc/self/fd/2", libc::O_WRONLY | OPEN_FLAGS, 0)?;
    match is_as_it_was(own.raw()) {
        true => Ok(own),
        false => Err(libc::EBADF),
    }
}
