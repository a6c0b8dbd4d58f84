//! Which form a line has, and what it says. Each line is judged alone: logs of several servers may be in one file.

use std::borrow::Cow;

use super::access::access;
use super::haproxy::haproxy;
use super::ours::{self, Fields, Raw};
use super::record::{Found, Record, Source};
use super::time::{self, Zone};
use super::{envoy, json, server_error};

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
        Some(b'l' | b'p' | b'w') => ours::text(line, around),
        _ => None,
    };
    if let Some(found) = found {
        return found;
    }
    if let Some((time, message)) = behind_header(line, zone) {
        return match message.first() {
            Some(b'{') if depth > 0 => dated(time, read_at(depth - 1, message, Some(time), zone, see_unit)),
            _ => ours::text(message, Some(time))
                .or_else(|| server(message, zone))
                .unwrap_or(Found::Unknown),
        };
    }
    server(line, zone).unwrap_or(Found::Unknown)
}

/// A line of another server.
fn server<'a>(line: &'a [u8], zone: &mut Zone) -> Option<Found<'a>> {
    server_error::nginx(line, zone)
        .or_else(|| haproxy(line, zone))
        .or_else(|| access(line, zone))
}

/// What stands after `Jan 31 23:59:59 host name[7]: `, after RFC 3339 in the first place, or after containerd's
/// `2026-01-31T23:59:59.123Z stderr F `; and its time.
fn behind_header<'a>(line: &'a [u8], zone: &mut Zone) -> Option<(i64, &'a [u8])> {
    let (time, rest) = match line.first()? {
        b'A'..=b'Z' => time::syslog(line, zone)?,
        b'0'..=b'9' if matches!(line.get(10), Some(b'T')) => {
            let end = memchr::memchr(b' ', line)?;
            (time::rfc3339(&line[..end])?, &line[end..])
        }
        // <PRI> as it comes from a socket.
        b'<' => {
            let end = memchr::memchr(b'>', line.get(..5)?)?;
            return behind_header(&line[end + 1..], zone);
        }
        _ => return None,
    };
    for stream in [&b" stderr F "[..], b" stdout F "] {
        if let Some(message) = rest.strip_prefix(stream) {
            return Some((time, message));
        }
    }
    // Host, name[pid] and at most one more word, such as the severity.
    let head = &rest[..rest.len().min(320)];
    let end = memchr::memmem::find(head, b": ")?;
    let words = head[..end].iter().filter(|&&b| b == b' ').count();
    (rest[0] == b' ' && (1..=3).contains(&words)).then(|| (time, &rest[end + 2..]))
}

/// A JSON object: our line, an entry of the journal, Envoy's, or a container's line in its wrapping.
fn object<'a>(depth: u32, line: &'a [u8], zone: &mut Zone, see_unit: &mut dyn FnMut(&[u8])) -> Found<'a> {
    let mut fields = Fields::default();
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
