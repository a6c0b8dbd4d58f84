//! Who was at the other end: the kernel is asked when the peer is already gone.
//!
//! After a reset or a close getpeername(2) fails with ENOTCONN, but SO_PEERNAME (net/core/sock.c) still returns the
//! address, TCP_INFO the state and the byte counts, SIOCOUTQ what was not acknowledged. SO_ERROR is never read: reading
//! clears it.

use crate::channel::Channel;
use crate::proc;
use core::ffi::c_int;
use nopipe_core::cause::{Cause, Facts, Tcp};
use nopipe_core::endpoint::Endpoint;
use nopipe_core::event::{Connection, Credentials, Transport};
use nopipe_core::line::Line;
use nopipe_core::table::{ADDRESS, Targets};
use nopipe_core::tcp_info::TcpInfo;
use nopipe_sys as sys;

/// The addresses of this process's failed and unfinished connects: the last one of each socket, for 256 sockets.
static TARGETS: Targets<256> = Targets::new();

/// SO_PEERNAME, asm-generic/socket.h.
const SO_PEERNAME: c_int = 28;
/// struct sockaddr_in, struct sockaddr_in6, struct sockaddr_un.
const SOCKADDR_IN: usize = 16;
const SOCKADDR_IN6: usize = 28;
const SOCKADDR_UN: usize = 110;

/// Remembers the address of a connect that failed or is in progress. Only the internet families need it.
pub fn remember_target(fd: c_int, address: &[u8]) {
    let family = address
        .first_chunk::<2>()
        .map_or(0, |b| c_int::from(u16::from_ne_bytes(*b)));
    if !matches!(family, libc::AF_INET | libc::AF_INET6) {
        return;
    }
    if let Some(channel) = Channel::of(fd) {
        TARGETS.remember(channel.key(), address);
    }
}

/// Asks about `channel`, open as `fd`, on which a call failed with `errno`. What it finds out is left in `asked`.
///
/// In steps, each a function that is not inlined: what one needs of the stack is free again for the next.
#[inline(never)]
pub fn ask(asked: &mut Connection, channel: &Channel, fd: c_int, errno: c_int) {
    asked.clear();
    asked.peer.set_unknown();
    let domain = match channel.is_pipe() {
        true => libc::AF_UNSPEC,
        false => sys::getsockopt_int(fd, libc::SO_DOMAIN).unwrap_or(0),
    };
    asked.transport = match channel.is_pipe() {
        true => Transport::Pipe,
        false => transport(domain, fd),
    };
    let facts = match domain {
        libc::AF_UNIX => ask_unix(asked, fd),
        libc::AF_INET | libc::AF_INET6 => ask_inet(asked, channel, fd),
        _ if asked.transport == Transport::Pipe => {
            asked.peer.set_pipe(channel.stat.ino);
            Facts::Pipe
        }
        _ => Facts::Other,
    };
    asked.cause = Cause::of(errno, &facts);
    if let Facts::Tcp(tcp) = facts
        && asked.cause == Cause::NeverConnected
    {
        if tcp.connect_failed() {
            name_target(asked, channel);
        }
        asked.forget_numbers();
    }
}

#[inline(never)]
fn name_target(asked: &mut Connection, channel: &Channel) {
    if let Some(address) = remembered(channel) {
        asked.peer.set(&address);
    }
}

fn remembered(channel: &Channel) -> Option<[u8; ADDRESS]> {
    TARGETS.recall(channel.key())
}

#[inline(never)]
fn transport(domain: c_int, fd: c_int) -> Transport {
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

#[inline(never)]
fn ask_unix(asked: &mut Connection, fd: c_int) -> Facts {
    name(&mut asked.peer, fd, sys::getpeername);
    name(&mut asked.local, fd, sys::getsockname);
    set_credentials(asked, fd);
    if asked.transport == Transport::Dgram {
        return Facts::Datagram;
    }
    Facts::Unix {
        hung_up: sys::poll_now(fd, 0).is_ok_and(|events| events & (libc::POLLHUP | libc::POLLERR) != 0),
    }
}

#[inline(never)]
fn ask_inet(asked: &mut Connection, channel: &Channel, fd: c_int) -> Facts {
    let peer_known = name_peer(&mut asked.peer, fd);
    name(&mut asked.local, fd, sys::getsockname);
    match asked.transport {
        Transport::Tcp | Transport::Mptcp => {}
        Transport::Sctp => return Facts::Other,
        // UDP, and what has no peer: raw(7), icmp(7).
        _ => return Facts::Datagram,
    }
    let mut tcp = Tcp {
        state: None,
        acknowledged: None,
        peer_known,
        target_remembered: remembered(channel).is_some(),
    };
    ask_tcp(asked, &mut tcp, fd);
    Facts::Tcp(tcp)
}

#[inline(never)]
fn ask_tcp(asked: &mut Connection, tcp: &mut Tcp, fd: c_int) {
    let mut bytes = [0; TcpInfo::SIZE];
    let filled = sys::getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_INFO, &mut bytes).unwrap_or(0);
    let info = TcpInfo::new(bytes.get(..filled).unwrap_or(&[]));
    if filled > 0 {
        let undelivered = sys::siocoutq(fd)
            .ok()
            .map(|bytes| u64::from(bytes).saturating_sub(info.own_fin()));
        asked.undelivered = undelivered;
        // For an MPTCP socket, TCP_INFO describes one of its subflows.
        if asked.transport == Transport::Tcp {
            asked.delivered = info.delivered(undelivered.unwrap_or(0));
        }
        asked.rtt_us = info.rtt_us();
        asked.idle_ms = info.idle_ms();
    }
    (tcp.state, tcp.acknowledged) = (info.state(), info.seen_acknowledged());
}

/// Names an end as the kernel does; it stays what it was if the kernel does not.
#[inline(never)]
fn name(end: &mut Endpoint, fd: c_int, ask: fn(c_int, &mut [u8]) -> sys::Result<&[u8]>) {
    let mut buffer = [0; SOCKADDR_UN];
    if let Ok(address) = ask(fd, &mut buffer) {
        end.set(address);
    }
}

/// Names a peer that may be gone; whether the kernel still knows it, `None` if it does not say. Where SO_PEERNAME is
/// refused, getpeername(2) may know a peer that is still there.
#[inline(never)]
fn name_peer(end: &mut Endpoint, fd: c_int) -> Option<bool> {
    let mut buffer = [0; SOCKADDR_IN6];
    let address = match so_peername(fd, &mut buffer) {
        Err(libc::ENOTCONN) => return Some(false),
        Err(_) => sys::getpeername(fd, &mut buffer).ok()?,
        Ok(length) => buffer.get(..length)?,
    };
    end.set(address);
    Some(true)
}

/// The length of the address. The kernel refuses a length larger than that, so the family is read first.
fn so_peername(fd: c_int, address: &mut [u8; SOCKADDR_IN6]) -> sys::Result<usize> {
    let mut family = [0; 2];
    sys::getsockopt(fd, libc::SOL_SOCKET, SO_PEERNAME, &mut family)?;
    let length = match c_int::from(u16::from_ne_bytes(family)) {
        libc::AF_INET => SOCKADDR_IN,
        _ => SOCKADDR_IN6,
    };
    let address = address.get_mut(..length).unwrap_or(&mut []);
    sys::getsockopt(fd, libc::SOL_SOCKET, SO_PEERNAME, address)
}

#[inline(never)]
fn set_credentials(asked: &mut Connection, fd: c_int) {
    asked.credentials = credentials(fd);
}

/// SO_PEERCRED, unix(7): the process that connected or listened; the kernel still answers after that process has ended.
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
    // A peer in a pid namespace that we cannot see has pid 0; a peer without credentials has uid -1.
    if length < ucred.len() || uid == u32::MAX {
        return None;
    }
    // The number may be another process's by now, or be one of another pid namespace than that of /proc.
    let comm = match sys::so_peerpidfd(fd) {
        Ok(pidfd) if pid > 0 => proc::comm_of(&pidfd),
        _ => Line::new(),
    };
    Some(Credentials { pid, uid, comm })
}
