//! What is written to standard output and standard error.

use std::fmt::Display;
use std::io::{self, Write};

use crate::error::{Error, Result};

/// Writes one message to standard error, with this program's name in front.
pub fn complain(message: &impl Display) {
    // If this fails, there is nowhere left to say so.
    let _ = writeln!(io::stderr(), "nopipe: {message}");
}

/// Writes to standard output. A reader that has closed it, as in `nopipe status --all | head`, is no error.
pub fn print(text: &str) -> Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::while_doing("standard output")(error)),
        _ => Ok(()),
    }
}

/// Bytes that anybody may have chosen (a process's name, a peer's), as text that a terminal shows and does not obey: what
/// controls it (C0, DEL, C1), what changes the direction of the text or is not seen at all, and what is not UTF-8 is escaped.
///
/// It is the one place that does this, and each name goes through it once.
pub fn visible(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c.is_control() || is_format(c) {
                true => text.extend(c.escape_default()),
                false => text.push(c),
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// Marks and overrides of direction, separators of lines, and characters that are not seen: Unicode's "default ignorable"
/// and "bidi control", as far as they format text.
fn is_format(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::visible;

    #[test]
    fn what_a_terminal_obeys_is_escaped() {
        for (bytes, text) in [
            (&b"plain \"\\ name"[..], "plain \"\\ name"),
            ("ää 日本".as_bytes(), "ää 日本"),
            (b"\x1b[31m\n\t\x7f", r"\u{1b}[31m\n\t\u{7f}"),
            (
                "\u{9b}\u{202e}\u{2066}\u{61c}\u{feff}".as_bytes(),
                r"\u{9b}\u{202e}\u{2066}\u{61c}\u{feff}",
            ),
            (b"\xc3\xa4\xc3", r"ä\xc3"),
            (b"\xff\xfe\x9b", r"\xff\xfe\x9b"),
            (b"\xed\xa0\x80", r"\xed\xa0\x80"),
        ] {
            assert_eq!(visible(bytes), text);
        }
    }
}
