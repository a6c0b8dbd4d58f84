//! The report for programs: docs/report.schema.json describes the JSON.

use serde_json::{Map, Value, json};

use super::sketch::Count;
use super::tally::{Names, Row, Tally};
use crate::log::{SECOND, rfc3339_of};

/// As many columns of the timeline at most.
const COLUMNS: usize = 200;

/// One object, with `top` peers and networks.
pub fn object(tally: &mut Tally, top: usize) -> String {
    let (width, columns) = tally.timeline.columns(COLUMNS);
    let timeline: Vec<Value> = columns
        .iter()
        .map(|column| json!({"start": rfc3339_of(column.start), "events": column.events}))
        .collect();
    let time = |time: Option<i64>| time.map(rfc3339_of);
    let report = json!({
        "events": tally.events(),
        "saved": tally.saved.unwrap_or(0),
        "undelivered_bytes": tally.undelivered,
        "broken_lines": tally.broken,
        "lines": tally.lines,
        "other_lines": tally.others(),
        "unknown_lines": tally.unknown,
        "counted": {
            "named": tally.named,
            "folded": tally.folded,
            "suppressed": tally.suppressed,
            "dropped": tally.dropped,
        },
        "summaries": tally.summaries,
        "first": time(tally.first),
        "last": time(tally.last),
        "undated": tally.undated,
        "ahead": tally.ahead,
        "sources": tally.sources().map(|(source, n)| (source.name().to_owned(), n.into())).collect::<Map<_, _>>(),
        "causes": names(&tally.causes),
        "ended": names(&tally.ended),
        "peers": {
            "different": tally.peers(),
            "networks": tally.networks(),
            "exact": tally.floor() == 0,
            "exact_up_to": tally.room(),
            "none_missing_above": tally.floor(),
            "without": tally.peerless,
        },
        "top_peers": rows("peer", &tally.top_peers(top)),
        "top_networks": rows("network", &tally.top_networks(top)),
        "timeline_seconds": width / SECOND,
        "timeline": timeline,
        "time_zone": tally.zone.name(),
        "week": tally.timeline.week,
    });
    format!("{report:#}\n")
}

fn names(names: &Names) -> Map<String, Value> {
    names
        .sorted()
        .into_iter()
        .map(|(name, n)| (name.to_owned(), n.into()))
        .collect()
}

fn rows(title: &str, rows: &[Row]) -> Vec<Value> {
    let row = |Row { name, count }: &Row| {
        let Count {
            events,
            error,
            undelivered,
            saved,
            last,
        } = *count;
        json!({title: name, "events": events, "error": error, "undelivered_bytes": undelivered, "saved": saved, "last": last.map(rfc3339_of)})
    };
    rows.iter().map(row).collect()
}

/// The top peers as CSV, RFC 4180 but for the ends of lines.
pub fn csv(tally: &Tally, top: usize) -> String {
    let mut text = "peer,events,error,undelivered_bytes,saved,last\n".to_owned();
    for Row { name, count } in tally.top_peers(top) {
        let Count {
            events,
            error,
            undelivered,
            saved,
            last,
        } = count;
        let last = last.map(rfc3339_of).unwrap_or_default();
        text.push_str(&format!(
            "{},{events},{error},{undelivered},{saved},{last}\n",
            quoted(&name)
        ));
    }
    text
}

/// A field of CSV. A spreadsheet takes what begins with `=`, `+`, `-` or `@` for a formula: a peer that chooses such a
/// name (an abstract unix socket's is shown with `@`) gets an apostrophe before it, as OWASP has it.
fn quoted(name: &str) -> String {
    let name = match name.starts_with(['=', '+', '-', '@']) {
        true => format!("'{name}"),
        false => name.to_owned(),
    };
    match name.contains([',', '"', '\'']) {
        true => format!("\"{}\"", name.replace('"', "\"\"")),
        false => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_csv() {
        for (name, field) in [
            ("1.2.3.4", "1.2.3.4"),
            ("/run/a,b\"c", "\"/run/a,b\"\"c\""),
            ("=cmd|x", "\"'=cmd|x\""),
            ("@abstract", "\"'@abstract\""),
        ] {
            assert_eq!(quoted(name), field);
        }
    }
}
