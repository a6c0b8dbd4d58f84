//! What must hold for any input. The property tests and the fuzzers (fuzz/) share it.

use log::kv::{self, Key, Source, VisitSource};
use nopipe_core::encode::{Format, encode, journal};
use nopipe_core::endpoint::Endpoint;
use nopipe_core::fields::FIELDS;
use nopipe_core::line::Line;
use nopipe_core::proc_stat::ProcStat;
use nopipe_core::settings::{Log, Problem, Settings, VARIABLES};
use nopipe_core::tcp_info::TcpInfo;
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// A value of a field.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    Number(u64),
    Text(String),
}

/// Key-values, as a sink gets them.
struct Pairs<'a>(&'a [(usize, Value)]);

impl Source for Pairs<'_> {
    fn visit<'kvs>(&'kvs self, to: &mut dyn VisitSource<'kvs>) -> Result<(), kv::Error> {
        for (field, value) in self.0 {
            let value = match value {
                Value::Number(number) => kv::Value::from(*number),
                Value::Text(text) => kv::Value::from(text.as_str()),
            };
            to.visit_pair(Key::from_str(FIELDS[*field].key), value)?;
        }
        Ok(())
    }
}

const MESSAGE: &str = "peer vanished";

/// Fields (by their place in FIELDS, each at most once) and their values come out of both encodings as they went in.
pub fn encoding(pairs: &[(usize, Value)]) {
    for format in [Format::Text, Format::Json] {
        let expected = expected(format, pairs);
        let all = parsed::<65536>(format, pairs);
        if pairs
            .iter()
            .all(|(_, value)| !matches!(value, Value::Text(text) if text.len() > 1000))
        {
            assert_eq!(all, expected);
        }
        // If not everything fits, the fields that are there are whole.
        let some = parsed::<128>(format, pairs);
        assert!(
            some.iter().all(|pair| expected.contains(pair)),
            "{some:?} of {expected:?}"
        );
    }
}

/// The same for the datagram to journald, in which values are not escaped.
pub fn journal_datagram(pairs: &[(usize, Value)]) {
    let expected: Vec<_> = pairs
        .iter()
        .filter_map(|(field, value)| Some((FIELDS[*field].journal?.to_owned(), plain(value))))
        .collect();
    let mut line = Box::new(Line::<65536>::new());
    journal(MESSAGE, &Pairs(pairs), line.writer());
    let all = parse_journal(line.as_bytes());
    if pairs
        .iter()
        .all(|(_, value)| !matches!(value, Value::Text(text) if text.len() > 1000))
    {
        assert_eq!(all, expected);
    }
    let mut line = Line::<256>::new();
    journal(MESSAGE, &Pairs(pairs), line.writer());
    let some = parse_journal(line.as_bytes());
    assert!(
        some.iter().all(|pair| expected.contains(pair)),
        "{some:?} of {expected:?}"
    );
}

fn plain(value: &Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        Value::Text(text) => text.clone(),
    }
}

/// systemd.io, JOURNAL_NATIVE_PROTOCOL: `NAME=value`, or the name, a line feed, the length and the value.
fn parse_journal(mut bytes: &[u8]) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let end = bytes.iter().position(|b| b"=\n".contains(b)).unwrap();
        let (name, behind) = bytes.split_at(end);
        let (start, length) = if behind[0] == b'=' {
            (1, behind.iter().position(|&b| b == b'\n').unwrap() - 1)
        } else {
            (9, u64::from_le_bytes(behind[1..9].try_into().unwrap()) as usize)
        };
        let (value, rest) = behind[start..].split_at(length);
        bytes = rest.strip_prefix(b"\n").unwrap();
        fields.push(
            [name, value]
                .map(|part| String::from_utf8(part.to_vec()).unwrap())
                .into(),
        );
    }
    let own: Vec<(String, String)> = fields.drain(..3).collect();
    let [(message, text), (priority, _), (id, _)] = own.as_slice() else {
        unreachable!()
    };
    assert_eq!([message, priority, id], ["MESSAGE", "PRIORITY", "MESSAGE_ID"]);
    parse_logfmt(text);
    fields
}

/// The names that fields have in a format; what cannot be shown is a question mark. Text has no numbers.
fn expected(format: Format, pairs: &[(usize, Value)]) -> Vec<(String, Value)> {
    let shown = |value: &Value| match value {
        Value::Number(_) if format == Format::Text => Value::Text(plain(value)),
        Value::Number(number) => Value::Number(*number),
        Value::Text(text) => Value::Text(text.chars().map(|c| if c >= '\u{e0000}' { '?' } else { c }).collect()),
    };
    let pairs = pairs.iter().filter_map(|(field, value)| {
        let name = match format {
            Format::Text => FIELDS[*field].text,
            Format::Json => FIELDS[*field].json,
        };
        Some((name?.to_owned(), shown(value)))
    });
    let mut pairs: Vec<_> = pairs.collect();
    if format == Format::Json {
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
    }
    pairs
}

fn parsed<const N: usize>(format: Format, pairs: &[(usize, Value)]) -> Vec<(String, Value)> {
    let mut line = Box::new(Line::<N>::new());
    encode(format, MESSAGE, &Pairs(pairs), line.writer());
    let line = line.as_str();
    assert!(line.len() < N, "no room for the line feed");
    assert!(!line.chars().any(char::is_control), "{line:?}");
    match format {
        Format::Text => parse_logfmt(line),
        Format::Json => parse_json(line),
    }
}

fn parse_json(line: &str) -> Vec<(String, Value)> {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
    assert_eq!(object["message"], MESSAGE);
    let fields = object.into_iter().filter(|(name, _)| name != "message");
    let mut fields: Vec<_> = fields
        .map(|(name, value)| match value {
            serde_json::Value::String(text) => (name, Value::Text(text)),
            serde_json::Value::Number(number) => (name, Value::Number(number.as_u64().unwrap())),
            serde_json::Value::Null
            | serde_json::Value::Bool(_)
            | serde_json::Value::Array(_)
            | serde_json::Value::Object(_) => panic!("{name}: neither text nor number"),
        })
        .collect();
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    fields
}

/// As the logfmt decoder that Loki and others use: pairs between blanks, a quoted value is a JSON string.
fn parse_logfmt(line: &str) -> Vec<(String, Value)> {
    let mut rest = line.strip_prefix(MESSAGE).unwrap();
    let mut pairs = Vec::new();
    while !rest.is_empty() {
        let (name, behind) = rest.strip_prefix(' ').unwrap().split_once('=').unwrap();
        let value = if behind.starts_with('"') {
            let mut json = serde_json::Deserializer::from_str(behind).into_iter::<String>();
            let text = json.next().unwrap().unwrap();
            rest = &behind[json.byte_offset()..];
            Value::Text(text)
        } else {
            let end = behind.find(|c: char| c.is_whitespace()).unwrap_or(behind.len());
            let bare = &behind[..end];
            assert!(!bare.is_empty() && !bare.contains(['"', '=']), "{line:?}");
            rest = &behind[end..];
            Value::Text(bare.to_owned())
        };
        pairs.push((name.to_owned(), value));
    }
    pairs
}

/// Any bytes as a socket address: the text is what the standard library prints, or `unknown`.
pub fn endpoint(bytes: &[u8]) {
    let end = Endpoint::from_sockaddr(bytes);
    let expected = match bytes {
        [2, 0, a, b, ip @ ..] if ip.len() >= 4 => {
            let ip = [ip[0], ip[1], ip[2], ip[3]];
            Some(SocketAddr::V4(SocketAddrV4::new(
                ip.into(),
                u16::from_be_bytes([*a, *b]),
            )))
        }
        [10, 0, a, b, _, _, _, _, rest @ ..] if rest.len() >= 20 => {
            let (ip, scope) = rest.split_at(16);
            let ip = Ipv6Addr::from(<[u8; 16]>::try_from(ip).unwrap());
            let port = u16::from_be_bytes([*a, *b]);
            let scope = u32::from_ne_bytes(scope[..4].try_into().unwrap());
            Some(match ip.to_ipv4_mapped() {
                Some(ip) => SocketAddr::V4(SocketAddrV4::new(ip, port)),
                None => SocketAddr::V6(SocketAddrV6::new(ip, port, 0, scope)),
            })
        }
        _ => None,
    };
    match (expected, bytes) {
        (Some(expected), _) => {
            assert_eq!(end.text(), expected.to_string());
            assert_eq!(end.port(), Some(expected.port()));
            let address = end.address().unwrap();
            let without_scope = address.split('%').next().unwrap();
            assert_eq!(without_scope.parse(), Ok(expected.ip()));
        }
        (None, [1, 0]) => assert_eq!((end.text(), end.address()), ("unnamed", None)),
        (None, [1, 0, 0, name @ ..]) => assert_unix(&end, &format!("@{}", lossy(name))),
        (None, [1, 0, path @ ..]) => assert_unix(&end, &lossy(path.split(|&b| b == 0).next().unwrap())),
        _ => assert_eq!((end.text(), end.address(), end.port()), ("unknown", None, None)),
    }
}

fn assert_unix(end: &Endpoint, expected: &str) {
    if expected.len() <= 109 {
        assert_eq!(end.text(), expected);
    } // A longer one does not come from a kernel; it is cut.
    assert_eq!(
        (end.address(), end.port()),
        (Some(end.text()).filter(|t| !t.is_empty()), None)
    );
}

fn lossy(bytes: &[u8]) -> String {
    let chunks = bytes.utf8_chunks();
    chunks
        .map(|chunk| chunk.valid().to_owned() + &"?".repeat(chunk.invalid().len()))
        .collect()
}

/// Any bytes as a variable: it is accepted, or the default holds and the problem says what is allowed.
pub fn setting(name: &[u8], value: &[u8]) {
    let shown = |settings: &Settings| format!("{settings:?}");
    let mut settings = Settings::new();
    match settings.set(name, value) {
        Err(Problem::Unknown) => assert!(!VARIABLES.split(", ").any(|known| known.as_bytes() == name)),
        Err(Problem::Value { allowed }) => {
            assert!(!allowed.is_empty());
            assert_eq!(shown(&settings), shown(&Settings::new()));
        }
        Ok(()) => {
            let first = shown(&settings);
            assert_eq!(settings.set(name, value), Ok(()));
            assert_eq!(shown(&settings), first);
        }
    }
    if settings.log == Log::File {
        let file = settings.file.as_str();
        let (mut from, mut found) = (0, Vec::new());
        loop {
            let mut part = Line::<8192>::new();
            match settings.file_part(from, 42, part.writer()) {
                Some(next) => from = next,
                None => break,
            }
            found.push(part.as_str().to_string());
        }
        let expected = file.split('/').filter(|part| !part.is_empty()).map(|part| {
            let pieces: Vec<_> = part.split("%%").map(|piece| piece.replace("%p", "42")).collect();
            pieces.join("%")
        });
        assert_eq!(found, expected.collect::<Vec<_>>());
        assert!(from <= file.len() && file[from..].bytes().all(|b| b == b'/'));
    }
    for name in settings.only.as_str().split(',').filter(|names| !names.is_empty()) {
        assert!(settings.concerns(name.trim_ascii()));
        assert!(!settings.concerns("no/such/name"));
    }
}

/// Any bytes as a `struct tcp_info`: each field is read where the kernel put it, or not at all.
pub fn tcp_info(bytes: &[u8], undelivered: u64) {
    let info = TcpInfo::new(bytes);
    let u32_at = |at: usize| {
        Some(u64::from(u32::from_ne_bytes(
            bytes.get(at..at + 4)?.try_into().unwrap(),
        )))
    };
    let u64_at = |at: usize| Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().unwrap()));
    assert_eq!(info.state().map(|state| state.0), bytes.first().copied());
    assert_eq!(info.acknowledged(), u64_at(120));
    assert_eq!(info.rtt_us(), u32_at(68).filter(|&rtt| rtt != 0));
    assert_eq!(
        info.idle_ms(),
        u32_at(52).and_then(|data| u32_at(56).map(|ack| data.min(ack)))
    );
    let own_fin = i128::from(bytes.first().is_some_and(|state| [4, 9, 11].contains(state)));
    let exact = |bytes: Option<u64>| bytes.map(i128::from);
    let counted = (|| {
        let unsent = (exact(u32_at(144))? - own_fin).max(0);
        let delivered = exact(u64_at(200))? + unsent - exact(u64_at(208))? - i128::from(undelivered);
        // Sums beyond 64 bits come from no kernel.
        Some(delivered.clamp(0, u64::MAX.into()))
    })();
    match (counted, info.delivered(undelivered)) {
        (Some(counted), delivered) if u64_at(200) < Some(1 << 63) && u64_at(208) < Some(1 << 62) => {
            assert_eq!(exact(delivered), Some(counted));
        }
        (Some(_), delivered) => assert!(delivered.is_some()),
        (None, delivered) => assert_eq!(delivered, u64_at(120)),
    }
}

/// Any bytes as `/proc/PID/stat`: what splitting and parsing by the standard library gives.
pub fn proc_stat(bytes: &[u8]) {
    let fields: Vec<&[u8]> = match bytes.iter().rposition(|&b| b == b')') {
        Some(end) => bytes[end + 1..].split(|&b| b == b' ').collect(),
        None => Vec::new(),
    };
    // What stands after the name is the end of field 2. The last piece may be cut off.
    let whole = &fields[..fields.len().saturating_sub(1)];
    let number = |field: usize| {
        let digits = whole.get(field - 2)?;
        let digits = std::str::from_utf8(digits)
            .ok()
            .filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
        digits.and_then(|digits| {
            if digits.is_empty() {
                Some(0)
            } else {
                digits.parse::<u64>().ok()
            }
        })
    };
    let mut stat = ProcStat::new();
    bytes.chunks(7).for_each(|piece| stat.push(piece));
    let parent = number(4).and_then(|pid| i32::try_from(pid).ok()).filter(|&pid| pid > 0);
    assert_eq!(
        (stat.parent(), stat.ignored(), stat.caught()),
        (parent, number(33), number(34)),
        "{}",
        lossy(bytes)
    );
}
