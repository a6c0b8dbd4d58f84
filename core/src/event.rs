//! What is told of one failed connection. [`crate::fields`] has the names.

pub use crate::cause::Cause;
use crate::endpoint::Endpoint;
use crate::line::Line;
use log::kv::{self, Key, Value, VisitSource};

/// MESSAGE_ID in the journal of every connection event; dist/nopipe.catalog explains it (sd_journal_print(3), catalogs).
pub const MESSAGE_ID_EVENT: &str = "5b3f4d2a9c1e4e7f8a6d0b9c7e5f3a21";
/// MESSAGE_ID of what the library reports about itself.
pub const MESSAGE_ID_NOTICE: &str = "c0d7a94e6b2f4f0c9e8b1a3d5f7c2e64";

/// The key that carries the syslog priority (syslog(3), 0 to 7): `log` has no level "notice". Sinks use it; it is not a field.
pub const PRIORITY: &str = "priority";

/// The system call that failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Call {
    /// write(2), stdio included.
    Write,
    /// writev(2).
    Writev,
    /// pwritev2(2).
    Pwritev2,
    /// send(2).
    Send,
    /// sendto(2).
    Sendto,
    /// sendmsg(2).
    Sendmsg,
    /// sendmmsg(2).
    Sendmmsg,
    /// sendfile(2).
    Sendfile,
    /// splice(2).
    Splice,
    /// tee(2).
    Tee,
    /// vmsplice(2).
    Vmsplice,
    /// A call that no known function made: a raw system call, or a call inside libc.
    Libc,
}

impl Call {
    /// All calls, in the order of their numbers.
    pub const ALL: [Call; Call::Libc as usize + 1] = [
        Call::Write,
        Call::Writev,
        Call::Pwritev2,
        Call::Send,
        Call::Sendto,
        Call::Sendmsg,
        Call::Sendmmsg,
        Call::Sendfile,
        Call::Splice,
        Call::Tee,
        Call::Vmsplice,
        Call::Libc,
    ];

    /// The call of this number.
    pub fn from_number(number: u8) -> Option<Call> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// The value of the field `call`.
    pub fn name(self) -> &'static str {
        match self {
            Call::Write => "write",
            Call::Writev => "writev",
            Call::Pwritev2 => "pwritev2",
            Call::Send => "send",
            Call::Sendto => "sendto",
            Call::Sendmsg => "sendmsg",
            Call::Sendmmsg => "sendmmsg",
            Call::Sendfile => "sendfile",
            Call::Splice => "splice",
            Call::Tee => "tee",
            Call::Vmsplice => "vmsplice",
            Call::Libc => "libc",
        }
    }
}

/// The kind of the descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// tcp(7).
    Tcp,
    /// Multipath TCP, IPPROTO_MPTCP.
    Mptcp,
    /// sctp(7).
    Sctp,
    /// udp(7), connected.
    Udp,
    /// AF_UNIX, SOCK_STREAM.
    Unix,
    /// AF_UNIX, SOCK_SEQPACKET.
    Seqpacket,
    /// AF_UNIX, SOCK_DGRAM.
    Dgram,
    /// vsock(7).
    Vsock,
    /// pipe(7), fifo(7).
    Pipe,
    /// A socket of another family or protocol.
    Other,
}

impl Transport {
    /// The value of the field `transport`.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Tcp => "tcp",
            Transport::Mptcp => "mptcp",
            Transport::Sctp => "sctp",
            Transport::Udp => "udp",
            Transport::Unix => "unix",
            Transport::Seqpacket => "seqpacket",
            Transport::Dgram => "dgram",
            Transport::Vsock => "vsock",
            Transport::Pipe => "pipe",
            Transport::Other => "other",
        }
    }
}

/// The names of the errors that [say that the other end is gone](crate::cause::says_gone), errno(3).
pub fn errno_name(errno: i32) -> Option<&'static str> {
    Some(match errno {
        libc::EPIPE => "EPIPE",
        libc::ENETDOWN => "ENETDOWN",
        libc::ENETUNREACH => "ENETUNREACH",
        libc::ECONNRESET => "ECONNRESET",
        libc::ETIMEDOUT => "ETIMEDOUT",
        libc::EHOSTDOWN => "EHOSTDOWN",
        libc::EHOSTUNREACH => "EHOSTUNREACH",
        _ => return None,
    })
}

/// How important an event is, as syslog(3) numbers it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Priority {
    /// `LOG_ERR`.
    Error = 3,
    /// `LOG_WARNING`.
    Warning = 4,
    /// `LOG_NOTICE`.
    Notice = 5,
    /// `LOG_INFO`.
    Info = 6,
    /// `LOG_DEBUG`.
    Debug = 7,
}

impl Priority {
    /// The level of the `log` crate, which has no "notice".
    pub fn level(self) -> log::Level {
        match self {
            Priority::Error => log::Level::Error,
            Priority::Warning => log::Level::Warn,
            Priority::Notice | Priority::Info => log::Level::Info,
            Priority::Debug => log::Level::Debug,
        }
    }
}

/// Which process wrote a line, and when.
pub struct Stamp<'a> {
    /// The process.
    pub pid: i32,
    /// The thread, gettid(2).
    pub tid: i32,
    /// The program: program_invocation_short_name(3) at start-up, reduced to `[A-Za-z0-9._-]`.
    pub program: &'a str,
    /// RFC 3339, [`crate::time::rfc3339`].
    pub time: Line<32>,
    /// Events without a line since the last line, because of the rate limit.
    pub suppressed: u64,
    /// Events without a line since the last line, because a sink did not take theirs.
    pub dropped: u64,
}

impl Stamp<'_> {
    fn visit<'kvs>(&'kvs self, to: &mut dyn VisitSource<'kvs>) -> Result<(), kv::Error> {
        let mut pair = |key, value| to.visit_pair(Key::from_str(key), value);
        if self.suppressed > 0 {
            pair("suppressed", self.suppressed.into())?;
        }
        if self.dropped > 0 {
            pair("dropped", self.dropped.into())?;
        }
        pair("pid", (self.pid as u64).into())?;
        pair("tid", (self.tid as u64).into())?;
        pair("program", self.program.into())?;
        pair("time", self.time.as_str().into())
    }
}

/// The process at the other end of a unix socket, SO_PEERCRED in unix(7).
pub struct Credentials {
    /// The process; it may be gone. 0 if our pid namespace does not hold it.
    pub pid: u32,
    /// Its effective user when the connection was made.
    pub uid: u32,
    /// `/proc/PID/comm`; empty if the process is gone, or if nothing shows that the number is still its own.
    pub comm: Line<16>,
}

/// What could be found out about a failed connection.
pub struct Connection {
    /// The kind of the descriptor.
    pub transport: Transport,
    /// Why the call failed.
    pub cause: Cause,
    /// The other end.
    pub peer: Endpoint,
    /// Our end.
    pub local: Option<Endpoint>,
    /// Unix: the process at the other end.
    pub credentials: Option<Credentials>,
    /// Bytes that the peer's kernel has acknowledged.
    pub delivered: Option<u64>,
    /// Bytes written that it has not acknowledged.
    pub undelivered: Option<u64>,
    /// Smoothed round trip, microseconds.
    pub rtt_us: Option<u64>,
    /// Milliseconds since the peer was last heard.
    pub idle_ms: Option<u64>,
}

/// What happened to one connection, at its first failure.
pub struct Event<'a> {
    /// Which process writes the line, and when.
    pub stamp: Stamp<'a>,
    /// How much it matters.
    pub priority: Priority,
    /// The call that failed.
    pub call: Call,
    /// Its descriptor.
    pub fd: i32,
    /// Its error, a positive number.
    pub errno: i32,
    /// What could be learned of the connection.
    pub connection: &'a Connection,
    /// SO_COOKIE in hexadecimal, as `ss -e` shows it; empty if there is none.
    pub cookie: Line<16>,
    /// The program has a SIGPIPE handler, and it was not run.
    pub handler_skipped: bool,
}

impl kv::Source for Event<'_> {
    fn visit<'kvs>(&'kvs self, to: &mut dyn VisitSource<'kvs>) -> Result<(), kv::Error> {
        to.visit_pair(Key::from_str(PRIORITY), (self.priority as u64).into())?;
        to.visit_pair(Key::from_str("peer"), self.connection.peer.text().into())?;
        visit_endpoint(&self.connection.peer, "peer_address", "peer_port", to)?;
        if let Some(local) = &self.connection.local {
            to.visit_pair(Key::from_str("local"), local.text().into())?;
            visit_endpoint(local, "local_address", "local_port", to)?;
        }
        let mut pair = |key, value: Option<Value<'kvs>>| match value {
            Some(value) => to.visit_pair(Key::from_str(key), value),
            None => Ok(()),
        };
        pair("cause", Some(self.connection.cause.name().into()))?;
        pair("call", Some(self.call.name().into()))?;
        pair("fd", Some((self.fd as u64).into()))?;
        pair("errno", errno_name(self.errno).map(Value::from))?;
        pair("errno_number", Some((self.errno as u64).into()))?;
        pair("delivered", self.connection.delivered.map(Value::from))?;
        pair("undelivered", self.connection.undelivered.map(Value::from))?;
        pair("transport", Some(self.connection.transport.name().into()))?;
        if let Some(peer) = &self.connection.credentials {
            pair("peer_pid", (peer.pid > 0).then(|| u64::from(peer.pid).into()))?;
            pair("peer_uid", Some(u64::from(peer.uid).into()))?;
            pair("peer_comm", some_text(&peer.comm))?;
        }
        pair("rtt_us", self.connection.rtt_us.map(Value::from))?;
        pair("idle_ms", self.connection.idle_ms.map(Value::from))?;
        pair("cookie", some_text(&self.cookie))?;
        pair("handler", self.handler_skipped.then(|| "skipped".into()))?;
        self.stamp.visit(to)
    }
}

fn some_text<const N: usize>(line: &Line<N>) -> Option<Value<'_>> {
    Some(line.as_str()).filter(|text| !text.is_empty()).map(Value::from)
}

fn visit_endpoint<'kvs>(
    end: &'kvs Endpoint,
    address_key: &'static str,
    port_key: &'static str,
    to: &mut dyn VisitSource<'kvs>,
) -> Result<(), kv::Error> {
    if let Some(address) = end.address() {
        to.visit_pair(Key::from_str(address_key), address.into())?;
    }
    match end.port() {
        Some(port) => to.visit_pair(Key::from_str(port_key), u64::from(port).into()),
        None => Ok(()),
    }
}

/// What the library reports about itself: a setting that it cannot read, a symbol that it does not find.
pub struct Notice<'a> {
    /// Which process writes the line, and when.
    pub stamp: Stamp<'a>,
    /// How much it matters.
    pub priority: Priority,
    /// Keys of [`crate::fields::FIELDS`] with their values.
    pub facts: &'a [(&'static str, &'a str)],
    /// The same, with numbers.
    pub numbers: &'a [(&'static str, u64)],
}

impl kv::Source for Notice<'_> {
    fn visit<'kvs>(&'kvs self, to: &mut dyn VisitSource<'kvs>) -> Result<(), kv::Error> {
        to.visit_pair(Key::from_str(PRIORITY), (self.priority as u64).into())?;
        for &(key, value) in self.facts {
            to.visit_pair(Key::from_str(key), value.into())?;
        }
        for &(key, value) in self.numbers {
            to.visit_pair(Key::from_str(key), value.into())?;
        }
        self.stamp.visit(to)
    }
}
