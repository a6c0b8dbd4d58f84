//! The system log, through its local socket, in the form that syslog(3) uses: `<PRI>ident[pid]: message`.
//!
//! Without a time stamp: local time cannot be computed in a signal handler, and rsyslogd and journald set their own.

use super::line::{Message, Outcome, push, with_memory};
use crate::config;
use log::Record;
use nopipe_core::encode::priority;
use nopipe_core::line::Writer;
use nopipe_sys as sys;

/// LOG_DAEMON, syslog(3).
const FACILITY: u64 = 3 << 3;
/// struct sockaddr_un: AF_UNIX, then the path.
const DEV_LOG: &[u8] = b"\x01\0/dev/log\0";

/// Sends the record.
#[inline(never)]
pub fn send(record: &Record) -> Outcome {
    let use_memory = |message: &mut Message| {
        push_head(message.writer(), record);
        push(message, record);
        deliver(message)
    };
    with_memory(use_memory).unwrap_or(Outcome::Lost)
}

#[inline(never)]
fn deliver(message: &mut Message) -> Outcome {
    let nonblocking = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    let Ok(datagram) = sys::socket(libc::AF_UNIX, libc::SOCK_DGRAM | nonblocking) else {
        return Outcome::Absent;
    };
    match sys::connect(&datagram, DEV_LOG) {
        Ok(()) => send_to(&datagram, message.as_bytes()),
        // A listener of the older kind: it takes a stream of messages, each with a NUL at its end.
        Err(libc::EPROTOTYPE) => {
            drop(datagram);
            let Ok(stream) = sys::socket(libc::AF_UNIX, libc::SOCK_STREAM | nonblocking) else {
                return Outcome::Absent;
            };
            message.push('\0');
            match sys::connect(&stream, DEV_LOG) {
                Ok(()) => send_to(&stream, message.as_bytes()),
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

fn send_to(socket: &sys::Fd, message: &[u8]) -> Outcome {
    match sys::send_nowait(socket.raw(), message) {
        Ok(_) => Outcome::Written,
        Err(_) => Outcome::Lost,
    }
}

#[inline(never)]
fn push_head(mut out: Writer<'_>, record: &Record) {
    out.push('<');
    out.push_u64(FACILITY | priority(record.key_values()) as u64);
    out.push('>');
    out.push_str(config::program());
    out.push('[');
    out.push_u64(sys::getpid() as u64);
    out.push_str("]: ");
}
