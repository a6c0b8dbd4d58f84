//! Our own fields, under all their names (docs/fields.md): text, JSON, journald.
//!
//! The tests at the end compare the names with the table in nopipe-core.

use std::borrow::Cow;

use super::record::{Found, Kind, Peer, Record, Source};
use super::{json, logfmt, time};

/// A value as it stands in a line.
#[derive(Clone, Copy, Default, Debug)]
pub struct Raw<'a> {
    pub bytes: &'a [u8],
    /// There are escapes in it, as in JSON.
    pub escaped: bool,
}

impl<'a> Raw<'a> {
    /// The bytes that it stands for.
    pub fn unescaped(self) -> Cow<'a, [u8]> {
        match self.escaped {
            true => json::unescape(self.bytes).into(),
            false => self.bytes.into(),
        }
    }

    fn number(self) -> Option<u64> {
        let holds = !self.bytes.is_empty() && self.bytes.len() <= 20;
        let digit = |n: u64, &b: &u8| {
            let digit = b.wrapping_sub(b'0');
            if digit < 10 {
                n.checked_mul(10)?.checked_add(digit.into())
            } else {
                None
            }
        };
        holds.then(|| self.bytes.iter().try_fold(0, digit))?
    }
}

/// The fields that a report needs, as far as a line has them.
#[derive(Clone, Copy, Default, Debug)]
pub struct Fields<'a> {
    pub message: Option<Raw<'a>>,
    /// `203.0.113.7:51234`
    pub peer: Option<Raw<'a>>,
    /// Without the port.
    pub address: Option<Raw<'a>>,
    pub cause: Option<Raw<'a>>,
    pub ended: Option<Raw<'a>>,
    pub undelivered: Option<Raw<'a>>,
    pub saved: Option<Raw<'a>>,
    pub folded: Option<Raw<'a>>,
    pub suppressed: Option<Raw<'a>>,
    pub dropped: Option<Raw<'a>>,
    pub time: Option<Raw<'a>>,
    pub unit: Option<Raw<'a>>,
    /// The journal's time, microseconds since the epoch.
    pub realtime: Option<Raw<'a>>,
    /// Envoy's.
    pub response_flags: Option<Raw<'a>>,
    pub downstream: Option<Raw<'a>>,
    /// A line of a container, wrapped.
    pub wrapped: Option<Raw<'a>>,
}

impl<'a> Fields<'a> {
    /// Where the value of the field that has this name in a text line goes.
    #[inline]
    pub fn in_text(&mut self, name: &[u8]) -> Option<&mut Option<Raw<'a>>> {
        Some(match name {
            b"peer" => &mut self.peer,
            b"cause" => &mut self.cause,
            b"ended" => &mut self.ended,
            b"undelivered" => &mut self.undelivered,
            b"saved" => &mut self.saved,
            b"folded" => &mut self.folded,
            b"suppressed" => &mut self.suppressed,
            b"dropped" => &mut self.dropped,
            b"time" => &mut self.time,
            b"unit" => &mut self.unit,
            _ => return None,
        })
    }

    /// The same in a JSON line: ours, journalctl's, Envoy's, a container runtime's.
    #[inline]
    pub fn in_json(&mut self, name: &[u8]) -> Option<&mut Option<Raw<'a>>> {
        Some(match name {
            b"message" => &mut self.message,
            b"network.peer.address" => &mut self.address,
            b"cause" => &mut self.cause,
            b"ended" => &mut self.ended,
            b"undelivered" => &mut self.undelivered,
            b"saved" => &mut self.saved,
            b"folded" => &mut self.folded,
            b"suppressed" => &mut self.suppressed,
            b"dropped" => &mut self.dropped,
            b"time" | b"start_time" => &mut self.time,
            b"unit" => &mut self.unit,
            b"response_flags" => &mut self.response_flags,
            b"downstream_remote_address" => &mut self.downstream,
            b"log" => &mut self.wrapped,
            _ => return self.in_journal(name),
        })
    }

    /// The same in an entry of the journal.
    #[inline]
    pub fn in_journal(&mut self, name: &[u8]) -> Option<&mut Option<Raw<'a>>> {
        Some(match name {
            b"MESSAGE" => &mut self.message,
            b"NOPIPE_PEER_ADDR" => &mut self.address,
            b"NOPIPE_CAUSE" => &mut self.cause,
            b"NOPIPE_ENDED" => &mut self.ended,
            b"NOPIPE_UNDELIVERED" => &mut self.undelivered,
            b"NOPIPE_SAVED" => &mut self.saved,
            b"NOPIPE_FOLDED" => &mut self.folded,
            b"NOPIPE_SUPPRESSED" => &mut self.suppressed,
            b"NOPIPE_DROPPED" => &mut self.dropped,
            b"_SYSTEMD_UNIT" | b"_SYSTEMD_USER_UNIT" if !name.starts_with(b"_SYSTEMD_USER") || self.unit.is_none() => {
                &mut self.unit
            }
            b"__REALTIME_TIMESTAMP" => &mut self.realtime,
            _ => return None,
        })
    }

    /// What these fields say, if it is the library that wrote them; `message` is what a text line begins with.
    pub fn found(&self, source: Source, message: &[u8]) -> Found<'a> {
        self.found_at(self.time(), source, message)
    }

    /// The same; the time is known.
    pub fn found_at(&self, time: Option<i64>, source: Source, message: &[u8]) -> Found<'a> {
        let Some(kind) = kind(message) else {
            return Found::Known;
        };
        let cause = match (kind, self.cause) {
            (_, Some(cause)) => cause,
            (Kind::Event, None) => return Found::Broken,
            (Kind::Notice | Kind::Summary, None) => Raw::default(),
        };
        let number = |raw: Option<Raw<'_>>| raw.and_then(Raw::number).unwrap_or(0);
        Found::Record(Record {
            source,
            kind,
            time,
            peer: self.peer(),
            cause: cause.unescaped(),
            ended: self.ended.map(Raw::unescaped),
            undelivered: number(self.undelivered),
            saved: self.saved.map(|saved| match saved.bytes {
                b"yes" | b"true" => 1,
                _ => saved.number().unwrap_or(0),
            }),
            folded: number(self.folded),
            suppressed: number(self.suppressed),
            dropped: number(self.dropped),
        })
    }

    /// Whether there is an account of events without a line.
    pub fn has_counts(&self) -> bool {
        self.folded.or(self.suppressed).or(self.dropped).is_some()
    }

    /// The line's own time, or the journal's.
    pub fn time(&self) -> Option<i64> {
        let journal = || i64::try_from(self.realtime?.number()?).ok();
        self.time.and_then(|time| time::rfc3339(time.bytes)).or_else(journal)
    }

    fn peer(&self) -> Peer<'a> {
        match (self.address, self.peer) {
            (Some(address), _) => peer(address, address.bytes),
            (None, Some(end)) => peer(end, without_port(end.bytes)),
            (None, None) => Peer::Unknown,
        }
    }
}

fn peer<'a>(whole: Raw<'a>, address: &[u8]) -> Peer<'a> {
    match ip(address) {
        Some(ip) => Peer::Ip(ip),
        // One name for all: a pipe's number says nothing to anybody.
        None if whole.bytes.starts_with(b"pipe:[") => Peer::Name(b"pipe".into()),
        None if matches!(whole.bytes, b"unknown" | b"") => Peer::Unknown,
        None => Peer::Name(whole.unescaped()),
    }
}

/// `203.0.113.7:51234` and `[2001:db8::1]:443` without port and brackets; anything else as it is.
pub fn without_port(end: &[u8]) -> &[u8] {
    let inside = end
        .strip_prefix(b"[")
        .and_then(|rest| Some(&rest[..memchr::memchr(b']', rest)?]));
    inside.unwrap_or_else(|| match memchr::memrchr(b':', end) {
        Some(at) if memchr::memchr(b':', &end[..at]).is_none() => &end[..at],
        _ => end,
    })
}

/// An address, IPv4 as v4-mapped.
#[inline]
pub fn ip(text: &[u8]) -> Option<u128> {
    let v4 = || {
        let (mut ip, mut part, mut digits, mut dots) = (0_u32, 0_u32, 0, 0);
        for &b in text {
            match b {
                b'0'..=b'9' if digits < 3 => {
                    part = part * 10 + u32::from(b - b'0');
                    digits += 1;
                }
                b'.' if digits > 0 && part < 256 => {
                    ip = ip << 8 | part;
                    (part, digits, dots) = (0, 0, dots + 1);
                }
                _ => return None,
            }
        }
        (dots == 3 && digits > 0 && part < 256).then_some(0xffff_0000_0000 | u128::from(ip << 8 | part))
    };
    let v6 = || {
        // A link-local address may name its interface.
        let text = str::from_utf8(text).ok()?.split('%').next()?;
        text.parse::<std::net::Ipv6Addr>().ok().map(u128::from)
    };
    if text.len() < 7 { v6() } else { v4().or_else(v6) }
}

/// The words that an event's line begins with.
const EVENTS: [&[u8]; 4] = [
    b"peer vanished",
    b"write without connection",
    b"write after own shutdown",
    b"pipe reader gone",
];
const NOTICE: &[u8] = b"libnopipe: ";
const SUMMARY: &[u8] = b"libnopipe: summary";

/// What kind of line begins with these words; `None` if it is none of ours.
fn kind(message: &[u8]) -> Option<Kind> {
    match message {
        _ if EVENTS.iter().any(|event| message.starts_with(event)) => Some(Kind::Event),
        _ if message.starts_with(SUMMARY) => Some(Kind::Summary),
        _ if message.starts_with(NOTICE) => Some(Kind::Notice),
        _ => None,
    }
}

/// A text line of the library; `None` if it is none. `around` is the time that the log itself has for the line: one
/// that has none must have its own, which is its last field, or it is torn.
pub fn text<'a>(line: &'a [u8], around: Option<i64>) -> Option<Found<'a>> {
    let mut fields = Fields::default();
    let line = line.trim_ascii_end();
    let length = match EVENTS.iter().find(|event| line.starts_with(event)) {
        Some(event) => event.len(),
        None if line.starts_with(NOTICE) => end_of_words(line),
        // As little is left of a line when a disk is full.
        None if line.len() > 3 && EVENTS.iter().any(|event| event.starts_with(line)) => return Some(Found::Broken),
        None => return None,
    };
    let (message, rest) = line.split_at(length);
    if !rest.is_empty() && rest[0] != b' ' {
        return None;
    }
    let whole = logfmt::pairs(rest, |name, value| {
        if let Some(field) = fields.in_text(name) {
            let logfmt::Value { raw, escaped } = value;
            *field = Some(Raw { bytes: raw, escaped });
        }
    });
    let time = fields.time().or(around);
    Some(match whole.is_err() || time.is_none() {
        true => Found::Broken,
        false => fields.found_at(time, Source::Text, message),
    })
}

/// Whether [`text`] would take a line that begins like this for one of the library's.
pub fn may_be_text(line: &[u8]) -> bool {
    line.starts_with(NOTICE) || EVENTS.iter().any(|event| line.starts_with(&event[..4]))
}

/// Where the words of a notice end and its fields begin.
fn end_of_words(line: &[u8]) -> usize {
    let equals = memchr::memchr(b'=', line).unwrap_or(line.len());
    match equals == line.len() {
        true => equals,
        false => memchr::memrchr(b' ', &line[..equals]).unwrap_or(equals),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nopipe_core::event::Cause;
    use nopipe_core::fields::FIELDS;

    #[test]
    fn the_names_are_those_of_the_library() {
        for key in ["cause", "undelivered", "suppressed", "dropped"] {
            let field = FIELDS.iter().find(|field| field.key == key).unwrap();
            let mut fields = Fields::default();
            assert!(fields.in_text(field.text.unwrap().as_bytes()).is_some(), "{key}");
            assert!(fields.in_json(field.json.unwrap().as_bytes()).is_some(), "{key}");
            assert!(fields.in_journal(field.journal.unwrap().as_bytes()).is_some(), "{key}");
        }
        let address = FIELDS.iter().find(|field| field.key == "peer_address").unwrap();
        let mut fields = Fields::default();
        *fields.in_json(address.json.unwrap().as_bytes()).unwrap() = Some(Raw::default());
        assert!(fields.address.is_some());
        *fields.in_journal(address.journal.unwrap().as_bytes()).unwrap() = None;
        assert!(fields.address.is_none());
        assert!(
            Cause::ALL
                .iter()
                .all(|cause| kind(cause.message().as_bytes()) == Some(Kind::Event))
        );
    }

    #[test]
    fn addresses() {
        let text = |text: &str| ip(text.as_bytes());
        assert_eq!(text("203.0.113.7"), Some(0xffff_cb00_7107));
        assert_eq!(text("::1"), Some(1));
        assert_eq!(text("fe80::1%eth0"), Some(0xfe80 << 112 | 1));
        assert_eq!(text("::ffff:203.0.113.7"), text("203.0.113.7"));
        for wrong in [
            "",
            "1.2.3",
            "1.2.3.4.5",
            "256.1.1.1",
            "1.2.3.",
            "1..2.3",
            "0001.2.3.4",
            "x",
        ] {
            assert_eq!(text(wrong), None, "{wrong}");
        }
        for (end, address) in [
            ("1.2.3.4:5", "1.2.3.4"),
            ("[::1]:5", "::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("/run/x", "/run/x"),
            ("[::1", "[::1"),
        ] {
            assert_eq!(without_port(end.as_bytes()), address.as_bytes());
        }
    }

    const LINE: &str = "peer vanished peer=203.0.113.7:51234 local=192.0.2.1:80 cause=closed call=write fd=7 errno=EPIPE \
                        delivered=48211 undelivered=100 transport=tcp cookie=2a suppressed=3 pid=7 tid=7 program=game \
                        time=2026-01-01T00:00:00.000001Z";

    #[test]
    fn a_text_line() {
        let Some(Found::Record(record)) = text(LINE.as_bytes(), None) else {
            panic!("{LINE}");
        };
        assert_eq!(record.peer, Peer::Ip(0xffff_cb00_7107));
        assert_eq!(
            (&record.cause[..], record.undelivered, record.suppressed),
            (&b"closed"[..], 100, 3)
        );
        assert_eq!(record.time, Some(1_767_225_600_000_001));
        assert_eq!((record.saved, record.ended), (None, None));
    }

    #[test]
    fn every_beginning_is_torn() {
        for end in 4..LINE.len() {
            assert_eq!(
                text(&LINE.as_bytes()[..end], None),
                Some(Found::Broken),
                "{}",
                &LINE[..end]
            );
        }
        let joined = format!("{}{LINE}", &LINE[..60]);
        assert_eq!(text(joined.as_bytes(), None), Some(Found::Broken), "{joined}");
    }

    #[test]
    fn notices() {
        let line = "libnopipe: summary undelivered=9 suppressed=7 dropped=0 time=2026-01-01T00:00:00Z";
        let Some(Found::Record(record)) = text(line.as_bytes(), None) else {
            panic!("{line}");
        };
        assert_eq!((record.kind, record.suppressed), (Kind::Summary, 7));
        let line = "libnopipe: rate limit reached: counting suppressed=1";
        assert!(
            matches!(text(line.as_bytes(), Some(1)), Some(Found::Record(r)) if r.kind == Kind::Notice && r.suppressed == 1)
        );
        assert_eq!(text(b"listening on 1.2.3.4 peer=1.2.3.4:5 cause=reset", None), None);
    }
}
