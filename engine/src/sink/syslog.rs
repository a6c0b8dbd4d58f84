//! The system log, through its local socket, in the form that syslog(3) uses: `<PRI>ident[pid]: message`.
//!
//! Without a time stamp: local time cannot be computed in a signal handler, and rsyslogd and journald set their own.

use super::line::{LINE, Outcome};
use super::socket;
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
#[inline(never)]
pub fn send(record: &Record) -> Outcome {
    let mut message = Line::<LINE>::new();
    push_head(&mut message, priority(record.key_values()));
    encode(
        config::settings().format,
        record.target(),
        record.key_values(),
        message.writer(),
    );
    deliver(&mut message)
}

#[inline(never)]
fn deliver(message: &mut Line<LINE>) -> Outcome {
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

fn push_head(out: &mut Line<LINE>, priority: Priority) {
    out.push('<');
    out.push_u64(FACILITY | priority as u64);
    out.push('>');
    out.push_str(config::program());
    out.push('[');
    out.push_u64(sys::getpid() as u64);
    out.push_str("]: ");
}
