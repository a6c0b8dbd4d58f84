//! logfmt as the library writes it: words, then `key=value`, quoted as JSON strings are where needed.

use memchr::memchr2;

/// A value, and whether there is a backslash in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Value<'a> {
    pub raw: &'a [u8],
    pub escaped: bool,
}

/// The line ends in the middle of a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Torn;

/// Passes each ` key=value` of `text` to `each`.
pub fn pairs<'a>(text: &'a [u8], mut each: impl FnMut(&'a [u8], Value<'a>)) -> Result<(), Torn> {
    let mut rest = text;
    while let Some(after) = rest.strip_prefix(b" ") {
        let equals = memchr2(b'=', b' ', after)
            .filter(|&at| at > 0 && after[at] == b'=')
            .ok_or(Torn)?;
        let (key, value) = (&after[..equals], &after[equals + 1..]);
        let (value, length) = match value.first() {
            Some(b'"') => quoted(value)?,
            _ => {
                let end = memchr::memchr(b' ', value).unwrap_or(value.len());
                let raw = &value[..end];
                (Value { raw, escaped: false }, end)
            }
        };
        each(key, value);
        rest = &after[equals + 1 + length..];
    }
    if rest.is_empty() { Ok(()) } else { Err(Torn) }
}

/// The value at the beginning of `text`, which begins with a quote, and its length with both quotes.
fn quoted(text: &[u8]) -> Result<(Value<'_>, usize), Torn> {
    let mut at = 1;
    let mut escaped = false;
    loop {
        at += text.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)).ok_or(Torn)?;
        if text[at] == b'"' {
            let raw = &text[1..at];
            return Ok((Value { raw, escaped }, at + 1));
        }
        escaped = true;
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Result<Vec<(String, String)>, Torn> {
        let mut found = Vec::new();
        pairs(text.as_bytes(), |key, value| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            found.push((text(key), text(value.raw)));
        })?;
        Ok(found)
    }

    #[test]
    fn fields() {
        let expected = [("a", "1"), ("b", "x \\\"= y"), ("c", ""), ("d", "")];
        let expected = expected.map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(found(" a=1 b=\"x \\\"= y\" c=\"\" d=").unwrap(), expected);
        for torn in [
            " a",
            " a=\"x",
            " a=\"x\\\"",
            " a=\"x\"y",
            " =x",
            "a=1",
            " a=1  b=2",
            " a=\"x\\",
        ] {
            assert_eq!(found(torn), Err(Torn), "{torn}");
        }
    }
}
