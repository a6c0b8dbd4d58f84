//! Reads the library's text log: logfmt, one event a line.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

/// The message of the summary that a process logs at exit.
pub const SUMMARY: &str = "libnopipe: summary";
/// The message of the line that says that the rate limit leaves lines out from here on.
pub const FLOOD: &str = "libnopipe: rate limit reached: counting";

/// One line: the words before the first `key=value`, and the fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The words before the first field.
    pub message: String,
    /// The fields, by name, unquoted.
    pub fields: BTreeMap<String, String>,
}

impl Event {
    /// Parses one line.
    ///
    /// # Errors
    /// No message, a word after the first field, a key given twice, or an open quote.
    pub fn parse(line: &str) -> Result<Event, String> {
        let (message, mut rest) = split_message(line);
        if message.is_empty() {
            return Err(format!("no message: {line}"));
        }
        let fields = parse_fields(&mut rest).map_err(|what| format!("{what}: {line}"))?;
        Ok(Event {
            message: message.to_string(),
            fields,
        })
    }

    /// A field's value.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.fields.get(key).map(String::as_str)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.fields
            .iter()
            .try_for_each(|(key, value)| write!(f, " {key}={value:?}"))
    }
}

/// Parses `key=value key="quoted \"value\""`, to the end of the line.
///
/// # Errors
/// A word without `=`, a bad key or one given twice, a bad escape, or an open quote.
pub fn parse_fields(rest: &mut &str) -> Result<BTreeMap<String, String>, String> {
    let mut fields = BTreeMap::new();
    while !rest.is_empty() {
        let (key, tail) = rest.split_once('=').ok_or_else(|| format!("no = in {rest:?}"))?;
        if key.is_empty() || key.contains([' ', '"']) {
            return Err(format!("bad key {key:?}"));
        }
        let (value, tail) = parse_value(tail)?;
        if fields.insert(key.to_string(), value).is_some() {
            return Err(format!("{key} is given twice"));
        }
        *rest = match tail.strip_prefix(' ') {
            Some(next) => next,
            None if tail.is_empty() => tail,
            None => return Err(format!("no space before {tail:?}")),
        };
    }
    Ok(fields)
}

/// The message, and the fields from the first word that has a `=`.
fn split_message(line: &str) -> (&str, &str) {
    let Some(equals) = line.find('=') else {
        return (line.trim_end(), "");
    };
    match line[..equals].rfind(' ') {
        Some(space) => (&line[..space], &line[space + 1..]),
        None => ("", line),
    }
}

fn parse_value(text: &str) -> Result<(String, &str), String> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(' ').unwrap_or(text.len());
        return Ok((text[..end].to_string(), &text[end..]));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, character)) = chars.next() {
        match character {
            '"' => return Ok((value, &quoted[at + 1..])),
            '\\' => value.push(unescape(&mut chars)?),
            other => value.push(other),
        }
    }
    Err("open quote".to_string())
}

fn unescape(chars: &mut std::str::CharIndices<'_>) -> Result<char, String> {
    let mut next = || chars.next().map(|(_, character)| character).ok_or("lone backslash");
    match next()? {
        'n' => Ok('\n'),
        'r' => Ok('\r'),
        't' => Ok('\t'),
        kind @ ('x' | 'u') => {
            let length = if kind == 'x' { 2 } else { 4 };
            let digits = (0..length).map(|_| next()).collect::<Result<String, _>>()?;
            let code = u32::from_str_radix(&digits, 16).ok();
            code.and_then(char::from_u32).ok_or(format!("bad \\{kind}{digits}"))
        }
        same @ ('"' | '\\') => Ok(same),
        other => Err(format!("unknown escape \\{other}")),
    }
}

/// All events of the log files in `dir`, file by file, without the beginnings of floods and the summaries at exit, which are
/// about no one connection.
///
/// # Errors
/// The first line that is not an event, or the file that cannot be read.
pub fn read_dir(dir: &Path) -> Result<Vec<Event>, String> {
    let mut events = read_lines(dir)?;
    events.retain(|event| event.message != SUMMARY && event.message != FLOOD);
    Ok(events)
}

/// All lines of the log files in `dir`, file by file.
///
/// # Errors
/// The first line that is not an event, or the file that cannot be read.
pub fn read_lines(dir: &Path) -> Result<Vec<Event>, String> {
    let entries = fs::read_dir(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let mut events = Vec::new();
    for path in paths
        .iter()
        .filter(|path| path.extension().is_some_and(|end| end == "log"))
    {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        for line in text.lines() {
            events.push(Event::parse(line)?);
        }
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::Event;

    #[test]
    fn a_line_with_quotes() {
        let event = Event::parse(r#"peer vanished peer="a \"b\" c=d\x01\u202e" call=write fd=7"#).unwrap();
        assert_eq!(event.message, "peer vanished");
        assert_eq!(event.get("peer"), Some("a \"b\" c=d\u{1}\u{202e}"));
        assert_eq!(event.get("fd"), Some("7"));
        assert_eq!(event.fields.len(), 3);
    }

    #[test]
    fn broken_lines() {
        for line in ["", "a=b", "m a=b c", "m a=b a=c", "m a=\"b", "m a=\"b\"c=d"] {
            assert!(Event::parse(line).is_err(), "{line:?}");
        }
    }
}
