//! `NOPIPE_EAGER=on`: a peer that has closed is noticed before the first write, which would succeed although nobody will
//! ever read it. The write is not made, and returns EPIPE.
//!
//! It costs one poll(2) before each write. It breaks clients that shut down their sending side and wait for the answer
//! (half-close, RFC 9293 3.6), because the kernel cannot tell the two apart. So it is off by default.
//!
//! It costs nothing while it is off: start-up aims the hooks' slots at functions that ask first only where it is on.

use crate::{config, seccomp};
use core::ffi::c_int;
use nopipe_sys as sys;

/// Whether a write to `fd` would be lost: the peer has sent its FIN, and nothing else has happened yet. After a reset the
/// kernel itself refuses, and says why. Always false if the program has put itself under seccomp.
pub fn would_be_lost(fd: c_int) -> bool {
    !seccomp::is_sealed()
        && sys::poll_now(fd, libc::POLLRDHUP)
            .is_ok_and(|events| events & (libc::POLLRDHUP | libc::POLLHUP | libc::POLLERR) == libc::POLLRDHUP)
}

/// Whether we, not the kernel, made a call on `fd` fail with EPIPE.
pub fn has_refused(fd: c_int) -> bool {
    config::settings().eager && would_be_lost(fd)
}
