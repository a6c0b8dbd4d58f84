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

/// How important an event of this cause is: lost bytes are a notice, a pipe is for debugging.
pub fn priority_of(cause: Cause, undelivered: Option<u64>) -> Priority {
    if cause == Cause::ReaderGone {
        Priority::Debug
    } else if undelivered.unwrap_or(0) > 0 {
        Priority::Notice
    } else {
        Priority::Info
    }
}

/// `nth!(index, key => value, ...)` returns the pair of this index; if there are not so many, it goes on, and `index` is
/// what is left.
macro_rules! nth {
    ($index:ident, $($key:expr => $value:expr,)+) => {
        let mut $index = $index;
        $(
            if $index == 0 {
                return Some(($key, $value.value()));
            }
            $index -= 1;
        )+
    };
}

/// Which process wrote a line, and when.
pub struct Stamp {
    /// The process.
    pub pid: i32,
    /// The thread, gettid(2).
    pub tid: i32,
    /// The program: program_invocation_short_name(3) at start-up, reduced to `[A-Za-z0-9._-]`; `None`: it is not known.
    pub program: Option<&'static str>,
    /// RFC 3339, [`crate::time::rfc3339`].
    pub time: Line<32>,
    /// Events without a line since the last line, because of the rate limit.
    pub suppressed: u64,
    /// Events without a line since the last line, because a sink did not take theirs.
    pub dropped: u64,
}

impl Stamp {
    /// An empty one, all bytes zero.
    pub const fn new() -> Self {
        Stamp {
            pid: 0,
            tid: 0,
            program: None,
            time: Line::new(),
            suppressed: 0,
            dropped: 0,
        }
    }

    fn pair(&self, index: usize) -> Option<Pair<'_>> {
        nth!(index,
            "suppressed" => some(self.suppressed),
            "dropped" => some(self.dropped),
            "pid" => self.pid as u64,
            "tid" => self.tid as u64,
            "program" => self.program.unwrap_or(""),
            "time" => self.time.as_str(),
        );
        None
    }
}

impl Default for Stamp {
    fn default() -> Self {
        Self::new()
    }
}

/// A number that is left out if it is 0.
fn some(number: u64) -> Option<u64> {
    (number > 0).then_some(number)
}

/// A key and its value, if it has one.
type Pair<'a> = (&'static str, Option<Value<'a>>);

/// What may be the value of a pair.
trait Given<'a> {
    fn value(self) -> Option<Value<'a>>;
}

impl<'a> Given<'a> for u64 {
    fn value(self) -> Option<Value<'a>> {
        Some(self.into())
    }
}

/// An empty text is none.
impl<'a> Given<'a> for &'a str {
    fn value(self) -> Option<Value<'a>> {
        (!self.is_empty()).then(|| self.into())
    }
}

impl<'a, T: Given<'a>> Given<'a> for Option<T> {
    fn value(self) -> Option<Value<'a>> {
        self.and_then(T::value)
    }
}

/// Visits what `pair` gives for 0, 1, ... up to its first `None`. One pair after the other, because a function that
/// visits them all needs much stack, which the failing program may not have.
fn visit_all<'kvs>(
    to: &mut dyn VisitSource<'kvs>,
    pair: impl Fn(usize) -> Option<Pair<'kvs>>,
) -> Result<(), kv::Error> {
    let mut index = 0;
    while let Some((key, value)) = pair(index) {
        if let Some(value) = value {
            to.visit_pair(Key::from_str(key), value)?;
        }
        index += 1;
    }
    Ok(())
}

/// The value under this key among what `pair` gives for 0, 1, ... (What [`kv::Source`] provides visits them all.)
fn find<'kvs>(key: &Key<'_>, pair: impl Fn(usize) -> Option<Pair<'kvs>>) -> Option<Value<'kvs>> {
    let mut index = 0;
    loop {
        let (name, value) = pair(index)?;
        if name == key.as_str() && value.is_some() {
            return value;
        }
        index += 1;
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
    /// Our end; none if it is not known.
    pub local: Endpoint,
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

impl Connection {
    /// One about which nothing is known yet. All bytes are zero: a static of it takes no room in the library's file.
    pub const fn new() -> Self {
        Connection {
            transport: Transport::Tcp,
            cause: Cause::Reset,
            peer: Endpoint::none(),
            local: Endpoint::none(),
            credentials: None,
            delivered: None,
            undelivered: None,
            rtt_us: None,
            idle_ms: None,
        }
    }

    /// Becomes one about which nothing is known yet. (In place: it is too large to be passed around on a small stack.)
    pub fn clear(&mut self) {
        (self.transport, self.cause) = (Transport::Tcp, Cause::Reset);
        self.peer.clear();
        self.local.clear();
        self.credentials = None;
        self.forget_numbers();
    }

    /// For a connection that never was, TCP_INFO shows initial values.
    pub fn forget_numbers(&mut self) {
        (self.delivered, self.undelivered, self.rtt_us, self.idle_ms) = (None, None, None, None);
    }

    /// How important an event about it is.
    pub fn priority(&self) -> Priority {
        priority_of(self.cause, self.undelivered)
    }
}

impl Default for Connection {
    fn default() -> Self {
        Self::new()
    }
}

/// What happened to one connection, at its first failure.
pub struct Event {
    /// Which process writes the line, and when.
    pub stamp: Stamp,
    /// The call that failed.
    pub call: Call,
    /// Its descriptor.
    pub fd: i32,
    /// Its error, a positive number.
    pub errno: i32,
    /// What could be learned of the connection.
    pub connection: Connection,
    /// SO_COOKIE in hexadecimal, as `ss -e` shows it; empty if there is none.
    pub cookie: Line<16>,
    /// The program has a SIGPIPE handler, and it was not run.
    pub handler_skipped: bool,
}

impl Event {
    /// An empty one, all bytes zero: a static of it takes no room in the library's file.
    pub const fn new() -> Self {
        Event {
            stamp: Stamp::new(),
            call: Call::Write,
            fd: 0,
            errno: 0,
            connection: Connection::new(),
            cookie: Line::new(),
            handler_skipped: false,
        }
    }

    #[inline(never)]
    fn pair(&self, index: usize) -> Option<Pair<'_>> {
        let connection = &self.connection;
        let credentials = connection.credentials.as_ref();
        nth!(index,
            PRIORITY => connection.priority() as u64,
            "peer" => connection.peer.text(),
            "peer_address" => connection.peer.address(),
            "peer_port" => connection.peer.port().map(u64::from),
            "local" => connection.local.text(),
            "local_address" => connection.local.address(),
            "local_port" => connection.local.port().map(u64::from),
            "cause" => connection.cause.name(),
            "call" => self.call.name(),
            "fd" => self.fd as u64,
            "errno" => errno_name(self.errno),
            "errno_number" => self.errno as u64,
            "delivered" => connection.delivered,
            "undelivered" => connection.undelivered,
            "transport" => connection.transport.name(),
            "peer_pid" => credentials.map(|peer| u64::from(peer.pid)),
            "peer_uid" => credentials.map(|peer| u64::from(peer.uid)),
            "peer_comm" => credentials.map(|peer| peer.comm.as_str()),
            "rtt_us" => connection.rtt_us,
            "idle_ms" => connection.idle_ms,
            "cookie" => self.cookie.as_str(),
            "handler" => self.handler_skipped.then_some("skipped"),
        );
        self.stamp.pair(index)
    }
}

impl Default for Event {
    fn default() -> Self {
        Self::new()
    }
}

impl kv::Source for Event {
    fn visit<'kvs>(&'kvs self, to: &mut dyn VisitSource<'kvs>) -> Result<(), kv::Error> {
        visit_all(to, |index| self.pair(index))
    }

    fn get(&self, key: Key<'_>) -> Option<Value<'_>> {
        find(&key, |index| self.pair(index))
    }
}

/// What the library reports about itself: a setting that it cannot read, a symbol that it does not find.
pub struct Notice<'a> {
    /// Which process writes the line, and when.
    pub stamp: &'a Stamp,
    /// How much it matters.
    pub priority: Priority,
    /// What the line begins with.
    pub message: &'static str,
    /// Keys of [`crate::fields::FIELDS`] with their values.
    pub facts: &'a [(&'static str, &'a str)],
    /// The same, with numbers.
    pub numbers: &'a [(&'static str, u64)],
}

impl Notice<'_> {
    #[inline(never)]
    fn pair(&self, index: usize) -> Option<Pair<'_>> {
        nth!(index, PRIORITY => self.priority as u64,);
        if let Some(&(key, text)) = self.facts.get(index) {
            return Some((key, Some(text.into())));
        }
        let index = index - self.facts.len();
        if let Some(&(key, number)) = self.numbers.get(index) {
            return Some((key, number.value()));
        }
        self.stamp.pair(index - self.numbers.len())
    }
}

impl kv::Source for Notice<'_> {
    fn visit<'kvs>(&'kvs self, to: &mut dyn VisitSource<'kvs>) -> Result<(), kv::Error> {
        visit_all(to, |index| self.pair(index))
    }

    fn get(&self, key: Key<'_>) -> Option<Value<'_>> {
        find(&key, |index| self.pair(index))
    }
}
