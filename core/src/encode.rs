//! Records of the `log` crate as lines: logfmt and JSON.
//!
//! A peer may choose its path, its name and its process's name; whatever it chooses, the result is one line, each
//! value stays in its field, and no terminal is driven.

use crate::event::{FIELDS, Field, PRIORITY, Priority};
use crate::line::Line;
use log::kv::{self, Key, Source, Value, VisitSource};

/// Which encoding.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Format {
    #[default]
    Text,
    Json,
}

/// Appends `message` and the key-values as one line without a line feed. What does not fit is left out field by field: a JSON line stays well-formed, and there is room
/// for a line feed.
pub fn encode<const N: usize>(format: Format, message: &str, source: &dyn Source, out: &mut Line<N>) {
    let mut encoder = Encoder { format, out, from: 0 };
    encoder.begin(message);
    // The only error a visit can give is our own, and we give none.
    let _ = source.visit(&mut encoder);
    encoder.end();
}

/// The priority that the key-values carry under [`PRIORITY`]; Info if none.
pub fn priority(source: &dyn Source) -> Priority {
    match source.get(Key::from_str(PRIORITY)).and_then(|value| value.to_u64()) {
        Some(0..=3) => Priority::Error,
        Some(4) => Priority::Warning,
        Some(5) => Priority::Notice,
        Some(7) => Priority::Debug,
        _ => Priority::Info,
    }
}

struct Encoder<'a, const N: usize> {
    format: Format,
    out: &'a mut Line<N>,
    /// Where in FIELDS the next key is looked for first: sources give them in that order.
    from: usize,
}

impl<const N: usize> Encoder<'_, N> {
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

    fn field(&mut self, key: &str) -> Option<&'static Field> {
        let later = FIELDS.iter().enumerate().skip(self.from);
        let (index, field) = later
            .chain(FIELDS.iter().enumerate())
            .find(|(_, field)| field.key == key)?;
        self.from = index + 1;
        Some(field)
    }

    /// Appends what `write` appends, or nothing if that does not fit together with a closing brace and a line feed.
    fn whole(&mut self, write: impl FnOnce(&mut Line<N>)) {
        let (length, lost) = (self.out.len(), self.out.lost());
        write(self.out);
        if self.out.lost() > lost || self.out.len() + 2 > N {
            self.out.truncate(length);
        }
    }
}

impl<'kvs, const N: usize> VisitSource<'kvs> for Encoder<'_, N> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        let format = self.format;
        let name = self.field(key.as_str()).and_then(|field| match format {
            Format::Text => field.text,
            Format::Json => field.json,
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

/// A value as logfmt has it: bare if it can be, else in double quotes.
fn push_logfmt_value<const N: usize>(out: &mut Line<N>, value: &str) {
    let bare = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '=' | '\\') || is_harmless(c);
    if !value.is_empty() && value.chars().all(bare) {
        out.push_str(value);
    } else {
        out.push('"');
        push_escaped(out, value);
        out.push('"');
    }
}

fn push_json_string<const N: usize>(out: &mut Line<N>, value: &str) {
    out.push('"');
    push_escaped(out, value);
    out.push('"');
}

/// Quotes, backslashes and every character that could end a line, drive a terminal or reorder text, escaped as
/// in JSON (RFC 8259): readers of logfmt take a quoted value for a JSON string.
fn push_escaped<const N: usize>(out: &mut Line<N>, text: &str) {
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
            // Tags and variation selectors, which nobody sees; what remains lies in the basic plane: four digits do.
            '\u{e0000}'.. => out.push('?'),
            _ => {
                out.push_str("\\u");
                push_hex(out, c as u32, 4);
            }
        }
    }
}

/// Whether a character beyond ASCII may be shown as it is: no C1 control, no invisible or direction mark, no line
/// separator, and no blank but the ASCII one, so that nothing looks like the end of a field.
fn is_harmless(c: char) -> bool {
    !matches!(c,
        '\0'..='\u{a0}' | '\u{ad}' | '\u{61c}' | '\u{1680}' | '\u{180e}' | '\u{2000}'..='\u{200f}'
        | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}' | '\u{3000}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}'
        | '\u{e0000}'..)
}

fn push_hex<const N: usize>(out: &mut Line<N>, n: u32, width: u32) {
    for place in (0..width).rev() {
        out.push_hex(u64::from(n >> (place * 4) & 0xf));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(format: Format, message: &str, pairs: &[(&str, &str)]) -> String {
        let mut out = Line::<512>::new();
        encode(format, message, &pairs, &mut out);
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
    fn what_does_not_fit_is_left_out_whole() {
        let mut out = Line::<60>::new();
        let pairs = [("peer_address", "a".repeat(60)), ("errno", "EPIPE".into())];
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(k, v)| (*k, v.as_str())).collect();
        encode(Format::Json, "m", &pairs.as_slice(), &mut out);
        assert_eq!(out.as_str(), r#"{"message":"m","error.type":"EPIPE"}"#);
    }
}
