//! Who was at the other end: asked of the kernel when it is already gone.
//!
//! After a reset or a close getpeername(2) answers ENOTCONN, but SO_PEERNAME (net/core/sock.c) still tells the address,
//! TCP_INFO the state and the byte counts, SIOCOUTQ what was not acknowledged. SO_ERROR is never read: reading clears it.

use crate::channel::Channel;
use crate::proc;
use core::ffi::c_int;
use nopipe_core::endpoint::Endpoint;
use nopipe_core::event::{Cause, Connection, Credentials, Transport};
use nopipe_core::table::Targets;
use nopipe_sys as sys;

/// Where failed and unfinished connects of this process were headed; the last one of each socket, 256 sockets.
static TARGETS: Targets<256> = Targets::new();

/// SO_PEERNAME, asm-generic/socket.h.
const SO_PEERNAME: c_int = 28;
/// struct sockaddr_in, struct sockaddr_in6, struct sockaddr_un.
const SOCKADDR_IN: usize = 16;
const SOCKADDR_IN6: usize = 28;
const SOCKADDR_UN: usize = 110;

/// tcp(7) states, include/net/tcp_states.h.
mod state {
    pub const FIN_WAIT1: u8 = 4;
    pub const FIN_WAIT2: u8 = 5;
    pub const CLOSE: u8 = 7;
    pub const LAST_ACK: u8 = 9;
    pub const CLOSING: u8 = 11;
}

/// Remembers where a connect that failed, or goes on, was headed. Only the internet families need it.
pub fn remember_target(fd: c_int, address: &[u8]) {
    let family = address
        .first_chunk::<2>()
        .map_or(0, |b| c_int::from(u16::from_ne_bytes(*b)));
    if !matches!(family, libc::AF_INET | libc::AF_INET6) {
        return;
    }
    if let Ok(cookie) = sys::so_cookie(fd) {
        TARGETS.remember(cookie, address);
    }
}

/// Asks about `channel`, open as `fd`, on which a call failed with `errno`.
#[inline(never)]
pub fn ask(channel: &Channel, fd: c_int, errno: c_int) -> Connection {
    let (domain, transport) = match channel.is_pipe() {
        true => (libc::AF_UNSPEC, Transport::Pipe),
        false => socket_kind(fd),
    };
    let mut asked = Connection {
        transport,
        cause: cause_of(errno),
        peer: Endpoint::unknown(),
        local: None,
        credentials: None,
        delivered: None,
        undelivered: None,
        rtt_us: None,
        idle_ms: None,
    };
    match domain {
        libc::AF_UNIX => ask_unix(&mut asked, fd),
        libc::AF_INET | libc::AF_INET6 => ask_inet(&mut asked, channel, fd),
        _ if transport == Transport::Pipe => {
            asked.cause = Cause::ReaderGone;
            asked.peer = Endpoint::pipe(channel.stat.ino);
        }
        _ => {}
    }
    asked
}

/// Address family and transport of a socket.
fn socket_kind(fd: c_int) -> (c_int, Transport) {
    let option = |option| sys::getsockopt_int(fd, option).unwrap_or(0);
    let domain = option(libc::SO_DOMAIN);
    let transport = match (domain, option(libc::SO_TYPE), option(libc::SO_PROTOCOL)) {
        (libc::AF_UNIX, libc::SOCK_STREAM, _) => Transport::Unix,
        (libc::AF_UNIX, libc::SOCK_SEQPACKET, _) => Transport::Seqpacket,
        (libc::AF_UNIX, _, _) => Transport::Dgram,
        (libc::AF_VSOCK, libc::SOCK_STREAM, _) => Transport::Vsock,
        (_, _, libc::IPPROTO_TCP) => Transport::Tcp,
        (_, _, libc::IPPROTO_MPTCP) => Transport::Mptcp,
        (_, _, libc::IPPROTO_SCTP) => Transport::Sctp,
        (_, _, libc::IPPROTO_UDP) => Transport::Udp,
        _ => Transport::Other,
    };
    (domain, transport)
}

fn ask_unix(asked: &mut Connection, fd: c_int) {
    asked.peer = endpoint(|buffer| sys::getpeername(fd, buffer)).unwrap_or(asked.peer);
    asked.local = endpoint(|buffer| sys::getsockname(fd, buffer));
    asked.credentials = credentials(fd);
    // A closed peer has shut down both ways. If only our writing was, we did it (or, rarely, the peer its reading).
    let closed = sys::poll_now(fd, 0).is_ok_and(|events| events & (libc::POLLHUP | libc::POLLERR) != 0);
    if asked.cause == Cause::Closed && !closed {
        asked.cause = Cause::SelfShutdown;
    }
}

fn ask_inet(asked: &mut Connection, channel: &Channel, fd: c_int) {
    let known = so_peername(fd);
    asked.peer = known.unwrap_or(asked.peer);
    asked.local = endpoint(|buffer| sys::getsockname(fd, buffer));
    if !matches!(asked.transport, Transport::Tcp | Transport::Mptcp) {
        return;
    }
    let info = TcpInfo::of(fd);
    if let Some(info) = &info {
        // A FIN of our own that is not acknowledged counts as a byte.
        let own_fin = matches!(info.state(), state::FIN_WAIT1 | state::CLOSING | state::LAST_ACK).into();
        let undelivered = sys::siocoutq(fd)
            .ok()
            .map(|bytes| u64::from(bytes).saturating_sub(own_fin));
        asked.undelivered = undelivered;
        // TCP_INFO of an MPTCP socket is that of one of its subflows.
        if asked.transport == Transport::Tcp {
            asked.delivered = info.delivered(undelivered.unwrap_or(0), own_fin);
        }
        asked.rtt_us = info.rtt_us();
        asked.idle_ms = info.idle_ms();
    }
    if asked.cause != Cause::Closed {
        return;
    }
    let tcp_state = info.as_ref().map(|info| info.state());
    let nothing_acknowledged = info.as_ref().is_none_or(|info| info.acknowledged() == Some(0));
    let remembered = channel
        .cookie
        .and_then(|cookie| TARGETS.recall(cookie))
        .filter(|_| tcp_state == Some(state::CLOSE) && nothing_acknowledged);
    if let Some(address) = remembered {
        asked.cause = Cause::NeverConnected;
        asked.peer = Endpoint::from_sockaddr(&address);
    } else if known.is_none() {
        asked.cause = Cause::NeverConnected;
    } else if matches!(
        tcp_state,
        Some(state::FIN_WAIT1 | state::FIN_WAIT2 | state::CLOSING | state::LAST_ACK)
    ) {
        asked.cause = Cause::SelfShutdown;
    }
    if asked.cause == Cause::NeverConnected {
        // Of a connection that never was, TCP_INFO tells initial values.
        (asked.delivered, asked.undelivered, asked.rtt_us, asked.idle_ms) = (None, None, None, None);
    }
}

fn cause_of(errno: c_int) -> Cause {
    match errno {
        libc::ECONNRESET => Cause::Reset,
        libc::ETIMEDOUT => Cause::Timeout,
        libc::EHOSTUNREACH | libc::ENETUNREACH | libc::ENETDOWN | libc::EHOSTDOWN => Cause::Unreachable,
        _ => Cause::Closed,
    }
}

#[inline(never)]
fn endpoint(ask: impl FnOnce(&mut [u8]) -> sys::Result<&[u8]>) -> Option<Endpoint> {
    let mut buffer = [0; SOCKADDR_UN];
    ask(&mut buffer).ok().map(Endpoint::from_sockaddr)
}

/// The address of a peer that may be gone. The kernel refuses a length larger than the address's: first the family.
fn so_peername(fd: c_int) -> Option<Endpoint> {
    let mut address = [0; SOCKADDR_IN6];
    let (family, _) = address.split_first_chunk_mut::<2>()?;
    sys::getsockopt(fd, libc::SOL_SOCKET, SO_PEERNAME, family).ok()?;
    let length = match c_int::from(u16::from_ne_bytes(*family)) {
        libc::AF_INET => SOCKADDR_IN,
        libc::AF_INET6 => SOCKADDR_IN6,
        _ => return None,
    };
    let address = address.get_mut(..length)?;
    sys::getsockopt(fd, libc::SOL_SOCKET, SO_PEERNAME, address).ok()?;
    Some(Endpoint::from_sockaddr(address))
}

/// SO_PEERCRED, unix(7): who connected, or who listened; it answers after that process has ended.
fn credentials(fd: c_int) -> Option<Credentials> {
    let mut ucred = [0; 12];
    let length = sys::getsockopt(fd, libc::SOL_SOCKET, libc::SO_PEERCRED, &mut ucred).ok()?;
    let word = |i: usize| {
        ucred
            .get(i..)
            .and_then(|rest| rest.first_chunk())
            .map(|b| u32::from_ne_bytes(*b))
    };
    let (pid, uid) = (word(0)?, word(4)?);
    // A peer in a pid namespace that we cannot see has pid 0; one without credentials uid -1.
    if length < ucred.len() || uid == u32::MAX {
        return None;
    }
    Some(Credentials {
        pid,
        uid,
        comm: proc::comm(pid as c_int),
    })
}

/// `struct tcp_info` of linux/tcp.h, as much of it as this kernel filled in.
struct TcpInfo {
    bytes: [u8; TcpInfo::SIZE],
    length: usize,
}

impl TcpInfo {
    /// Up to tcpi_bytes_retrans (Linux 4.19).
    const SIZE: usize = 216;

    /// `None` for a socket that is not TCP.
    fn of(fd: c_int) -> Option<TcpInfo> {
        let mut bytes = [0; Self::SIZE];
        let length = sys::getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_INFO, &mut bytes).ok()?;
        Some(TcpInfo { bytes, length })
    }

    fn field(&self, offset: usize, size: usize) -> Option<&[u8]> {
        self.bytes.get(..self.length)?.get(offset..offset + size)
    }

    fn u32_at(&self, offset: usize) -> Option<u32> {
        self.field(offset, 4)?.first_chunk().map(|b| u32::from_ne_bytes(*b))
    }

    fn u64_at(&self, offset: usize) -> Option<u64> {
        self.field(offset, 8)?.first_chunk().map(|b| u64::from_ne_bytes(*b))
    }

    /// tcpi_state.
    fn state(&self) -> u8 {
        self.bytes[0]
    }

    /// tcpi_bytes_acked (Linux 4.1). It counts the SYN of a socket that connected actively, and a FIN.
    fn acknowledged(&self) -> Option<u64> {
        self.u64_at(120)
    }

    /// Bytes of the program that the peer's kernel has acknowledged, if so many are not: all that was written (sent once,
    /// tcpi_bytes_sent less tcpi_bytes_retrans, and still to be sent, tcpi_notsent_bytes, `own_fin` among them if it is
    /// not sent) less those.
    fn delivered(&self, undelivered: u64, own_fin: u64) -> Option<u64> {
        match (self.u64_at(200), self.u64_at(208), self.u32_at(144)) {
            (Some(sent), Some(resent), Some(unsent)) => {
                Some((sent + u64::from(unsent).saturating_sub(own_fin)).saturating_sub(resent + undelivered))
            }
            _ => self.acknowledged(),
        }
    }

    /// tcpi_rtt; 0 means that there was no sample.
    fn rtt_us(&self) -> Option<u64> {
        self.u32_at(68).filter(|&rtt| rtt > 0).map(u64::from)
    }

    /// The lesser of tcpi_last_data_recv and tcpi_last_ack_recv.
    fn idle_ms(&self) -> Option<u64> {
        Some(self.u32_at(52)?.min(self.u32_at(56)?).into())
    }
}
