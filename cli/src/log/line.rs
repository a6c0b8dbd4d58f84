//! Which form a line has, and what it says. Each line is judged alone: logs of several servers may be in one file.

use std::borrow::Cow;

use super::access::access;
use super::haproxy::haproxy;
use super::ours::{self, Fields, Raw};
use super::record::{Found, Record, Source};
use super::time::{self, Zone};
use super::{envoy, glance, json, server_error};

/// How deep one line may be wrapped in another: a container's log in the journal.
const DEPTH: u32 = 3;

/// What `line`, without its line feed, says. `see_unit` gets the unit that it names.
pub fn read<'a>(line: &'a [u8], zone: &mut Zone, see_unit: &mut dyn FnMut(&[u8])) -> Found<'a> {
    read_at(DEPTH, line, None, zone, see_unit)
}

fn read_at<'a>(
    depth: u32,
    line: &'a [u8],
    around: Option<i64>,
    zone: &mut Zone,
    see_unit: &mut dyn FnMut(&[u8]),
) -> Found<'a> {
    let found = match line.first() {
        None => Some(Found::Known),
        Some(b'{') => return object(depth, line, zone, see_unit),
        Some(b'[') => envoy::envoy(line).or_else(|| server_error::apache(line, zone)),
        Some(b'l' | b'p' | b'w') => glanced(line).or_else(|| ours::text(line, around)),
        _ => None,
    };
    if let Some(found) = found {
        return found;
    }
    let Some((stamp, message)) = behind_header(line) else {
        return server(line, zone).unwrap_or(Found::Unknown);
    };
    // Few of such lines count: the time is read where one does.
    match message.first() {
        Some(b'{') if depth > 0 => match stamp.time(zone) {
            Some(time) => dated(time, read_at(depth - 1, message, Some(time), zone, see_unit)),
            None => Found::Unknown,
        },
        Some(b'l' | b'p' | b'w') => match (ours::may_be_text(message), stamp.time(zone)) {
            (true, Some(time)) => glanced(message)
                .or_else(|| ours::text(message, Some(time)))
                .unwrap_or(Found::Unknown),
            _ => Found::Unknown,
        },
        _ => server(message, zone).unwrap_or(Found::Unknown),
    }
}

fn glanced(line: &[u8]) -> Option<Found<'_>> {
    let mut fields = Fields::default();
    let time = glance::text(line, &mut fields)?;
    Some(fields.found_at(Some(time), Source::Text, b"peer vanished"))
}

/// A line of another server.
fn server<'a>(line: &'a [u8], zone: &mut Zone) -> Option<Found<'a>> {
    // All of them have a bracket.
    memchr::memchr(b'[', line)?;
    server_error::nginx(line, zone)
        .or_else(|| haproxy(line, zone))
        .or_else(|| access(line, zone))
}

/// The time in a line's header, not read yet.
enum Stamp<'a> {
    Rfc3164(&'a [u8]),
    Rfc3339(&'a [u8]),
}

impl Stamp<'_> {
    fn time(&self, zone: &mut Zone) -> Option<i64> {
        match self {
            Stamp::Rfc3164(text) => Some(time::syslog(text, zone)?.0),
            Stamp::Rfc3339(text) => time::rfc3339(text),
        }
    }
}

/// The longest host and program before a message, with their blanks.
const LONGEST_HEADER: usize = 320;

/// What stands after `Jan 31 23:59:59 host name[7]: `, after RFC 3339 in the first place, or after containerd's
/// `2026-01-31T23:59:59.123Z stderr F `; and its time.
fn behind_header(line: &[u8]) -> Option<(Stamp<'_>, &[u8])> {
    let (stamp, rest) = match line.first()? {
        b'A'..=b'Z' if line.get(9) == Some(&b':') && line[3] == b' ' && line[6] == b' ' => {
            let (stamp, rest) = line.split_at_checked(15)?;
            (Stamp::Rfc3164(stamp), rest)
        }
        b'0'..=b'9' if line.get(10) == Some(&b'T') && line[4] == b'-' => {
            let (stamp, rest) = line.split_at(memchr::memchr(b' ', line)?);
            (Stamp::Rfc3339(stamp), rest)
        }
        // <PRI> as it comes from a socket.
        b'<' => {
            let end = memchr::memchr(b'>', line.get(..5)?).filter(|end| line.get(end + 1) != Some(&b'<'))?;
            return behind_header(&line[end + 1..]);
        }
        _ => return None,
    };
    for stream in [&b" stderr F "[..], b" stdout F "] {
        if let Some(message) = rest.strip_prefix(stream) {
            return Some((stamp, message));
        }
    }
    // Up to a colon and a blank: host, name[pid] and at most one more word, such as the severity. What a program sends to
    // its syslog has no host.
    let head = &rest[..rest.len().min(LONGEST_HEADER)];
    let mut from = 1;
    let end = loop {
        let at = from + memchr::memchr(b':', head.get(from..)?)?;
        if head.get(at + 1) == Some(&b' ') {
            break at;
        }
        from = at + 1;
    };
    let message = &rest[end + 2..];
    // Most lines are nothing of interest, and their headers need no closer look.
    let is_header = || (1..=3).contains(&memchr::memchr_iter(b' ', &head[..end]).count());
    (!matches!(message.first(), Some(b'{' | b'l' | b'p' | b'w')) || is_header()).then_some((stamp, message))
}

/// A JSON object: our line, an entry of the journal, Envoy's, or a container's line in its wrapping.
fn object<'a>(depth: u32, line: &'a [u8], zone: &mut Zone, see_unit: &mut dyn FnMut(&[u8])) -> Found<'a> {
    let mut fields = Fields::default();
    if let Some(time) = glance::json(line, &mut fields) {
        return fields.found_at(Some(time), Source::Json, b"peer vanished");
    }
    fields = Fields::default();
    let whole = json::object(line, |name, value| {
        let value = match value {
            json::Value::String { raw, escaped } => Raw { bytes: raw, escaped },
            json::Value::Word(raw) => Raw {
                bytes: raw,
                escaped: false,
            },
            json::Value::Nested => return,
        };
        if let Some(field) = fields.in_json(name) {
            *field = Some(value);
        }
    });
    match whole {
        Ok(()) => of_fields(depth, &fields, zone, see_unit),
        Err(json::Torn) if line.starts_with(b"{\"") || line == b"{" => Found::Broken,
        Err(json::Torn) => Found::Unknown,
    }
}

/// What a JSON line or an entry of the journal says.
pub fn entry<'a>(fields: &Fields<'a>, zone: &mut Zone, see_unit: &mut dyn FnMut(&[u8])) -> Found<'a> {
    of_fields(DEPTH, fields, zone, see_unit)
}

fn of_fields<'a>(depth: u32, fields: &Fields<'a>, zone: &mut Zone, see_unit: &mut dyn FnMut(&[u8])) -> Found<'a> {
    if let Some(unit) = fields.unit {
        see_unit(&unit.unescaped());
    }
    if let Some(found) = envoy::fields(fields) {
        return found;
    }
    let journal = fields.realtime.is_some();
    let source = if journal { Source::Journal } else { Source::Json };
    let message = fields.message.unwrap_or_default();
    match fields.found(source, message.bytes) {
        // What came to the journal as text has its fields in the message alone.
        said @ Found::Record(_) if !journal || fields.cause.is_some() || fields.has_counts() => return said,
        said @ Found::Broken if !journal || fields.cause.is_some() => return said,
        _ => {}
    }
    let Some(text) = fields
        .message
        .filter(|_| journal)
        .or(fields.wrapped)
        .filter(|_| depth > 0)
    else {
        return Found::Known;
    };
    let time = fields.time();
    let found = match text.unescaped() {
        Cow::Borrowed(text) => read_at(depth - 1, text.trim_ascii_end(), time, zone, see_unit),
        Cow::Owned(text) => own(read_at(depth - 1, text.trim_ascii_end(), time, zone, see_unit)),
    };
    match time {
        Some(time) => dated(time, found),
        None => found,
    }
}

/// The time that the log has for a line is better than none. Its own form is known, whatever is in it.
fn dated(time: i64, found: Found<'_>) -> Found<'_> {
    match found {
        Found::Record(record) => Found::Record(Record {
            time: record.time.or(Some(time)),
            ..record
        }),
        Found::Unknown => Found::Known,
        other => other,
    }
}

/// The same, borrowing nothing from what was unescaped for it.
fn own<'a>(found: Found<'_>) -> Found<'a> {
    match found {
        Found::Record(record) => Found::Record(record.into_owned()),
        Found::Known => Found::Known,
        Found::Unknown => Found::Unknown,
        Found::Broken => Found::Broken,
    }
}
