//! The system log, through its local socket, in the form that syslog(3) uses: `<PRI>ident[pid]: message`.
//!
//! Without a time stamp: local time cannot be computed in a signal handler, and rsyslogd and journald set their own.

use super::line::{LINE, Outcome};
use crate::config;
use log::Record;
use nopipe_core::encode::{encode, priority};
use nopipe_core::event::Priority;
use nopipe_core::line::Line;
use nopipe_sys as sys;

/// LOG_DAEMON, syslog(3).
const FACILITY: u64 = 3 << 3;
/// struct sockaddr_un: AF_UNIX, then the path.
const DEV_LOG: &[u8] = b"\x01\0/dev/log\0";

/// Sends the record.
pub fn send(record: &Record) -> Outcome {
    let nonblocking = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    let Ok(datagram) = sys::socket(libc::AF_UNIX, libc::SOCK_DGRAM | nonblocking) else {
        return Outcome::Absent;
    };
    match sys::connect(&datagram, DEV_LOG) {
        Ok(()) => send_message(record, &datagram, ""),
        // A listener of the older kind: it takes a stream of messages, each with a NUL at its end.
        Err(libc::EPROTOTYPE) => {
            drop(datagram);
            let Ok(stream) = sys::socket(libc::AF_UNIX, libc::SOCK_STREAM | nonblocking) else {
                return Outcome::Absent;
            };
            match sys::connect(&stream, DEV_LOG) {
                Ok(()) => send_message(record, &stream, "\0"),
                Err(error) => not_connected(error),
            }
        }
        Err(error) => not_connected(error),
    }
}

fn not_connected(error: core::ffi::c_int) -> Outcome {
    match error {
        // The listener's queue is full.
        libc::EAGAIN => Outcome::Lost,
        _ => Outcome::Absent,
    }
}

#[inline(never)]
fn send_message(record: &Record, to: &sys::Fd, end: &str) -> Outcome {
    let mut message = Line::new();
    push_head(&mut message, priority(record.key_values()));
    encode(
        config::settings().format,
        record.target(),
        record.key_values(),
        message.writer(),
    );
    message.push_str(end);
    match sys::send_nowait(to.raw(), message.as_bytes()) {
        Ok(_) => Outcome::Written,
        Err(_) => Outcome::Lost,
    }
}

fn push_head(out: &mut Line<LINE>, priority: Priority) {
    out.push('<');
    out.push_u64(FACILITY | priority as u64);
    out.push('>');
    out.push_str(config::program());
    out.push('[');
    out.push_u64(sys::getpid() as u64);
    out.push_str("]: ");
}
