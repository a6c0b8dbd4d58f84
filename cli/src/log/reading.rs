//! One input from its beginning to its end.

use std::io::{self, Read};

use super::input::{LONGEST_LINE, Line, Lines};
use super::line;
use super::ours::{Fields, Raw};
use super::record::Found;
use super::time::Zone;

/// journald takes no larger value (journald.c: DATA_SIZE_MAX is 768 MiB).
const LARGEST_VALUE: u64 = 1 << 30;

/// What is called while an input is read.
pub trait Visitor {
    /// A line, or an entry of the journal.
    fn found(&mut self, found: &Found<'_>);
    /// The unit that it names, before that.
    fn unit(&mut self, unit: &[u8]);
    /// A block is to be read.
    fn tick(&mut self);
}

/// Reads all of it.
///
/// # Errors
/// A read fails, or what is compressed is damaged. What came before has been passed on.
pub fn scan(reader: impl Read, zone: &mut Zone, visitor: &mut impl Visitor) -> io::Result<()> {
    let mut lines = Lines::new(reader);
    let mut entry = Entry::default();
    while let Some(line) = lines.next(&mut || visitor.tick())? {
        let line = match line {
            Line::Whole(line) => line,
            Line::Damaged => {
                visitor.found(&Found::Broken);
                continue;
            }
        };
        // journalctl's export format: an entry begins with its cursor and ends with an empty line.
        if line.starts_with(b"__CURSOR=") || line.starts_with(b"__REALTIME_TIMESTAMP=") {
            let line = line.to_vec();
            entry.begin(&line);
            let whole = read_entry(&mut lines, &mut entry, visitor)?;
            match whole {
                true => {
                    let found = line::entry(&entry.fields(), zone, &mut |unit| visitor.unit(unit));
                    visitor.found(&found);
                }
                false => visitor.found(&Found::Broken),
            }
            continue;
        }
        let found = line::read(line, zone, &mut |unit| visitor.unit(unit));
        visitor.found(&found);
    }
    Ok(())
}

/// The fields of an entry that count, copied.
#[derive(Default)]
struct Entry {
    bytes: Vec<u8>,
    /// Where a name begins, its value begins, its value ends.
    fields: Vec<(usize, usize, usize)>,
}

impl Entry {
    fn begin(&mut self, line: &[u8]) {
        self.bytes.clear();
        self.fields.clear();
        self.line(line);
    }

    /// `NAME=value`; false if it is not.
    fn line(&mut self, line: &[u8]) -> bool {
        let Some(equals) = memchr::memchr(b'=', line) else {
            return false;
        };
        if is_wanted(&line[..equals]) {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(line);
            self.fields.push((start, start + equals + 1, start + line.len()));
        }
        true
    }

    fn fields(&self) -> Fields<'_> {
        let mut fields = Fields::default();
        for &(start, value, end) in &self.fields {
            if let Some(field) = fields.in_journal(&self.bytes[start..value - 1]) {
                *field = Some(Raw {
                    bytes: &self.bytes[value..end],
                    escaped: false,
                });
            }
        }
        fields
    }
}

fn is_wanted(name: &[u8]) -> bool {
    Fields::default().in_journal(name).is_some()
}

/// Reads an entry up to the empty line after it; false if it is torn (systemd.io, JOURNAL_EXPORT_FORMATS).
fn read_entry(lines: &mut Lines<impl Read>, entry: &mut Entry, visitor: &mut impl Visitor) -> io::Result<bool> {
    loop {
        let name = match lines.next(&mut || visitor.tick())? {
            None | Some(Line::Damaged) => return Ok(false),
            Some(Line::Whole(b"")) => return Ok(true),
            Some(Line::Whole(line)) if entry.line(line) => continue,
            // A value that is not text: the name alone, 64 bits of length, little-endian, the bytes, a line feed.
            Some(Line::Whole(name)) => name.to_vec(),
        };
        let is_name = |b: &u8| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_';
        let mut length = Vec::new();
        if !name.iter().all(is_name) || !lines.bytes(8, |part| length.extend_from_slice(part))? {
            return Ok(false);
        }
        let length = length.try_into().map_or(0, u64::from_le_bytes);
        // A torn name takes the next lines for a length.
        if length > LARGEST_VALUE {
            return Ok(false);
        }
        let keep = is_wanted(&name) && length <= LONGEST_LINE as u64;
        let (start, value) = (entry.bytes.len(), entry.bytes.len() + name.len() + 1);
        if keep {
            entry.bytes.extend_from_slice(&name);
            entry.bytes.push(b'=');
        }
        let mut end = Vec::new();
        let whole = lines.bytes(length, |part| {
            if keep {
                entry.bytes.extend_from_slice(part);
            }
        })? && lines.bytes(1, |part| end.extend_from_slice(part))?;
        if !whole || end != b"\n" {
            return Ok(false);
        }
        if keep {
            entry.fields.push((start, value, entry.bytes.len()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::glance;
    use crate::log::record::{Kind, Peer, Record, Source};
    use jiff::tz::TimeZone;
    use nopipe_core::encode::{Format, encode};
    use nopipe_core::line::Line as Buffer;
    use proptest::prelude::*;

    #[derive(Default)]
    struct Seen {
        records: Vec<Record<'static>>,
        units: Vec<String>,
        known: u32,
        unknown: u32,
        broken: u32,
    }

    impl Visitor for Seen {
        fn found(&mut self, found: &Found<'_>) {
            match found {
                Found::Record(record) => self.records.push(record.clone().into_owned()),
                Found::Known => self.known += 1,
                Found::Unknown => self.unknown += 1,
                Found::Broken => self.broken += 1,
            }
        }

        fn unit(&mut self, unit: &[u8]) {
            self.units.push(String::from_utf8_lossy(unit).into_owned());
        }

        fn tick(&mut self) {}
    }

    fn seen(text: &[u8]) -> Seen {
        let mut seen = Seen::default();
        scan(text, &mut Zone::of(TimeZone::UTC), &mut seen).unwrap();
        seen
    }

    const JSON: &str = r#"{"message":"peer vanished","network.peer.address":"203.0.113.7","network.peer.port":51234,"cause":"reset","call":"write","fd":7,"error.type":"ECONNRESET","undelivered":100,"network.transport":"tcp","saved":"yes","ended":"peer/mid-response","program":"game","time":"2026-01-01T00:00:00.000001Z"}"#;
    const TEXT: &str = "peer vanished peer=203.0.113.7:51234 cause=reset undelivered=100 saved=yes ended=peer/mid-response time=2026-01-01T00:00:00.000001Z";
    const JOURNAL: &str = r#"{"__CURSOR":"s=1","__REALTIME_TIMESTAMP":"1767225600000001","MESSAGE":"peer vanished peer=203.0.113.7:51234 cause=reset","NOPIPE_PEER_ADDR":"203.0.113.7","NOPIPE_CAUSE":"reset","NOPIPE_UNDELIVERED":"100","NOPIPE_SAVED":"yes","NOPIPE_ENDED":"peer/mid-response","_SYSTEMD_UNIT":"game.service","_CMDLINE":null,"X":[1,2]}"#;
    const EXPORT: &[u8] = b"__CURSOR=s=1\n__REALTIME_TIMESTAMP=1767225600000001\nMESSAGE\n\x05\0\0\0\0\0\0\0a\n\n\0b\nNOPIPE_PEER_ADDR=203.0.113.7\nNOPIPE_CAUSE=reset\nNOPIPE_UNDELIVERED=100\nNOPIPE_SAVED=yes\nNOPIPE_ENDED\n\x11\0\0\0\0\0\0\0peer/mid-response\n_SYSTEMD_UNIT=game.service\nX=y\n\n";

    fn expected(source: Source) -> Record<'static> {
        Record {
            time: Some(1_767_225_600_000_001),
            peer: Peer::Ip(0xffff_cb00_7107),
            ended: Some(b"peer/mid-response".into()),
            undelivered: 100,
            saved: Some(1),
            ..Record::event(source, &b"reset"[..])
        }
    }

    #[test]
    fn the_same_event_in_every_form() {
        let header = |head: &str| format!("{head}{TEXT}");
        let wrapped = format!("{{\"log\":\"{TEXT}\\n\",\"stream\":\"stderr\",\"time\":\"2026-01-01T00:00:09Z\"}}");
        let as_text = format!(
            r#"{{"__REALTIME_TIMESTAMP":"1767225609000001","MESSAGE":"{TEXT}","_SYSTEMD_UNIT":"game.service"}}"#
        );
        for (form, source) in [
            (TEXT.as_bytes(), Source::Text),
            (JSON.as_bytes(), Source::Json),
            (JOURNAL.as_bytes(), Source::Journal),
            (&EXPORT.replace_message(), Source::Journal),
            (header("Jan  1 00:00:00 host game[7]: ").as_bytes(), Source::Text),
            (
                header("2026-01-01T00:00:01.5+01:00 host game[7] notice: ").as_bytes(),
                Source::Text,
            ),
            (header("<30>Jan  1 00:00:00 host game[7]: ").as_bytes(), Source::Text),
            (header("2026-01-01T00:00:01.5Z stderr F ").as_bytes(), Source::Text),
            (wrapped.as_bytes(), Source::Text),
            (as_text.as_bytes(), Source::Text),
        ] {
            let seen = seen(form);
            assert_eq!(seen.records, [expected(source)], "{}", String::from_utf8_lossy(form));
        }
    }

    trait WithMessage {
        fn replace_message(&self) -> Vec<u8>;
    }

    impl WithMessage for &[u8] {
        /// The export's binary message made one that is the library's.
        fn replace_message(&self) -> Vec<u8> {
            let text = b"MESSAGE\n\x05\0\0\0\0\0\0\0a\n\n\0b\n";
            let at = memchr::memmem::find(self, text).unwrap();
            let message = b"MESSAGE\n\x11\0\0\0\0\0\0\0peer vanished a\nb\n";
            [&self[..at], message, &self[at + text.len()..]].concat()
        }
    }

    #[test]
    fn units_are_seen() {
        assert_eq!(seen(JOURNAL.as_bytes()).units, ["game.service"]);
        assert_eq!(seen(EXPORT).units, ["game.service"]);
    }

    #[test]
    fn a_torn_entry_is_broken() {
        let export = EXPORT.replace_message();
        for end in 20..export.len() - 1 {
            let seen = seen(&export[..end]);
            assert_eq!((seen.records.len(), seen.broken), (0, 1), "{end}");
        }
        let joined = [&export[..100], &b"\n\n"[..], &export].concat();
        assert_eq!(seen(&joined).records.len(), 1);
    }

    #[test]
    fn a_torn_line_is_broken() {
        for line in [JSON, JOURNAL] {
            for end in 2..line.len() {
                let seen = seen(&line.as_bytes()[..end]);
                assert_eq!((seen.records.len(), seen.broken), (0, 1), "{}", &line[..end]);
            }
        }
    }

    #[test]
    fn nobody_forges_a_line() {
        for line in [
            format!("1.2.3.4 - - [01/Jan/2026:00:00:00 +0000] \"GET /{TEXT} HTTP/1.1\" 200 1 \"-\" \"{TEXT}\""),
            format!("2026/01/01 00:00:00 [error] 7#7: *1 open() \"{TEXT}\" failed, client: 1.2.3.4"),
            format!("GET /: {TEXT}"),
            format!("user said: {TEXT}"),
            format!("{{\"user\":\"{TEXT}\",\"message\":\"login: {TEXT}\"}}"),
            format!("Jan  1 00:00:00 host app[7]: user {TEXT}"),
        ] {
            assert!(seen(line.as_bytes()).records.is_empty(), "{line}");
        }
    }

    #[test]
    fn notices_in_the_journal() {
        let line = r#"{"__REALTIME_TIMESTAMP":"1","MESSAGE":"libnopipe: rate limit reached: counting suppressed=1","NOPIPE_SUPPRESSED":"1"}"#;
        let found = &seen(line.as_bytes()).records;
        assert!(
            matches!(
                &found[..],
                [Record {
                    kind: Kind::Notice,
                    suppressed: 1,
                    ..
                }]
            ),
            "{found:?}"
        );
    }

    /// The library's own encoder, with values that anybody may choose.
    fn encoded(format: Format, peer: &str, cause: &str, numbers: [Option<u64>; 5], ended: Option<&str>) -> String {
        let text = format!("{peer}:5");
        let mut pairs: Vec<(&str, ::log::kv::Value<'_>)> = vec![
            ("peer", text.as_str().into()),
            ("peer_address", peer.into()),
            ("peer_port", 5_u64.into()),
            ("cause", cause.into()),
            ("call", "write".into()),
        ];
        let names = ["delivered", "undelivered", "suppressed", "dropped", "pid"];
        for (name, number) in names.into_iter().zip(numbers) {
            pairs.extend(number.map(|number| (name, number.into())));
        }
        pairs.extend(ended.map(|ended| ("peer_comm", ended.into())));
        pairs.push(("time", "2026-01-01T00:00:00.000001Z".into()));
        let mut line = Buffer::<2048>::new();
        encode(format, "peer vanished", &&pairs[..], line.writer());
        line.as_str().to_owned()
    }

    proptest! {
        /// What a glance sees, a scan sees: the same line with a blank or a member more gets no glance.
        #[test]
        fn a_glance_is_a_scan(
            peer in prop_oneof!["203\\.0\\.113\\.[0-9]{1,2}", "[ -~]{0,20}", "\\PC{0,8}"],
            cause in prop_oneof!["reset", "closed", "[ -~]{0,10}"],
            numbers in any::<[Option<u64>; 5]>(),
            comm in any::<Option<String>>(),
        ) {
            let json = encoded(Format::Json, &peer, &cause, numbers, comm.as_deref());
            let scanned = json.replacen('{', "{ ", 1);
            let mut fields = Fields::default();
            prop_assert!(glance::json(scanned.as_bytes(), &mut fields).is_none());
            let found = seen(json.as_bytes()).records;
            prop_assert_eq!(&found, &seen(scanned.as_bytes()).records);
            prop_assert_eq!(found.len(), 1);
            prop_assert_eq!(found[0].undelivered, numbers[1].unwrap_or(0));
            let text = encoded(Format::Text, &peer, &cause, numbers, comm.as_deref());
            let scanned = text.clone() + " last=1";
            let mut fields = Fields::default();
            prop_assert!(glance::text(scanned.as_bytes(), &mut fields).is_none());
            let found = seen(text.as_bytes()).records;
            prop_assert_eq!(&found, &seen(scanned.as_bytes()).records);
            prop_assert_eq!(found.len(), 1);
        }

        #[test]
        fn a_glance_sees_what_is_torn(at in 0.0..1.0, numbers in any::<[Option<u64>; 5]>()) {
            for format in [Format::Json, Format::Text] {
                let line = encoded(format, "203.0.113.7", "reset", numbers, None);
                let at = 20 + (at * (line.len() - 21) as f64) as usize;
                let torn = seen(format!("{}{line}\n{}", &line[..at], &line[..at]).as_bytes());
                prop_assert_eq!((torn.records.len(), torn.broken), (0, 2), "{}", at);
            }
        }

        #[test]
        fn anything_at_all(text in proptest::collection::vec(any::<u8>(), 0..600)) {
            seen(&text);
        }

        #[test]
        fn anything_in_the_place_of_a_part(form in 0..6_usize, at in 0.0..1.0, part in proptest::collection::vec(any::<u8>(), 0..20), cut in 0..20_usize) {
            let forms: [&[u8]; 6] = [
                TEXT.as_bytes(), JSON.as_bytes(), JOURNAL.as_bytes(), EXPORT,
                b"1.2.3.4:5678 [01/Jan/2026:00:00:00.123] web~ app/s1 0/0/1/-1/9 -1 0 - - CH-- 1/1/0/0/0 0/0 \"GET / HTTP/1.1\"",
                b"1.2.3.4 - - [01/Jan/2026:00:00:00 +0000] \"GET / HTTP/1.1\" 499 0 \"-\" \"curl\" X",
            ];
            let form = forms[form];
            let at = (at * form.len() as f64) as usize;
            let text = [&form[..at], &part, &form[form.len().min(at + cut)..]].concat();
            prop_assert!(seen(&text).records.len() <= 2);
        }

        #[test]
        fn json_as_serde_reads_it(name in "\\PC{0,20}", n in any::<u64>(), nested in any::<Vec<String>>()) {
            let object = serde_json::json!({"a": nested, "network.peer.address": name, "message": "peer vanished",
                "cause": "reset", "undelivered": n, "x": {"y": {}}});
            let seen = seen(object.to_string().as_bytes());
            prop_assert_eq!(seen.records.len(), 1);
            prop_assert_eq!(seen.records[0].undelivered, n);
            if let Peer::Name(found) = &seen.records[0].peer {
                prop_assert!(name.as_bytes() == &found[..] || name.starts_with("pipe:["));
            }
        }
    }
}
