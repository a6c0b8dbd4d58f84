//! Error logs of nginx and Apache: the client closed, reset, or was gone when it was written to.
//!
//! nginx: `2026/01/31 23:59:59 [info] 7#7: *1 …, client: 203.0.113.7, server: …`. Its own words for the client's end are
//! "client prematurely closed connection"; else the errno is in parentheses. Where it was busy with an upstream, the
//! upstream has left and not the client.
//! Apache: `[Sat Jan 31 23:59:59.123456 2026] [core:info] [pid 7:tid 7] (32)Broken pipe: [client 203.0.113.7:51234] …`.

use memchr::memmem::find;

use super::ours::{ip, without_port};
use super::record::{Found, Peer, Record, Source};
use super::time::{self, Zone};

/// The errors that say the other end is gone, and the cause that the library would report.
const ERRORS: [(&[u8], &[u8], &[u8]); 3] = [
    (b"(32: Broken pipe)", b"(32)Broken pipe: ", b"closed"),
    (
        b"(104: Connection reset by peer)",
        b"(104)Connection reset by peer: ",
        b"reset",
    ),
    (
        b"(110: Connection timed out)",
        b"(70007)The timeout specified has expired: ",
        b"timeout",
    ),
];

/// What a line of nginx's error log says; `None` if it is none.
pub fn nginx<'a>(line: &'a [u8], zone: &mut Zone) -> Option<Found<'a>> {
    if line.get(4) != Some(&b'/') || line.get(7) != Some(&b'/') || line.get(19..21) != Some(b" [") {
        return None;
    }
    // What the client chooses begins here: the server's name, the request.
    let said = &line[21..];
    let words = &said[..find(said, b", client: ").unwrap_or(said.len())];
    let closed = find(words, b"client prematurely closed").is_some();
    let error = ERRORS.iter().find(|(nginx, ..)| find(words, nginx).is_some());
    let busy = &words[find(words, b" while ").unwrap_or(words.len())..];
    let upstream = find(busy, b"upstream").is_some();
    let cause = match (closed, error) {
        // A connection that was kept open in case of another request: nobody is missed.
        (false, Some((.., b"timeout"))) if busy.starts_with(b" while waiting for request") => {
            return Some(Found::Known);
        }
        (true, None) => b"closed",
        (_, Some((.., cause))) if closed || !upstream => *cause,
        _ => return Some(Found::Known),
    };
    let peer = match said
        .get(words.len()..)
        .and_then(|rest| rest.strip_prefix(b", client: "))
    {
        Some(rest) => {
            let client = &rest[..memchr::memchr(b',', rest).unwrap_or(rest.len())];
            ip(client).map_or(Peer::Name(client.into()), Peer::Ip)
        }
        None => Peer::Unknown,
    };
    let Some((time, _)) = time::nginx(line, zone) else {
        return Some(Found::Broken);
    };
    Some(Found::Record(Record {
        time: Some(time),
        peer,
        ..Record::event(Source::NginxError, cause)
    }))
}

/// What a line of Apache's error log says; `None` if it is none.
pub fn apache<'a>(line: &'a [u8], zone: &mut Zone) -> Option<Found<'a>> {
    let inside = line.strip_prefix(b"[")?;
    let close = memchr::memchr(b']', inside.get(..40).unwrap_or(inside))?;
    let (date, rest) = (&inside[..close], &inside[close + 1..]);
    let rest = rest.strip_prefix(b" [")?;
    if date.get(3) != Some(&b' ') || date.get(10) != Some(&b' ') {
        return None;
    }
    // [module:level] [pid N:tid N] file.c(N): (N)words: [client ADDRESS:PORT] message. The client may have chosen what is
    // in the message.
    let Some(at) = find(rest, b"[client ") else {
        return Some(Found::Known);
    };
    let (words, client) = (&rest[..at], &rest[at + b"[client ".len()..]);
    let error = ERRORS.iter().find(|(_, apache, _)| words.ends_with(apache));
    let (Some((.., cause)), Some(close)) = (error, memchr::memchr(b']', client)) else {
        return Some(Found::Known);
    };
    let client = &client[..close];
    let Some(time) = time::apache_error(date, zone) else {
        return Some(Found::Broken);
    };
    // IPv6 without brackets, and a port.
    let address = match memchr::memrchr(b':', client) {
        Some(at) if ip(&client[..at]).is_some() => &client[..at],
        _ => without_port(client),
    };
    Some(Found::Record(Record {
        time: Some(time),
        peer: ip(address).map_or(Peer::Name(address.into()), Peer::Ip),
        ..Record::event(Source::ApacheError, *cause)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    #[test]
    fn of_nginx() {
        let zone = &mut Zone::of(TimeZone::UTC);
        let mut cause = |words: &str| {
            let line =
                format!("2026/01/01 00:00:00 [info] 7#7: *1 {words}, client: 1.2.3.4, server: s, request: \"GET /\"");
            match nginx(line.as_bytes(), zone) {
                Some(Found::Record(record)) => {
                    assert_eq!(record.peer, Peer::Ip(0xffff_0102_0304));
                    String::from_utf8(record.cause.into_owned()).unwrap()
                }
                Some(Found::Known) => "none".into(),
                other => panic!("{other:?}"),
            }
        };
        for (words, expected) in [
            ("client prematurely closed connection", "closed"),
            (
                "epoll_wait() reported that client prematurely closed connection, so upstream connection is closed too (104: Connection reset by peer) while sending request to upstream",
                "reset",
            ),
            ("writev() failed (32: Broken pipe) while sending to client", "closed"),
            (
                "recv() failed (104: Connection reset by peer) while waiting for request",
                "reset",
            ),
            (
                "client timed out (110: Connection timed out) while sending to client",
                "timeout",
            ),
            (
                "client timed out (110: Connection timed out) while waiting for request",
                "none",
            ),
            (
                "recv() failed (104: Connection reset by peer) while reading response header from upstream",
                "none",
            ),
            (
                "upstream prematurely closed connection while reading response header from upstream",
                "none",
            ),
            ("open() \"/x\" failed (2: No such file or directory)", "none"),
        ] {
            assert_eq!(cause(words), expected, "{words}");
        }
        let forged =
            b"2026/01/01 00:00:00 [error] 7#7: *1 open() failed, client: 1.2.3.4, request: \"(32: Broken pipe)\"";
        assert_eq!(nginx(forged, zone), Some(Found::Known));
    }

    #[test]
    fn of_apache() {
        let zone = &mut Zone::of(TimeZone::UTC);
        let head = "[Thu Jan 01 00:00:00.000007 2026] [core:info] [pid 7:tid 8]";
        for (words, expected) in [
            (
                "(32)Broken pipe: [client 1.2.3.4:5] AH00001: x",
                Some((&b"closed"[..], 0xffff_0102_0304)),
            ),
            (
                "(104)Connection reset by peer: [client ::1:5] AH00001: x",
                Some((b"reset", 1)),
            ),
            ("[client 1.2.3.4:5] AH00001: (32)Broken pipe: [client 1.1.1.1:1]", None),
            ("AH00001: resuming normal operations", None),
        ] {
            let line = format!("{head} {words}");
            let found = apache(line.as_bytes(), zone).unwrap();
            match (found, expected) {
                (Found::Record(record), Some((cause, ip))) => {
                    assert_eq!((&record.cause[..], record.peer), (cause, Peer::Ip(ip)));
                    assert_eq!(record.time, Some(1_767_225_600_000_007));
                }
                (Found::Known, None) => {}
                (found, _) => panic!("{words}: {found:?}"),
            }
        }
    }
}
