//! Is this a vanished peer, and may the program survive it?

use crate::{pipeline, sys};
use core::ffi::c_int;
use nopipe_core::event::{Transport, errno_name};

/// Whether a write that failed with `errno` says that the other end is gone.
pub fn says_gone(errno: c_int) -> bool {
    errno_name(errno).is_some()
}

/// The thing behind a descriptor that was written to.
pub struct Target {
    /// What it is.
    pub transport: Transport,
    /// The socket's address family, address_families(7); 0 for pipes.
    pub domain: c_int,
    /// Device and inode.
    pub stat: sys::Stat,
    /// SO_COOKIE; `None` for pipes, and before Linux 4.12.
    pub cookie: Option<u64>,
}

impl Target {
    /// What `fd` is; `None` if it is neither a pipe nor a socket, or not open.
    pub fn of(fd: c_int) -> Option<Target> {
        let stat = sys::fstat(fd).ok()?;
        if stat.is(libc::S_IFIFO) {
            return Some(Target {
                transport: Transport::Pipe,
                domain: 0,
                stat,
                cookie: None,
            });
        }
        if !stat.is(libc::S_IFSOCK) {
            return None;
        }
        let domain = sys::getsockopt_int(fd, libc::SO_DOMAIN).ok()?;
        Some(Target {
            transport: transport(fd, domain),
            domain,
            stat,
            cookie: sys::so_cookie(fd).ok(),
        })
    }

    /// What tells this connection from every other one.
    pub fn key(&self) -> u64 {
        // Cookies are small numbers that count up: the top bit keeps inodes apart from them.
        self.cookie.unwrap_or((self.stat.ino ^ self.stat.dev << 40) | 1 << 63)
    }

    /// Whether the kernel raises SIGPIPE when a write to it fails with EPIPE: pipe(7), and what send(2) calls
    /// stream-oriented. Unix SEQPACKET and DGRAM sockets fail without one.
    pub fn raises_sigpipe(&self) -> bool {
        match self.transport {
            Transport::Seqpacket | Transport::Dgram | Transport::Udp | Transport::Other => false,
            Transport::Tcp
            | Transport::Mptcp
            | Transport::Sctp
            | Transport::Unix
            | Transport::Vsock
            | Transport::Pipe => true,
        }
    }
}

fn transport(fd: c_int, domain: c_int) -> Transport {
    let option = |option| sys::getsockopt_int(fd, option).unwrap_or(0);
    match (domain, option(libc::SO_TYPE), option(libc::SO_PROTOCOL)) {
        (libc::AF_UNIX, libc::SOCK_STREAM, _) => Transport::Unix,
        (libc::AF_UNIX, libc::SOCK_SEQPACKET, _) => Transport::Seqpacket,
        (libc::AF_UNIX, _, _) => Transport::Dgram,
        (libc::AF_VSOCK, libc::SOCK_STREAM, _) => Transport::Vsock,
        (_, _, libc::IPPROTO_TCP) => Transport::Tcp,
        (_, _, libc::IPPROTO_MPTCP) => Transport::Mptcp,
        (_, _, libc::IPPROTO_SCTP) => Transport::Sctp,
        (_, _, libc::IPPROTO_UDP) => Transport::Udp,
        _ => Transport::Other,
    }
}

/// Whether nothing can be written to `fd` any more: the register that held it may have held something else.
pub fn is_dead_end(fd: c_int) -> bool {
    let Some(target) = Target::of(fd) else {
        return false;
    };
    let gone = sys::poll_now(fd, 0).is_ok_and(|events| events & (libc::POLLERR | libc::POLLHUP) != 0);
    match target.transport {
        // The reading end of a pipe has POLLHUP when its writers are gone; only the writing end has POLLERR.
        Transport::Pipe => sys::poll_now(fd, 0).is_ok_and(|events| events & libc::POLLERR != 0),
        // Only half of it was shut down: sending nothing fails then, and sends nothing (but on a datagram socket it would).
        _ if target.raises_sigpipe() => gone || sys::send_nowait(fd, &[]) == Err(libc::EPIPE),
        _ => gone,
    }
}

/// Whether the SIGPIPE of a failed write to `target` takes its native course: stdout or stderr of a pipeline that a
/// protected program has set up, so that pipelines end.
pub fn is_native(target: &Target) -> bool {
    target.transport == Transport::Pipe && pipeline::is_native(&target.stat)
}
