//! journald's native socket: one datagram with all fields, systemd.io/JOURNAL_NATIVE_PROTOCOL.

use super::line::Outcome;
use super::socket;
use log::Record;
use nopipe_core::encode::journal;
use nopipe_core::line::Line;

/// struct sockaddr_un: AF_UNIX, then the path.
const SOCKET: &[u8] = b"\x01\0/run/systemd/journal/socket\0";
/// The longest datagram: a text of half of it, and the fields.
const DATAGRAM: usize = 1536;

/// Sends the record.
#[inline(never)]
pub fn send(record: &Record) -> Outcome {
    let mut datagram = Line::<DATAGRAM>::new();
    journal(record.target(), record.key_values(), datagram.writer());
    deliver(datagram.as_bytes())
}

#[inline(never)]
fn deliver(datagram: &[u8]) -> Outcome {
    match socket::send_datagram(datagram, SOCKET) {
        Ok(()) => Outcome::Written,
        Err(error) => socket::outcome(error),
    }
}
