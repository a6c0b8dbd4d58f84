//! The runaway guard: a program that never looks at the result of a write would run on for ever without SIGPIPE.
//!
//! When a connection has failed too often to be an accident ([`nopipe_core::runaway`]), one warning says so. Then a
//! process that serves only one connection is ended by SIGPIPE, as it would be without the library. Any other process
//! sleeps a little after each further failure.
//!
//! A program that ignores SIGPIPE is left alone: it would run on without the library as well.

use crate::channel::Channel;
use crate::report::{self, Failure};
use crate::{config, disposition, process};
use core::ffi::c_int;
use core::sync::atomic::{AtomicI32, Ordering::Relaxed};
use nopipe_core::line::Line;
use nopipe_core::runaway::{Runaways, Step};
use nopipe_core::settings::Runaway;
use nopipe_sys as sys;

/// Connections that are watched at the same time: 256.
static WATCHED: Runaways<64> = Runaways::new();

/// How many descriptors are searched for other connections: the lowest ones, which the kernel gives out first.
const DESCRIPTORS: c_int = 4096;

/// The pid of the process that is to end because it serves only one connection. A child has another pid, so it is
/// judged anew.
static CONDEMNED: AtomicI32 = AtomicI32::new(0);

/// Counts one more failure, and sleeps if the guard asks for it. Returns whether SIGPIPE is to end the process.
pub fn ends_by(failure: &Failure<'_>) -> bool {
    let settings = config::settings();
    if settings.runaway == Runaway::Off || disposition::is_ignored_by_program() {
        return false;
    }
    match WATCHED.count(failure.channel.key(), sys::clock_monotonic_ms(), settings.runaway_limit) {
        Step::Calm => false,
        Step::SetsIn => {
            let ends = match settings.runaway {
                Runaway::Kill => true,
                Runaway::Throttle => false,
                _ => serves_one_connection(failure.channel),
            };
            warn(failure, ends);
            if ends {
                CONDEMNED.store(sys::getpid(), Relaxed);
            }
            ends
        }
        // A process that was to end is still here if SIGPIPE was blocked or its handler has returned.
        Step::GoesOn(pause_ms) => {
            sys::sleep_ms(pause_ms);
            CONDEMNED.load(Relaxed) == sys::getpid()
        }
    }
}

fn warn(failure: &Failure<'_>, ends: bool) {
    let mut fd = Line::<12>::new();
    fd.push_u64(failure.fd as u64);
    let message = match ends {
        true => "libnopipe: runaway: keeps writing to a dead connection: ended by SIGPIPE",
        false => "libnopipe: runaway: keeps writing to a dead connection: slowed down",
    };
    report::warn(message, &[("call", failure.call.name()), ("fd", fd.as_str())]);
}

/// Whether the process serves only this connection: stdin or stdout is the connection (inetd, tcpserver, `ncat -e`), or
/// the process was forked for it. A process was forked for it if its parent is in the same session (unlike that of a
/// daemon that forked itself into the background) and if it has no other living connection (unlike a worker with more
/// clients).
fn serves_one_connection(channel: &Channel) -> bool {
    if channel.is_pipe() {
        return false;
    }
    let is_channel = |fd| sys::fstat(fd).is_ok_and(|stat| stat == channel.stat);
    if is_channel(0) || is_channel(1) {
        return true;
    }
    let parent = sys::getppid();
    process::is_forked()
        && parent > 1
        && sys::getsid_of(parent) == sys::getsid()
        && !(0..DESCRIPTORS).any(|fd| is_living_connection(fd) && !is_channel(fd))
}

fn is_living_connection(fd: c_int) -> bool {
    sys::fstat(fd).is_ok_and(|stat| stat.is(libc::S_IFSOCK))
        && sys::getsockopt_int(fd, libc::SO_TYPE) == Ok(libc::SOCK_STREAM)
        && sys::getpeername(fd, &mut [0; 2]).is_ok()
        && sys::poll_now(fd, 0).is_ok_and(|events| events & (libc::POLLHUP | libc::POLLERR) == 0)
}
