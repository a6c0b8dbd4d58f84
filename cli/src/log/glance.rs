//! The usual line of the library, at a glance: only what a report needs is looked for.
//!
//! A line that is not exactly as the library writes it gets no glance, and is scanned byte by byte: the fields that were
//! found until then are to be thrown away. What a glance accepts,
//! a scan finds the same in; the tests at the end of [`super::reading`] compare them. Why it may skip what is in between:
//!
//! - Without a quote (text) or a backslash (JSON) in it, a line has no value in which a field could be forged.
//! - A torn line does not end as a whole one does. If another follows it in the same line, that one's beginning is there
//!   too: in text two words without `=`, in JSON another brace.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use memchr::{memchr_iter, memchr2, memrchr};

use super::ours::{Fields, Raw};
use super::time::rfc3339;

/// How the most frequent events begin.
const TEXT: &[u8] = b"peer vanished peer=";
const JSON: &[u8] = b"{\"message\":\"peer vanished\",\"network.peer.address\":\"";
/// How a line ends: its time is the last field, and always as long.
const TEXT_END: &[u8] = b" time=";
const JSON_END: &[u8] = b",\"time\":\"";
const TIME: usize = "2026-01-31T23:59:59.123456Z".len();

/// A form's field `cause`, and the end that all names of the other fields have: undelivered, saved, ended, folded,
/// suppressed, dropped. One search finds them all.
struct Form {
    cause: Finder<'static>,
    others: Finder<'static>,
}

static TEXT_FORM: LazyLock<Form> = LazyLock::new(|| Form {
    cause: Finder::new(" cause="),
    others: Finder::new("ed="),
});
static JSON_FORM: LazyLock<Form> = LazyLock::new(|| Form {
    cause: Finder::new(",\"cause\":\""),
    others: Finder::new("ed\":"),
});

fn plain(bytes: &[u8]) -> Option<Raw<'_>> {
    Some(Raw { bytes, escaped: false })
}

/// The fields of a text line, and its time.
pub fn text<'a>(line: &'a [u8], fields: &mut Fields<'a>) -> Option<i64> {
    let body = line.strip_prefix(TEXT)?;
    let (body, end) = body.split_at_checked(body.len().checked_sub(TEXT_END.len() + TIME)?)?;
    let time = rfc3339(end.strip_prefix(TEXT_END)?)?;
    let blanks = memchr_iter(b' ', body).count();
    if blanks != memchr_iter(b'=', body).count() || memchr2(b'"', b'\\', body).is_some() {
        return None;
    }
    let peer = &body[..memchr::memchr(b' ', body)?];
    let form = &*TEXT_FORM;
    let cause = form.cause.find(body)? + " cause=".len();
    let word = |at: usize| &body[at..memchr::memchr(b' ', &body[at..]).map_or(body.len(), |length| at + length)];
    fields.peer = plain(peer);
    fields.cause = plain(word(cause));
    for at in form.others.find_iter(&body[cause..]) {
        let at = cause + at;
        let name = memrchr(b' ', &body[..at])? + 1;
        if let Some(field) = fields.in_text(&body[name..at + "ed".len()]) {
            *field = plain(word(at + "ed=".len()));
        }
    }
    Some(time)
}

/// The fields of a JSON line, and its time.
pub fn json<'a>(line: &'a [u8], fields: &mut Fields<'a>) -> Option<i64> {
    let body = line.strip_prefix(JSON)?.strip_suffix(b"\"}")?;
    let (body, end) = body.split_at_checked(body.len().checked_sub(JSON_END.len() + TIME)?)?;
    let time = rfc3339(end.strip_prefix(JSON_END)?)?;
    if memchr2(b'{', b'\\', body).is_some() {
        return None;
    }
    let string = |at: usize| Some(&body[at..at + memchr::memchr(b'"', &body[at..])?]);
    let form = &*JSON_FORM;
    let cause = form.cause.find(body)? + ",\"cause\":\"".len();
    fields.address = plain(string(0)?);
    fields.cause = plain(string(cause)?);
    for at in form.others.find_iter(&body[cause..]) {
        let at = cause + at;
        let name = memrchr(b'"', &body[..at])? + 1;
        if let Some(field) = fields.in_json(&body[name..at + "ed".len()]) {
            let value = at + "ed\":".len();
            *field = plain(match body.get(value) {
                Some(b'"') => string(value + 1)?,
                _ => &body[value..memchr::memchr(b',', &body[value..]).map_or(body.len(), |length| value + length)],
            });
        }
    }
    Some(time)
}
