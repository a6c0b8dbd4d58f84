//! journald's native socket: one datagram with all fields, systemd.io/JOURNAL_NATIVE_PROTOCOL.

use super::line::{Message, Outcome, with_memory};
use super::socket;
use log::Record;
use nopipe_core::encode::journal;

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
    match socket::send_datagram(datagram, SOCKET) {
        Ok(()) => Outcome::Written,
        Err(error) => socket::outcome(error),
    }
}
