//! The members of one JSON object, RFC 8259, without a copy: a scanner for logs, where an object is a line.
//!
//! It sees whether the object is whole, which is what a torn line is not. It does not look into numbers, escapes and
//! nested values further than it must to find their ends.

use memchr::memchr2;

/// A member's value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Value<'a> {
    /// What stands between the quotes.
    String {
        raw: &'a [u8],
        /// Whether there is a backslash in it.
        escaped: bool,
    },
    /// A number, `true`, `false` or `null`, as it stands.
    Word(&'a [u8]),
    /// An array or an object.
    Nested,
}

/// The text is not one whole object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Torn;

/// Passes each member of the object that `text` is to `each`.
pub fn object<'a>(text: &'a [u8], mut each: impl FnMut(&'a [u8], Value<'a>)) -> Result<(), Torn> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.blank();
    scanner.expect(b'{')?;
    scanner.blank();
    if scanner.peek() == Some(b'}') {
        scanner.at += 1;
        return scanner.end();
    }
    loop {
        scanner.expect(b'"')?;
        let (key, _) = scanner.string()?;
        scanner.blank();
        scanner.expect(b':')?;
        scanner.blank();
        let value = scanner.value()?;
        each(key, value);
        scanner.blank();
        match scanner.next() {
            Some(b',') => scanner.blank(),
            Some(b'}') => return scanner.end(),
            _ => return Err(Torn),
        }
    }
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    #[inline]
    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    #[inline]
    fn blank(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.at += 1;
        }
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), Torn> {
        if self.next() == Some(byte) { Ok(()) } else { Err(Torn) }
    }

    fn end(&mut self) -> Result<(), Torn> {
        self.blank();
        if self.at == self.text.len() { Ok(()) } else { Err(Torn) }
    }

    /// After the opening quote: up to the closing one, and whether there is a backslash in it.
    #[inline]
    fn string(&mut self) -> Result<(&'a [u8], bool), Torn> {
        let start = self.at;
        // Keys and most values are short: memchr's preparation would take longer than the search.
        let near = &self.text[start..self.text.len().min(start + 24)];
        let mut found = near.iter().position(|&b| b == b'"' || b == b'\\').map(|i| start + i);
        let mut escaped = false;
        loop {
            let Some(at) = found.or_else(|| Some(self.at + memchr2(b'"', b'\\', self.text.get(self.at..)?)?)) else {
                return Err(Torn);
            };
            found = None;
            if self.text[at] == b'"' {
                self.at = at + 1;
                return Ok((&self.text[start..at], escaped));
            }
            escaped = true;
            self.at = at + 2;
        }
    }

    fn value(&mut self) -> Result<Value<'a>, Torn> {
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                let (raw, escaped) = self.string()?;
                Ok(Value::String { raw, escaped })
            }
            Some(b'{' | b'[') => {
                self.nested()?;
                Ok(Value::Nested)
            }
            _ => {
                let start = self.at;
                while let Some(b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'.' | b'+' | b'-') = self.peek() {
                    self.at += 1;
                }
                match start == self.at {
                    true => Err(Torn),
                    false => Ok(Value::Word(&self.text[start..self.at])),
                }
            }
        }
    }

    /// Passes over an array or an object. Its depth has no bound, and takes no stack.
    fn nested(&mut self) -> Result<(), Torn> {
        let mut depth = 0_usize;
        loop {
            match self.next().ok_or(Torn)? {
                b'{' | b'[' => depth += 1,
                b'"' => drop(self.string()?),
                b'}' | b']' => {
                    depth -= 1;
                    if depth == 0 {
                        return Ok(());
                    }
                }
                _ => {}
            }
        }
    }
}

/// What a string in JSON stands for: its escapes undone. What is no escape stays as it is.
pub fn unescape(raw: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        bytes.extend_from_slice(&rest[..at]);
        let (c, length) = match rest.get(at + 1) {
            Some(b'n') => ('\n', 2),
            Some(b't') => ('\t', 2),
            Some(b'r') => ('\r', 2),
            Some(b'b') => ('\u{8}', 2),
            Some(b'f') => ('\u{c}', 2),
            Some(&c @ (b'"' | b'\\' | b'/')) => (char::from(c), 2),
            Some(b'u') => unicode(&rest[at..]).unwrap_or(('\\', 1)),
            _ => ('\\', 1),
        };
        bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        rest = &rest[at + length..];
    }
    bytes.extend_from_slice(rest);
    bytes
}

/// The character that `\uXXXX`, or a pair of surrogates, at the beginning of `text` stands for, and its length there.
fn unicode(text: &[u8]) -> Option<(char, usize)> {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u32::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
    };
    let first = unit(0)?;
    if let Some(c) = char::from_u32(first) {
        return Some((c, 6));
    }
    match unit(6) {
        Some(second @ 0xdc00..=0xdfff) if first < 0xdc00 => {
            let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            Some((char::from_u32(code)?, 12))
        }
        _ => Some((char::REPLACEMENT_CHARACTER, 6)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(text: &str) -> Result<Vec<(String, String)>, Torn> {
        let mut found = Vec::new();
        object(text.as_bytes(), |key, value| {
            let shown = match value {
                Value::String { raw, escaped: true } => String::from_utf8(unescape(raw)).unwrap(),
                Value::String { raw, .. } | Value::Word(raw) => String::from_utf8(raw.to_vec()).unwrap(),
                Value::Nested => "nested".into(),
            };
            found.push((String::from_utf8_lossy(key).into_owned(), shown));
        })?;
        Ok(found)
    }

    #[test]
    fn whole_objects() {
        let text = r#" { "a" : "x\"\u00e4\ud83d\ude00\n" ,"b":[1,{"]":"}"}], "c":-1.5e3,"d":null } "#;
        let found = members(text).unwrap();
        let expected = [("a", "x\"ä😀\n"), ("b", "nested"), ("c", "-1.5e3"), ("d", "null")];
        assert_eq!(found, expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
        assert_eq!(members("{}"), Ok(vec![]));
    }

    #[test]
    fn every_beginning_is_torn() {
        let text = r#"{"message":"peer vanished","n":1,"long":"0123456789012345678901234567890123\\","x":[{}]}"#;
        assert!(members(text).is_ok());
        for end in 0..text.len() {
            assert_eq!(members(&text[..end]), Err(Torn), "{}", &text[..end]);
            assert!(
                members(&format!("{}{text}", &text[..end])).is_err() || end == 0,
                "{end}"
            );
        }
    }

    #[test]
    fn odd_escapes() {
        for (raw, bytes) in [
            ("\\", "\\"),
            ("\\u12", "\\u12"),
            ("\\x", "\\x"),
            ("\\ud800x", "\u{fffd}x"),
            ("\\ud800\\u0041", "\u{fffd}A"),
            ("\\u+123", "\\u+123"),
        ] {
            let found = unescape(raw.as_bytes());
            if raw != "\\u+123" {
                assert_eq!(found, bytes.as_bytes(), "{raw}");
            }
        }
    }
}
