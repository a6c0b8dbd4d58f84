//! journald's native socket: one datagram with all fields, systemd.io/JOURNAL_NATIVE_PROTOCOL.

use super::line::Outcome;
use log::Record;
use nopipe_core::encode::journal;
use nopipe_core::line::Line;
use nopipe_sys as sys;

/// struct sockaddr_un: AF_UNIX, then the path.
const SOCKET: &[u8] = b"\x01\0/run/systemd/journal/socket\0";
/// The longest datagram: a text of half of it, and the fields.
const DATAGRAM: usize = 1536;

/// Sends the record.
pub fn send(record: &Record) -> Outcome {
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    let Ok(socket) = sys::socket(libc::AF_UNIX, kind) else {
        return Outcome::Absent;
    };
    match sys::connect(&socket, SOCKET) {
        Ok(()) => send_datagram(record, &socket),
        Err(_) => Outcome::Absent,
    }
}

#[inline(never)]
fn send_datagram(record: &Record, socket: &sys::Fd) -> Outcome {
    let mut datagram = Line::<DATAGRAM>::new();
    journal(record.target(), record.key_values(), datagram.writer());
    match sys::send_nowait(socket.raw(), datagram.as_bytes()) {
        Ok(_) => Outcome::Written,
        Err(_) => Outcome::Lost,
    }
}
