//! HAProxy's own formats, `option httplog` and `option tcplog`: the termination state.
//!
//! `CLIENT:PORT [31/Jan/2026:23:59:59.123] FRONTEND BACKEND/SERVER TIMERS …` (HAProxy's configuration manual, 8.2.2 and
//! 8.2.3). The state's first letter says what ended the session: `C` the client closed or reset, `c` the client's time
//! ran out (8.5). Any other first letter is not the client's doing.

use super::ours::ip;
use super::record::{Found, Peer, Record, Source};
use super::time::{self, Zone};

/// What a line of HAProxy says; `None` if it is none.
pub fn haproxy<'a>(line: &'a [u8], zone: &mut Zone) -> Option<Found<'a>> {
    let (client, rest) = line.split_at(memchr::memchr(b' ', line)?);
    let rest = rest.strip_prefix(b" [")?;
    let date = rest.get(..24)?;
    let fields = rest[24..].strip_prefix(b"] ")?;
    if date[20] != b'.' || date[11] != b':' {
        return None;
    }
    let mut fields = fields.split(|&b| b == b' ');
    // Frontend, backend/server, timers. An error of the connection itself has other words here.
    let timers = fields.nth(2);
    if !timers.is_some_and(|timers| timers.iter().all(|b| matches!(b, b'0'..=b'9' | b'/' | b'-' | b'+'))) {
        return Some(Found::Known);
    }
    // TCP: bytes, state. HTTP: status, bytes, two cookies, state.
    let state = fields.find(|field| matches!(field.len(), 2 | 4) && is_state(field));
    let Some(state) = state else { return Some(Found::Broken) };
    // cR: a browser's spare connection, on which no request came. Nobody is missed.
    if !matches!(state[0], b'C' | b'c') || state.starts_with(b"cR") {
        return Some(Found::Known);
    }
    let Some(time) = time::common(date, zone) else {
        return Some(Found::Broken);
    };
    let mut cause = b"haproxy-".to_vec();
    cause.extend_from_slice(&state[..2]);
    Some(Found::Record(Record {
        time: Some(time),
        peer: peer(client),
        ..Record::event(Source::HaProxy, cause)
    }))
}

/// The client; HAProxy writes no brackets around IPv6.
fn peer(client: &[u8]) -> Peer<'_> {
    let address = memchr::memrchr(b':', client).map_or(client, |at| &client[..at]);
    match ip(address) {
        Some(ip) => Peer::Ip(ip),
        None => Peer::Name(address.into()),
    }
}

/// Two letters, for HTTP followed by two about the cookies.
fn is_state(field: &[u8]) -> bool {
    let known = |index: usize, letters: &[u8]| field.get(index).is_none_or(|letter| letters.contains(letter));
    known(0, b"CSPLRIDUKcs-") && known(1, b"RQCHDLT-") && known(2, b"NIDVEOU-") && known(3, b"NIURDP-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    fn found(line: &str) -> Option<Found<'_>> {
        haproxy(line.as_bytes(), &mut Zone::of(TimeZone::UTC))
    }

    #[test]
    fn who_left() {
        let at = "[01/Jan/2026:00:00:00.123]";
        for (line, cause, peer) in [
            (
                format!("1.2.3.4:5678 {at} web~ app/s1 0/0/1/-1/9 -1 0 - - CH-- 1/1/0/0/0 0/0 \"GET / HTTP/1.1\""),
                "haproxy-CH",
                0xffff_0102_0304,
            ),
            (
                format!("::1:5678 {at} web app/s1 0/0/+5 1234 CD 1/1/0/0/0 0/0"),
                "haproxy-CD",
                1,
            ),
            (
                format!("1.2.3.4:5678 {at} web app/s1 0/0/5 1234 cD 1/1/0/0/0 0/0"),
                "haproxy-cD",
                0xffff_0102_0304,
            ),
        ] {
            let Some(Found::Record(record)) = found(&line) else {
                panic!("{line}")
            };
            assert_eq!((&record.cause[..], record.peer), (cause.as_bytes(), Peer::Ip(peer)));
            assert_eq!(record.time, Some(1_767_225_600_123_000));
        }
        for (line, kind) in [
            (
                format!(
                    "1.2.3.4:5678 {at} web app/s1 0/0/1/2/9 200 9 - - ---- 1/1/0/0/0 0/0 \"GET /CD-- CD HTTP/1.1\""
                ),
                Some(Found::Known),
            ),
            (
                format!("1.2.3.4:5678 {at} web app/s1 0/0/5 1234 SD 1/1/0/0/0 0/0"),
                Some(Found::Known),
            ),
            (
                format!("1.2.3.4:5678 {at} web/1: SSL handshake failure"),
                Some(Found::Known),
            ),
            (format!("1.2.3.4:5678 {at} web app/s1 0/0/5 12"), Some(Found::Broken)),
            ("Server app/s1 is UP".to_owned(), None),
        ] {
            assert_eq!(found(&line), kind, "{line}");
        }
    }
}
