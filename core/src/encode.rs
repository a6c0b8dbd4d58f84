//! Records of the `log` crate as lines, logfmt and JSON, and as datagrams for journald.
//!
//! A peer may choose its path, its name and its process's name. Whatever it chooses, the result is one line, each value
//! stays in its field, and no terminal can be controlled.

use crate::event::{MESSAGE_ID_EVENT, MESSAGE_ID_NOTICE, PRIORITY, Priority};
use crate::fields::{NAMES, Names};
use crate::line::Writer;
use log::kv::{self, Key, Source, Value, VisitSource};

/// The encoding of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Format {
    /// logfmt: `key=value`, quoted where needed.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Appends `message` and the key-values as one line without a line feed. Whole fields that do not fit are left out, so
/// that a JSON line stays well-formed and there is room for a line feed.
pub fn encode(format: Format, message: &str, source: &dyn Source, mut out: Writer<'_>) {
    let room = out.room();
    let mut encoder = Encoder {
        format,
        out: &mut out,
        from: 0,
        room,
        own_only: false,
    };
    encoder.begin(message);
    // A visit can only return an error of ours, and we return none.
    let _ = source.visit(&mut encoder);
    encoder.end();
}

/// Appends a datagram of journald's native protocol (systemd.io, JOURNAL_NATIVE_PROTOCOL): MESSAGE is the text up to
/// the fields that the journal sets itself, at most half of the room; then PRIORITY, MESSAGE_ID, and every field.
pub fn journal(message: &str, source: &dyn Source, mut out: Writer<'_>) {
    push_message(&mut out, message, source);
    push_priority(&mut out, source);
    push_fields(&mut out, source);
}

#[inline(never)]
fn push_priority(out: &mut Writer<'_>, source: &dyn Source) {
    out.push_str("\nPRIORITY=");
    out.push_u64(priority(source) as u64);
    out.push_str("\nMESSAGE_ID=");
    out.push_str(match source.get(Key::from_str("cause")) {
        Some(_) => MESSAGE_ID_EVENT,
        None => MESSAGE_ID_NOTICE,
    });
    out.push('\n');
}

#[inline(never)]
fn push_fields(out: &mut Writer<'_>, source: &dyn Source) {
    let _ = source.visit(&mut JournalFields { out, from: 0 });
}

#[inline(never)]
fn push_message(out: &mut Writer<'_>, message: &str, source: &dyn Source) {
    out.push_str("MESSAGE=");
    let mut text = Encoder {
        format: Format::Text,
        room: out.room() / 2,
        out,
        from: 0,
        own_only: true,
    };
    text.begin(message);
    let _ = source.visit(&mut text);
}

struct JournalFields<'a, 'b> {
    out: &'a mut Writer<'b>,
    from: usize,
}

impl<'kvs> VisitSource<'kvs> for JournalFields<'_, '_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        let name = field(&mut self.from, key.as_str()).and_then(Names::journal);
        let Some(name) = name else { return Ok(()) };
        let (length, lost) = (self.out.len(), self.out.lost());
        self.out.push_str(name);
        match (value.to_u64(), value.to_borrowed_str().unwrap_or("")) {
            (Some(number), _) => {
                self.out.push('=');
                self.out.push_u64(number);
            }
            // A value with a line feed is preceded by its length, 64 bits, little-endian.
            (None, text) if text.contains('\n') => {
                self.out.push('\n');
                self.out.push_bytes(&(text.len() as u64).to_le_bytes());
                self.out.push_str(text);
            }
            (None, text) => {
                self.out.push('=');
                self.out.push_str(text);
            }
        }
        self.out.push('\n');
        if self.out.lost() > lost {
            self.out.truncate(length);
        }
        Ok(())
    }
}

/// The field with this key. The search begins at `from`, because sources give the fields in the table's order.
fn field(from: &mut usize, key: &str) -> Option<&'static Names> {
    let later = NAMES.iter().enumerate().skip(*from);
    let (index, field) = later
        .chain(NAMES.iter().enumerate().take(*from))
        .find(|(_, field)| field.has_key(key))?;
    *from = index + 1;
    Some(field)
}

/// The priority that the key-values have under [`PRIORITY`]; Info if there is none.
pub fn priority(source: &dyn Source) -> Priority {
    match source.get(Key::from_str(PRIORITY)).and_then(|value| value.to_u64()) {
        Some(0..=3) => Priority::Error,
        Some(4) => Priority::Warning,
        Some(5) => Priority::Notice,
        Some(7) => Priority::Debug,
        _ => Priority::Info,
    }
}

struct Encoder<'a, 'b> {
    format: Format,
    out: &'a mut Writer<'b>,
    /// Where in NAMES the next key is looked for first: sources give them in that order.
    from: usize,
    /// How long the line may be.
    room: usize,
    /// Whether to leave out the fields that a journal or a log sets itself: the process and the time.
    own_only: bool,
}

impl Encoder<'_, '_> {
    fn begin(&mut self, message: &str) {
        match self.format {
            Format::Text => push_escaped(self.out, message),
            Format::Json => {
                self.out.push_str("{\"message\":");
                push_json_string(self.out, message);
            }
        }
    }

    fn end(&mut self) {
        if self.format == Format::Json {
            self.out.push('}');
        }
    }

    /// Appends what `write` appends, or nothing if that, a closing brace and a line feed do not fit.
    fn whole(&mut self, write: impl FnOnce(&mut Writer<'_>)) {
        let (length, lost) = (self.out.len(), self.out.lost());
        write(self.out);
        if self.out.lost() > lost || self.out.len() + 2 > self.room {
            self.out.truncate(length);
        }
    }
}

impl<'kvs> VisitSource<'kvs> for Encoder<'_, '_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        let format = self.format;
        let own_only = self.own_only;
        let found = field(&mut self.from, key.as_str()).filter(|field| !(own_only && is_of_the_log(field)));
        let name = found.and_then(|field| match format {
            Format::Text => field.text(),
            Format::Json => field.json(),
        });
        let Some(name) = name else { return Ok(()) };
        self.whole(|out| {
            match format {
                Format::Text => {
                    out.push(' ');
                    out.push_str(name);
                    out.push('=');
                }
                Format::Json => {
                    out.push_str(",\"");
                    out.push_str(name);
                    out.push_str("\":");
                }
            }
            match (value.to_u64(), value.to_borrowed_str()) {
                (Some(number), _) => out.push_u64(number),
                (None, text) => match format {
                    Format::Text => push_logfmt_value(out, text.unwrap_or("")),
                    Format::Json => push_json_string(out, text.unwrap_or("")),
                },
            }
        });
        Ok(())
    }
}

/// Whether every log has this field itself: pid, tid, program, time.
fn is_of_the_log(field: &Names) -> bool {
    ["pid", "tid", "program", "time"].iter().any(|key| field.has_key(key))
}

/// A value in logfmt: bare if possible, else in double quotes.
fn push_logfmt_value(out: &mut Writer<'_>, value: &str) {
    let bare = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '=' | '\\') || is_harmless(c);
    if !value.is_empty() && value.chars().all(bare) {
        out.push_str(value);
    } else {
        out.push('"');
        push_escaped(out, value);
        out.push('"');
    }
}

#[inline(always)]
fn push_json_string(out: &mut Writer<'_>, value: &str) {
    out.push('"');
    push_escaped(out, value);
    out.push('"');
}

/// Escapes quotes, backslashes and every character that could end a line, control a terminal or reorder text, as JSON
/// does (RFC 8259): readers of logfmt parse a quoted value as a JSON string.
#[inline(never)]
fn push_escaped(out: &mut Writer<'_>, text: &str) {
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(c),
            _ if is_harmless(c) => out.push(c),
            // Tags and variation selectors are invisible. All others are in the basic plane: four digits are enough.
            '\u{e0000}'.. => out.push('?'),
            _ => {
                out.push_str("\\u");
                push_hex(out, c as u32, 4);
            }
        }
    }
}

/// Whether a character beyond ASCII may be shown as it is: not a C1 control, an invisible or direction mark, a line
/// separator, or a blank, so that nothing looks like the end of a field.
fn is_harmless(c: char) -> bool {
    !matches!(c,
        '\0'..='\u{a0}' | '\u{ad}' | '\u{61c}' | '\u{1680}' | '\u{180e}' | '\u{2000}'..='\u{200f}'
        | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}' | '\u{3000}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}'
        | '\u{e0000}'..)
}

fn push_hex(out: &mut Writer<'_>, n: u32, width: u32) {
    for place in (0..width).rev() {
        out.push_hex(u64::from(n >> (place * 4) & 0xf));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::Line;

    fn encoded(format: Format, message: &str, pairs: &[(&str, &str)]) -> String {
        let mut out = Line::<512>::new();
        encode(format, message, &pairs, out.writer());
        out.as_str().into()
    }

    #[test]
    fn text() {
        assert_eq!(
            encoded(
                Format::Text,
                "peer vanished",
                &[("peer", "1.2.3.4:5"), ("peer_comm", "a b"), ("priority", "x")]
            ),
            r#"peer vanished peer=1.2.3.4:5 peer_comm="a b""#
        );
    }

    #[test]
    fn json() {
        assert_eq!(
            encoded(
                Format::Json,
                "peer vanished",
                &[("peer", "no"), ("peer_address", "1.2.3.4"), ("errno", "EPIPE")]
            ),
            r#"{"message":"peer vanished","network.peer.address":"1.2.3.4","error.type":"EPIPE"}"#
        );
    }

    #[test]
    fn hostile_names_stay_in_their_field() {
        let name = "x\" cause=\"forged\nline\\ \u{1b}[2J\u{2028}\u{202e}é";
        assert_eq!(
            encoded(Format::Text, "m", &[("peer", name)]),
            r#"m peer="x\" cause=\"forged\nline\\ \u001b[2J\u2028\u202eé""#
        );
        let json = encoded(Format::Json, "m", &[("peer_address", name)]);
        assert_eq!(
            json,
            r#"{"message":"m","network.peer.address":"x\" cause=\"forged\nline\\ \u001b[2J\u2028\u202eé"}"#
        );
    }

    #[test]
    fn journal_datagrams() {
        let pairs = [
            ("peer", "/run/a b"),
            ("peer_address", "/run/a b"),
            ("cause", "closed"),
            ("pid", "7"),
            ("tid", "7"),
            ("program", "x"),
        ];
        let mut out = Line::<512>::new();
        journal("peer vanished", &pairs, out.writer());
        assert_eq!(
            out.as_str(),
            "MESSAGE=peer vanished peer=\"/run/a b\" cause=closed\nPRIORITY=6\n\
             MESSAGE_ID=5b3f4d2a9c1e4e7f8a6d0b9c7e5f3a21\n\
             NOPIPE_PEER_ADDR=/run/a b\nNOPIPE_CAUSE=closed\nNOPIPE_TID=7\nSYSLOG_IDENTIFIER=x\n"
        );
        let mut out = Line::<512>::new();
        journal("m", &[("peer_comm", "a\nNOPIPE_CAUSE=forged")], out.writer());
        let expected = b"NOPIPE_PEER_COMM\n\x15\0\0\0\0\0\0\0a\nNOPIPE_CAUSE=forged\n";
        assert!(out.as_bytes().ends_with(expected), "{:?}", out.as_bytes());
        assert!(
            out.as_bytes()
                .starts_with(b"MESSAGE=m peer_comm=\"a\\nNOPIPE_CAUSE=forged\"\n")
        );
    }

    #[test]
    fn what_does_not_fit_is_left_out_whole() {
        let mut out = Line::<60>::new();
        let pairs = [("peer_address", "a".repeat(60)), ("errno", "EPIPE".into())];
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(k, v)| (*k, v.as_str())).collect();
        encode(Format::Json, "m", &pairs.as_slice(), out.writer());
        assert_eq!(out.as_str(), r#"{"message":"m","error.type":"EPIPE"}"#);
    }
}
