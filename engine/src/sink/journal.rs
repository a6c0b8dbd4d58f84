//! journald's native socket: one datagram with all fields, systemd.io/JOURNAL_NATIVE_PROTOCOL.

use super::line::{Message, Outcome, with_memory};
use log::Record;
use nopipe_core::encode::journal;
use nopipe_sys as sys;

/// struct sockaddr_un: AF_UNIX, then the path.
const SOCKET: &[u8] = b"\x01\0/run/systemd/journal/socket\0";

/// Sends the record.
#[inline(never)]
pub fn send(record: &Record) -> Outcome {
    let use_memory = |datagram: &mut Message| {
        journal(record.target(), record.key_values(), datagram.writer());
        deliver(datagram.as_bytes())
    };
    with_memory(use_memory).unwrap_or(Outcome::Lost)
}

#[inline(never)]
fn deliver(datagram: &[u8]) -> Outcome {
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    let Ok(socket) = sys::socket(libc::AF_UNIX, kind) else {
        return Outcome::Absent;
    };
    if sys::connect(&socket, SOCKET).is_err() {
        return Outcome::Absent;
    }
    match sys::send_nowait(socket.raw(), datagram) {
        Ok(_) => Outcome::Written,
        Err(_) => Outcome::Lost,
    }
}
