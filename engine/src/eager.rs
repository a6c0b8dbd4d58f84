//! `NOPIPE_EAGER=on`: a peer that has closed is noticed before the first write, which would succeed although nobody will
//! ever read it. The write is not made, and returns EPIPE.
//!
//! It costs one poll(2) before each write. It breaks clients that shut down their sending side and wait for the answer
//! (half-close, RFC 9293 3.6), because the kernel cannot tell the two apart. So it is off by default.
//!
//! poll(2) reports POLLRDHUP after the program's own shutdown(SHUT_RD) as well (`tcp_poll` in net/ipv4/tcp.c), while the
//! peer lives and reads. The state of the TCP connection shows which of the two it is. A unix socket has no such state, and
//! its two ends look the same after either: there the program's own shutdown(SHUT_RD) is taken for the peer's leaving.
//!
//! It costs nothing while it is off: start-up aims the hooks' slots at functions that ask first only where it is on.

use crate::{config, seccomp};
use core::ffi::c_int;
use nopipe_core::tcp_info::{State, TcpInfo};
use nopipe_sys as sys;

/// Whether a write to `fd` would be lost: the peer has sent its FIN, and nothing else has happened yet. After a reset the
/// kernel itself refuses, and says why. Always false if the program has put itself under seccomp.
pub fn would_be_lost(fd: c_int) -> bool {
    !seccomp::is_sealed()
        && sys::poll_now(fd, libc::POLLRDHUP)
            .is_ok_and(|events| events & (libc::POLLRDHUP | libc::POLLHUP | libc::POLLERR) == libc::POLLRDHUP)
        && tcp_state(fd).is_none_or(|state| state == State::CLOSE_WAIT)
}

/// The state of a TCP connection; `None` if `fd` is none.
fn tcp_state(fd: c_int) -> Option<State> {
    // tcpi_state is the first byte.
    let mut bytes = [0; 8];
    let filled = sys::getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_INFO, &mut bytes).ok()?;
    TcpInfo::new(bytes.get(..filled)?).state()
}

/// Whether we, not the kernel, made a call on `fd` fail with EPIPE.
pub fn has_refused(fd: c_int) -> bool {
    config::settings().eager && would_be_lost(fd)
}
