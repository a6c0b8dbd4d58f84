//! The pipe or socket behind a descriptor.

use core::ffi::c_int;
use nopipe_sys as sys;

/// The pipe or socket that was written to: what distinguishes it from every other one. No more is asked than that,
/// because most failures of a known connection need no more.
pub struct Channel {
    /// Device, inode, and whether it is a pipe or a socket.
    pub stat: sys::Stat,
    /// SO_COOKIE; `None` for pipes, and before Linux 4.12.
    pub cookie: Option<u64>,
}

impl Channel {
    /// What `fd` is; `None` if it is neither a pipe nor a socket, or not open.
    #[inline(never)]
    pub fn of(fd: c_int) -> Option<Channel> {
        let stat = sys::fstat(fd).ok()?;
        let cookie = match stat.mode & libc::S_IFMT {
            libc::S_IFIFO => None,
            libc::S_IFSOCK => sys::so_cookie(fd).ok(),
            _ => return None,
        };
        Some(Channel { stat, cookie })
    }

    /// Whether it is a pipe or FIFO; else it is a socket.
    pub fn is_pipe(&self) -> bool {
        self.stat.is(libc::S_IFIFO)
    }

    /// Whether `fd` is this pipe or socket, still or again.
    pub fn is_still(&self, fd: c_int) -> bool {
        sys::fstat(fd).is_ok_and(|stat| stat == self.stat)
    }

    /// A number that distinguishes this connection from every other.
    pub fn key(&self) -> u64 {
        // Cookies are small numbers that count up: the top bit keeps inodes apart from them.
        self.cookie.unwrap_or((self.stat.ino ^ self.stat.dev << 40) | 1 << 63)
    }

    /// Whether the kernel raises SIGPIPE when a write to it, open as `fd`, fails with EPIPE: pipe(7), and what send(2)
    /// calls stream-oriented. Unix SEQPACKET and DGRAM sockets fail without one; SCTP raises it for every type.
    pub fn raises_sigpipe(&self, fd: c_int) -> bool {
        self.is_pipe()
            || sys::getsockopt_int(fd, libc::SO_TYPE) == Ok(libc::SOCK_STREAM)
            || sys::getsockopt_int(fd, libc::SO_PROTOCOL) == Ok(libc::IPPROTO_SCTP)
    }

    /// Whether nothing can be written to it, open as `fd`, any more. This is checked because a register may have held
    /// something other than the descriptor, and another thread may have given the number to another file.
    pub fn is_dead_end(&self, fd: c_int) -> bool {
        let events = sys::poll_now(fd, 0).unwrap_or(0);
        if self.is_pipe() {
            // The reading end has POLLHUP when its writers are gone; only the writing end has POLLERR.
            return events & libc::POLLERR != 0;
        }
        // If only half of it was shut down, an empty send fails. It sends nothing on a stream (on a datagram socket it
        // would send an empty datagram).
        events & (libc::POLLERR | libc::POLLHUP) != 0
            || (self.raises_sigpipe(fd) && sys::send_nowait(fd, &[]) == Err(libc::EPIPE))
    }
}
