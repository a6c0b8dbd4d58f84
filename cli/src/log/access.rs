//! Access logs in the common and combined formats, and what begins like them: nginx and Apache.
//!
//! `HOST IDENT USER [31/Jan/2026:23:59:59 +0100] "REQUEST" STATUS BYTES …`. nginx gives the status 499 to a request whose
//! client closed the connection before the response (ngx_http_request.h: NGX_HTTP_CLIENT_CLOSED_REQUEST). Apache shows in
//! `%X`, wherever the format has it after the request, how the connection ended: `X` is "aborted before the response
//! completed" (mod_log_config).

use memchr::memchr2;

use super::ours::ip;
use super::record::{Found, Peer, Record, Source};
use super::time::{self, Zone};

/// What a line of an access log says; `None` if it is none.
pub fn access<'a>(line: &'a [u8], zone: &mut Zone) -> Option<Found<'a>> {
    let open = memchr::memchr(b'[', line)?;
    let (head, rest) = (&line[..open], &line[open + 1..]);
    let head = head.strip_suffix(b" ")?;
    let close = memchr::memchr(b']', rest.get(..40).unwrap_or(rest))?;
    let (date, rest) = (&rest[..close], &rest[close + 1..]);
    let request = rest.strip_prefix(b" \"")?;
    // The clock is only read for lines that count.
    if date.len() != 26 || date.get(11) != Some(&b':') {
        return None;
    }
    let Some(end) = end_of_string(request) else {
        return Some(Found::Broken);
    };
    let rest = &request[end + 1..];
    let Some(status) = rest
        .get(1..4)
        .filter(|status| rest[0] == b' ' && status.iter().all(u8::is_ascii_digit))
    else {
        return Some(if rest.len() < 5 { Found::Broken } else { Found::Known });
    };
    let (source, cause) = match status {
        b"499" => (Source::NginxAccess, &b"nginx-499"[..]),
        _ if has_word_x(&rest[4..]) => (Source::ApacheAccess, &b"apache-X"[..]),
        _ => return Some(Found::Known),
    };
    let Some(time) = time::common(date, zone) else {
        return Some(Found::Broken);
    };
    // A virtual host may stand before the client: %v:%p %h %l %u.
    let client = head.split(|&b| b == b' ').find_map(ip);
    let peer = match client {
        Some(ip) => Peer::Ip(ip),
        None => Peer::Name(head.split(|&b| b == b' ').next().unwrap_or_default().into()),
    };
    Some(Found::Record(Record {
        time: Some(time),
        peer,
        ..Record::event(source, cause)
    }))
}

/// Where the closing quote is; a backslash takes the next byte with it.
pub fn end_of_string(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

/// Whether `X` stands alone among the fields, outside quotes.
fn has_word_x(fields: &[u8]) -> bool {
    let mut rest = fields;
    while let Some(at) = memchr2(b'"', b'X', rest) {
        let after = &rest[at + 1..];
        if rest[at] == b'X' {
            let before = at.checked_sub(1).and_then(|before| rest.get(before));
            if matches!(before, Some(b' ')) && matches!(after.first(), None | Some(b' ')) {
                return true;
            }
            rest = after;
        } else {
            let Some(end) = end_of_string(after) else { return false };
            rest = &after[end + 1..];
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    fn found(line: &str) -> Option<(Source, Peer<'_>)> {
        match access(line.as_bytes(), &mut Zone::of(TimeZone::UTC)) {
            Some(Found::Record(record)) => Some((record.source, record.peer)),
            _ => None,
        }
    }

    #[test]
    fn who_left() {
        let at = "[01/Jan/2026:01:00:00 +0100]";
        let peer = Peer::Ip(0xffff_0102_0304);
        for (line, source) in [
            (
                format!("1.2.3.4 - - {at} \"GET / HTTP/1.1\" 499 0 \"-\" \"curl X\""),
                Source::NginxAccess,
            ),
            (
                format!("1.2.3.4 - joe {at} \"GET /\\\" 200 X HTTP/1.1\" 200 5 X"),
                Source::ApacheAccess,
            ),
            (
                format!("www:80 1.2.3.4 - - {at} \"GET /\" 200 5 \"-\" \"a\" X 17"),
                Source::ApacheAccess,
            ),
        ] {
            assert_eq!(found(&line), Some((source, peer.clone())), "{line}");
        }
        for line in [
            format!("1.2.3.4 - - {at} \"GET / HTTP/1.1\" 200 499 \"-\" \"X\""),
            format!("1.2.3.4 - - {at} \"GET /\\\" 499 0 X\" 200 1 +"),
            format!("1.2.3.4 - - {at} \"GET /\" 200 XX \"\" \" X \""),
        ] {
            assert_eq!(found(&line), None, "{line}");
            assert_eq!(
                access(line.as_bytes(), &mut Zone::of(TimeZone::UTC)),
                Some(Found::Known)
            );
        }
    }
}
