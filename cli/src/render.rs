//! The counters as text, as JSON and for Prometheus: docs/status.md describes the names.

use std::fmt::Write;

use nopipe_core::event::Cause;
use nopipe_core::stats::{Counter, LastPeer, Snapshot};
use nopipe_core::time::rfc3339;
use serde_json::{Map, Value, json};

use crate::output::visible;
use crate::server::Report;

pub fn text(reports: &[Report]) -> String {
    let mut text = String::new();
    for (i, Report { pid, program, counters }) in reports.iter().enumerate() {
        let gap = if i == 0 { "" } else { "\n" };
        let since = since(counters).map_or("nothing counted yet".to_owned(), |time| format!("since {time}"));
        let _ = writeln!(text, "{gap}{pid} {program}, {since}");
        let causes: Vec<_> = events(counters)
            .filter(|(_, n)| *n > 0)
            .map(|(cause, n)| format!("{} {n}", cause.name()))
            .collect();
        let row = |name: &str, n: u64| format!("  {name:<18}{n:>12}");
        let total = row("events", counters.events.into_iter().fold(0, u64::saturating_add));
        let _ = writeln!(text, "{}", format!("{total}  {}", causes.join(", ")).trim_end());
        for counter in Counter::ALL {
            let _ = writeln!(text, "{}", row(counter.label(), counters.get(counter)));
        }
        for (i, peer) in counters.peers.iter().flatten().enumerate() {
            let title = if i == 0 { "last peers" } else { "" };
            let (cause, name) = (peer.cause.name(), name_of(peer));
            let _ = writeln!(text, "  {title:<12}{}  {cause:<15}  {name}", time_of(peer));
        }
    }
    text
}

pub fn json(reports: &[Report]) -> String {
    let reports: Vec<Value> = reports.iter().map(json_object).collect();
    let mut text = format!("{:#}", Value::Array(reports));
    text.push('\n');
    text
}

fn json_object(Report { pid, program, counters }: &Report) -> Value {
    let mut object = Map::new();
    object.insert("pid".into(), json!(pid));
    object.insert("program".into(), json!(program));
    object.insert("since".into(), json!(since(counters)));
    let events = events(counters).map(|(cause, n)| (cause.name().to_owned(), json!(n)));
    object.insert("events".into(), events.collect::<Map<_, _>>().into());
    for counter in Counter::ALL {
        object.insert(counter.key().into(), json!(counters.get(counter)));
    }
    let peer = |peer: &LastPeer| json!({"peer": name_of(peer), "time": time_of(peer), "cause": peer.cause.name()});
    object.insert("last_peers".into(), counters.peers.iter().flatten().map(peer).collect());
    object.into()
}

/// `unreadable` is the number of processes whose counters could not be read.
///
/// See <https://prometheus.io/docs/instrumenting/exposition_formats/>: all samples of a metric form one group.
pub fn prometheus(reports: &[Report], unreadable: usize) -> String {
    let mut text = String::new();
    let head = |text: &mut String, name: &str, kind: &str, help: &str| {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    };
    let labels = |report: &Report| format!("pid=\"{}\",program=\"{}\"", report.pid, label_value(&report.program));

    head(
        &mut text,
        "nopipe_events_total",
        "counter",
        "Connections that failed, by cause.",
    );
    for report in reports {
        for (cause, n) in events(&report.counters) {
            let _ = writeln!(
                text,
                "nopipe_events_total{{{},cause=\"{}\"}} {n}",
                labels(report),
                cause.name()
            );
        }
    }
    for counter in Counter::ALL {
        let name = format!("nopipe_{}_total", counter.key());
        head(&mut text, &name, "counter", counter.help());
        for report in reports {
            let _ = writeln!(text, "{name}{{{}}} {}", labels(report), report.counters.get(counter));
        }
    }
    let name = "nopipe_unreadable";
    head(&mut text, name, "gauge", "Processes whose counters could not be read.");
    let _ = writeln!(text, "{name} {unreadable}");
    text
}

fn label_value(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

fn events(counters: &Snapshot) -> impl Iterator<Item = (Cause, u64)> {
    Cause::ALL.into_iter().zip(counters.events)
}

/// When the process began to count; `None` if nothing was counted yet.
fn since(counters: &Snapshot) -> Option<String> {
    (counters.since > 0).then(|| {
        rfc3339(counters.since.cast_signed(), 0)
            .as_str()
            .replace(".000000Z", "Z")
    })
}

fn time_of(peer: &LastPeer) -> String {
    const SECOND: u64 = 1_000_000_000;
    let time = rfc3339((peer.time / SECOND).cast_signed(), (peer.time % SECOND).cast_signed());
    time.as_str().to_owned()
}

/// A peer chooses its name, and whoever runs the process chooses what stands in its memory.
fn name_of(peer: &LastPeer) -> String {
    visible(peer.name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nopipe_core::line::Line;

    fn report() -> Report {
        let mut name = Line::new();
        name.push_str("/tmp/\u{1b}[31m\"x");
        let mut counters = Snapshot {
            since: 1_767_225_600,
            ..Snapshot::default()
        };
        counters.events[Cause::Reset as usize] = 2;
        counters.counters[Counter::Failures as usize] = 3;
        counters.peers[0] = Some(LastPeer {
            time: 1_767_225_600_123_456_000,
            cause: Cause::Reset,
            name,
        });
        Report {
            pid: 42,
            program: "a\"b\\c".into(),
            counters,
        }
    }

    #[test]
    fn as_text() {
        let text = text(&[report()]);
        assert!(text.starts_with("42 a\"b\\c, since 2026-01-01T00:00:00Z\n"), "{text}");
        assert!(text.contains("events                       2  reset 2\n"), "{text}");
        assert!(
            text.contains("2026-01-01T00:00:00.123456Z  reset            /tmp/\\u{1b}[31m\"x\n"),
            "{text}"
        );
    }

    #[test]
    fn as_json() {
        let value: Value = serde_json::from_str(&json(&[report()])).unwrap();
        assert_eq!(value[0]["program"], "a\"b\\c");
        assert_eq!(value[0]["events"]["reset"], 2);
        assert_eq!(value[0]["failed_writes"], 3);
        assert_eq!(value[0]["last_peers"][0]["time"], "2026-01-01T00:00:00.123456Z");
    }

    #[test]
    fn for_prometheus() {
        let text = prometheus(&[report()], 2);
        assert!(
            text.contains("nopipe_events_total{pid=\"42\",program=\"a\\\"b\\\\c\",cause=\"reset\"} 2\n"),
            "{text}"
        );
        assert!(text.contains("# TYPE nopipe_failed_writes_total counter\n"), "{text}");
        assert!(
            text.ends_with("# TYPE nopipe_unreadable gauge\nnopipe_unreadable 2\n"),
            "{text}"
        );
    }
}
