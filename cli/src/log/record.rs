//! What a line says.

use std::borrow::Cow;

/// Who wrote a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// The library, as logfmt.
    Text,
    /// The library, as JSON.
    Json,
    /// The library, through journald.
    Journal,
    /// nginx's access log: status 499.
    NginxAccess,
    /// nginx's error log.
    NginxError,
    /// Apache's access log: `%X` is `X`.
    ApacheAccess,
    /// Apache's error log.
    ApacheError,
    /// HAProxy's log: a termination state that begins with C or c.
    HaProxy,
    /// Envoy's access log: a response flag that names the downstream's end.
    Envoy,
}

impl Source {
    /// All of them.
    pub const ALL: [Source; 9] = [
        Source::Text,
        Source::Json,
        Source::Journal,
        Source::NginxAccess,
        Source::NginxError,
        Source::ApacheAccess,
        Source::ApacheError,
        Source::HaProxy,
        Source::Envoy,
    ];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Source::Text => "nopipe-text",
            Source::Json => "nopipe-json",
            Source::Journal => "nopipe-journal",
            Source::NginxAccess => "nginx-access",
            Source::NginxError => "nginx-error",
            Source::ApacheAccess => "apache-access",
            Source::ApacheError => "apache-error",
            Source::HaProxy => "haproxy",
            Source::Envoy => "envoy",
        }
    }
}

/// Who has left.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Peer<'a> {
    /// An address; IPv4 as v4-mapped (RFC 4291, 2.5.5.2), which is how the library sees them as well.
    Ip(u128),
    /// A unix path, `@abstract`, a host's name: bytes that anybody may have chosen.
    Name(Cow<'a, [u8]>),
    /// The line does not say.
    #[default]
    Unknown,
}

/// What kind of line it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// One connection that failed.
    Event,
    /// What the library reports about itself. It may account for events that have no line.
    Notice,
    /// The library's account at a program's exit: its numbers are sums, which other lines have shown in part.
    Summary,
}

/// A line that says something about peers that vanished.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record<'a> {
    pub source: Source,
    pub kind: Kind,
    /// Microseconds since the epoch.
    pub time: Option<i64>,
    pub peer: Peer<'a>,
    /// The library's cause; of others their own code, such as `haproxy-CD`.
    pub cause: Cow<'a, [u8]>,
    /// Who ended it, and in which phase.
    pub ended: Option<Cow<'a, [u8]>>,
    /// Bytes that the peer has not acknowledged.
    pub undelivered: u64,
    /// Times that SIGPIPE would have ended the program.
    pub saved: Option<u64>,
    /// Events that this line stands for beside itself: repeats from one address, the rate limit, a sink that took none.
    pub folded: u64,
    pub suppressed: u64,
    pub dropped: u64,
}

impl<'a> Record<'a> {
    /// An event of which nothing more is known.
    pub fn event(source: Source, cause: impl Into<Cow<'a, [u8]>>) -> Self {
        Record {
            source,
            kind: Kind::Event,
            time: None,
            peer: Peer::Unknown,
            cause: cause.into(),
            ended: None,
            undelivered: 0,
            saved: None,
            folded: 0,
            suppressed: 0,
            dropped: 0,
        }
    }
}

impl Record<'_> {
    /// The same, without what it was read from.
    pub fn into_owned<'a>(self) -> Record<'a> {
        Record {
            source: self.source,
            kind: self.kind,
            time: self.time,
            peer: match self.peer {
                Peer::Ip(ip) => Peer::Ip(ip),
                Peer::Name(name) => Peer::Name(name.into_owned().into()),
                Peer::Unknown => Peer::Unknown,
            },
            cause: self.cause.into_owned().into(),
            ended: self.ended.map(|ended| ended.into_owned().into()),
            undelivered: self.undelivered,
            saved: self.saved,
            folded: self.folded,
            suppressed: self.suppressed,
            dropped: self.dropped,
        }
    }
}

/// What a line turned out to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found<'a> {
    /// It counts.
    Record(Record<'a>),
    /// It has a form that is known, and says nothing of a peer that vanished.
    Known,
    /// It has no form that is known.
    Unknown,
    /// It begins as a form that is known and does not go on as that form does: torn, or written over.
    Broken,
}
