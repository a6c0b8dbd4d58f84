//! The system log, through its local socket, in the form that syslog(3) uses: `<PRI>ident[pid]: message`.
//!
//! Without a time stamp: local time cannot be computed in a signal handler, and rsyslogd and journald set their own.

use super::line::{Message, Outcome, push, with_memory};
use super::socket;
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
    let sent = match socket::send_datagram(message.as_bytes(), DEV_LOG) {
        // A listener of the older kind: it takes a stream of messages, each with a NUL at its end.
        Err(libc::EPROTOTYPE) => {
            message.push('\0');
            socket::send_stream(message.as_bytes(), DEV_LOG)
        }
        result => result,
    };
    match sent {
        Ok(()) => Outcome::Written,
        Err(error) => socket::outcome(error),
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
