//! The pipe or socket behind a descriptor.

use core::ffi::c_int;
use nopipe_core::cause::{Kind, Suspect};
use nopipe_core::table;
use nopipe_core::tcp_info::State;
use nopipe_sys as sys;

/// The pipe or socket that was written to: what distinguishes it from every other one. No more is asked than that,
/// because most failures of a known connection need no more.
pub struct Channel {
    /// Device, inode, and whether it is a pipe or a socket.
    pub stat: sys::Stat,
    /// SO_COOKIE; `None` for pipes, and before Linux 4.12.
    pub cookie: Option<u64>,
    /// When it was last written to, nanoseconds since the epoch; the kernel keeps it for FIFOs. 0 for sockets.
    written: u64,
}

impl Channel {
    /// What `fd` is; `None` if it is neither a pipe nor a socket, or not open.
    #[inline(never)]
    pub fn of(fd: c_int) -> Option<Channel> {
        let (stat, written) = sys::fstat_and_written(fd).ok()?;
        let (cookie, written) = match stat.mode & libc::S_IFMT {
            libc::S_IFIFO => (None, written),
            libc::S_IFSOCK => (sys::so_cookie(fd).ok(), 0),
            _ => return None,
        };
        Some(Channel { stat, cookie, written })
    }

    /// Whether it is a pipe or FIFO; else it is a socket.
    pub fn is_pipe(&self) -> bool {
        self.stat.is(libc::S_IFIFO)
    }

    /// Whether `fd` is this pipe or socket, still or again.
    pub fn is_still(&self, fd: c_int) -> bool {
        sys::fstat(fd).is_ok_and(|stat| stat == self.stat)
    }

    /// A number that distinguishes this connection from every other, of pipes and FIFOs in all probability.
    ///
    /// A named FIFO has one reader after the other. A write to it fails while there is none, and succeeds only if a new one
    /// has come. The time of the last successful write, `pipe_write` in fs/pipe.c, stays the same in the first case and
    /// changes in the second: so each reader is a connection of its own, and each failure after it belongs to it. It is
    /// as precise as the kernel's clock tick before Linux 6.13. Where the file system keeps no such time (overlayfs, NFS,
    /// FUSE), and for splice(2), which does not set it, a FIFO is one connection for ever. Two writers of one FIFO may see
    /// two times for one reader, if it leaves in the middle of a write: the kernel sets the time after it lets the other in.
    ///
    /// A socket without a cookie is known by its inode: a number that counts up for all sockets and pipes of the system, and
    /// comes again after 2^32 of them (get_next_ino in fs/inode.c).
    pub fn key(&self) -> u64 {
        self.cookie
            .unwrap_or_else(|| table::file_key(self.stat.dev, self.stat.ino, self.written))
    }

    /// Whether the kernel raises SIGPIPE when a write to it, open as `fd`, fails with EPIPE: pipe(7), and what send(2)
    /// calls stream-oriented. Unix SEQPACKET and DGRAM sockets fail without one; SCTP raises it for every type.
    pub fn raises_sigpipe(&self, fd: c_int) -> bool {
        self.is_pipe()
            || sys::getsockopt_int(fd, libc::SO_TYPE) == Ok(libc::SOCK_STREAM)
            || sys::getsockopt_int(fd, libc::SO_PROTOCOL) == Ok(libc::IPPROTO_SCTP)
    }

    /// What it is, open as `fd`.
    fn kind(&self, fd: c_int) -> Kind {
        if self.is_pipe() {
            return Kind::Pipe;
        }
        let option = |option| sys::getsockopt_int(fd, option).unwrap_or(0);
        match (option(libc::SO_TYPE), option(libc::SO_PROTOCOL)) {
            (libc::SOCK_STREAM | libc::SOCK_SEQPACKET | libc::SOCK_DCCP, _) | (_, libc::IPPROTO_SCTP) => {
                Kind::Connection
            }
            (libc::SOCK_DGRAM, libc::IPPROTO_UDP | libc::IPPROTO_UDPLITE) => Kind::Udp {
                connected: sys::getpeername(fd, &mut [0; 2]).is_ok(),
            },
            (libc::SOCK_DGRAM, _) if option(libc::SO_DOMAIN) == libc::AF_UNIX => Kind::UnixDatagram,
            _ => Kind::Peerless,
        }
    }

    /// Whether a call on `fd` that has failed with `errno` is about it, open as `fd`; else about whom.
    pub fn suspect(&self, fd: c_int, errno: c_int) -> Suspect {
        // Most failures: EPIPE needs no look at the kind.
        match errno {
            libc::EPIPE => Suspect::DeadEnd,
            _ => Suspect::of(errno, self.kind(fd)),
        }
    }

    /// Whether nothing can be written to it, open as `fd`, any more. This is checked because a register may have held
    /// something other than the descriptor, and another thread may have given the number to another file.
    pub fn is_dead_end(&self, fd: c_int) -> bool {
        let events = sys::poll_now(fd, 0).unwrap_or(0);
        if self.is_pipe() {
            // The reading end has POLLHUP when its writers are gone; only the writing end has POLLERR.
            return events & libc::POLLERR != 0;
        }
        if events & libc::POLLHUP != 0 {
            return true;
        }
        // A living TCP socket has POLLERR too, while its error queue holds something (MSG_ZEROCOPY, IP_RECVERR), and a
        // send would take away an error that the program has not seen. Its state shows which it is.
        if events & libc::POLLERR != 0 {
            return tcp_state(fd).is_none_or(|state| state == State::CLOSE || state.is_own_shutdown());
        }
        // If only half of it was shut down, an empty send fails. It sends nothing on a stream (on a datagram socket it
        // would send an empty datagram).
        self.raises_sigpipe(fd) && sys::send_nowait(fd, &[]) == Err(libc::EPIPE)
    }
}

/// tcpi_state, the first byte of TCP_INFO, tcp(7); `None` if it is not a socket of TCP.
fn tcp_state(fd: c_int) -> Option<State> {
    let mut state = [0];
    match sys::getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_INFO, &mut state) {
        Ok(1) => state.map(State).first().copied(),
        _ => None,
    }
}

/// Who a call that failed with `errno` is about, where `fd` is neither a pipe nor a socket, or not open any more.
pub fn suspect_without_channel(fd: c_int, errno: c_int) -> Suspect {
    Suspect::of(errno, if sys::fstat(fd).is_ok() { Kind::File } else { Kind::Free })
}
