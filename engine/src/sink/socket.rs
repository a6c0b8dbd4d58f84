//! Messages to a listener's unix socket.
//!
//! Another thread may close all descriptors before the message is sent, and a client may have the number then. So the
//! socket is not connected and the call carries the address: a connection refuses it ([`sys::send_to`]).

use super::line::Outcome;
use core::ffi::c_int;
use nopipe_sys as sys;

const KIND: c_int = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;

/// A socket of this kind. If none can be had (systemd's RestrictAddressFamilies= refuses AF_UNIX with EAFNOSUPPORT), the
/// listener is out of reach, which ECONNREFUSED stands for: [`outcome`] takes the kernel's errors for those of the sending.
fn socket(kind: c_int) -> sys::Result<sys::Fd> {
    sys::socket(libc::AF_UNIX, kind | KIND).map_err(|_| libc::ECONNREFUSED)
}

/// Sends a datagram to the listener at `address`, a struct sockaddr_un.
pub fn send_datagram(message: &[u8], address: &[u8]) -> sys::Result<()> {
    let socket = socket(libc::SOCK_DGRAM)?;
    after_sending(socket, |socket| sys::send_to(socket, message, address))
}

/// Sends a message to the listener at `address` that takes streams. There is no address in the call, so a look that the
/// socket is still ours comes right before it. Between these two calls another thread can still close it, and a client on
/// a unix socket can get its number. (TCP and pipes refuse the call.)
pub fn send_stream(message: &[u8], address: &[u8]) -> sys::Result<()> {
    let socket = socket(libc::SOCK_STREAM)?;
    let own = sys::fstat(socket.raw())?;
    after_sending(socket, |socket| {
        sys::connect(socket, address)?;
        match sys::fstat(socket.raw()) {
            Ok(now) if now == own => sys::send_over(socket, message),
            _ => Err(libc::EBADF),
        }
        .and_then(|n| if n == message.len() { Ok(n) } else { Err(libc::EAGAIN) })
    })
}

fn after_sending(socket: sys::Fd, send: impl FnOnce(&sys::Fd) -> sys::Result<usize>) -> sys::Result<()> {
    let sent = send(&socket).map(drop);
    if sent.is_err_and(is_foreign) {
        socket.forget();
    }
    sent
}

/// Whether the error says that the number is not our socket any more.
fn is_foreign(error: c_int) -> bool {
    matches!(
        error,
        libc::EBADF
            | libc::ENOTSOCK
            | libc::EISCONN
            | libc::EOPNOTSUPP
            | libc::EINVAL
            | libc::EAFNOSUPPORT
            | libc::EPIPE
            | libc::EDESTADDRREQ
    )
}

/// What became of a message that could not be sent.
pub fn outcome(error: c_int) -> Outcome {
    match error {
        // The listener's queue is full.
        libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM | libc::EMSGSIZE | libc::EINTR => Outcome::Lost,
        _ if is_foreign(error) => Outcome::Lost,
        _ => Outcome::Absent,
    }
}
