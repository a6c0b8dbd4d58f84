//! `nopipe report` on logs: the library's own, recorded ones of other servers, and bad input of every kind.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use nopipe_tests::c_program::c_program;
use nopipe_tests::run::{End, Outcome, run, run_with_dead_stdout, run_with_stdout};
use nopipe_tests::suite::{Need, Row, Suite};
use nopipe_tests::{Profile, library, scratch_dir, workspace};
use serde_json::{Value, json};
use tempfile::TempDir;

const NOPIPE: &str = env!("CARGO_BIN_EXE_nopipe");
const PATIENCE: Duration = Duration::from_secs(60);

const REMOTE: Need = Need::Other(|| match Path::new(JOURNAL_REMOTE).exists() {
    true => Ok(()),
    false => Err("needs systemd-journal-remote (Debian package systemd-journal-remote)".into()),
});
const JOURNAL_REMOTE: &str = "/lib/systemd/systemd-journal-remote";

#[rustfmt::skip]
const TESTS: &[Row<fn()>] = &[
    ("report: what the library logs", &[], what_the_library_logs),
    ("report: recorded logs of other servers", &[], recorded_logs),
    ("report: every form and packing of one event", &[], every_form),
    ("report: JSON is as its schema says", &[], json_is_as_its_schema_says),
    ("report: events without a line", &[], events_without_a_line),
    ("report: torn and damaged lines", &[], torn_and_damaged_lines),
    ("report: files that cannot be read", &[], files_that_cannot_be_read),
    ("report: compressed files that are torn", &[], compressed_files_that_are_torn),
    ("report: standard output that is closed or full", &[], stdout_closed_or_full),
    ("report: times", &[], times),
    ("report: units", &[], units),
    ("report: the local clock", &[], the_local_clock),
    ("report: wrong command lines", &[], wrong_command_lines),
    ("report: width, colour and characters", &[], width_colour_and_characters),
    ("report: a page that needs nothing else", &[], a_page_that_needs_nothing_else),
    ("report: names that peers choose", &[], names_that_peers_choose),
    ("report: more peers than are counted exactly", &[], more_peers_than_are_counted_exactly),
    ("report: a stand-in for journalctl", &[], a_stand_in_for_journalctl),
    ("report: a real journal", &[Need::Program("journalctl", "systemd"), REMOTE], a_real_journal),
];

fn main() -> ExitCode {
    let mut suite = Suite::new("report");
    suite.build(&[Profile::Release]);
    suite.tests_that_panic(TESTS);
    suite.run()
}

fn nopipe() -> Command {
    let mut command = Command::new(NOPIPE);
    command.arg("report").env("TZ", "UTC").env("LC_ALL", "C");
    for name in ["NO_COLOR", "COLUMNS", "LANG", "LC_CTYPE"] {
        command.env_remove(name);
    }
    command
}

fn report(args: &[&str]) -> Outcome {
    run(nopipe().args(args), PATIENCE).unwrap()
}

/// A folder with a log in it.
struct Log {
    folder: TempDir,
    path: String,
}

impl Log {
    fn new(bytes: impl AsRef<[u8]>) -> Log {
        Log::named("a.log", bytes)
    }

    fn named(name: &str, bytes: impl AsRef<[u8]>) -> Log {
        let folder = scratch_dir("report");
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let path = path.to_str().unwrap().to_owned();
        Log { folder, path }
    }

    /// The report as JSON, with these options; it succeeds.
    fn json_with(&self, args: &[&str]) -> Value {
        let outcome = report(&[&["--json", &self.path][..], args].concat());
        assert_eq!(outcome.end, End::Exit(0), "{}", outcome.stderr);
        serde_json::from_str(&outcome.stdout).unwrap()
    }

    fn json(&self) -> Value {
        self.json_with(&[])
    }
}

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples").join(name)
}

/// An event's line, such as the library writes it.
fn line(peer: &str, cause: &str, time: &str, more: &str) -> String {
    format!(
        "peer vanished peer={peer} local=192.0.2.1:80 cause={cause} call=write fd=7 errno=EPIPE undelivered=100{more} transport=tcp time={time}\n"
    )
}

fn event() -> String {
    line("203.0.113.7:51234", "reset", "2026-01-01T00:00:00.000001Z", "")
}

fn what_the_library_logs() {
    for format in ["text", "json"] {
        let folder = scratch_dir("log");
        let log = folder.path().join("nopipe.log");
        for _ in 0..2 {
            let mut command = Command::new(c_program("vanished_tcp"));
            command
                .args(["write", "v4"])
                .env("LD_PRELOAD", &library(Profile::Release).path)
                .env("NOPIPE_LOG", format!("file:{}", log.display()))
                .env("NOPIPE_FORMAT", format);
            assert_eq!(run(&mut command, PATIENCE).unwrap().end, End::Exit(0));
        }
        let text = fs::read_to_string(&log).unwrap();
        let outcome = report(&["--json", log.to_str().unwrap()]);
        let found: Value = serde_json::from_str(&outcome.stdout).unwrap();
        assert_eq!(
            (&found["events"], &found["broken_lines"]),
            (&json!(2), &json!(0)),
            "{text}{found}"
        );
        assert_eq!(found["sources"][format!("nopipe-{format}")], 2, "{text}{found}");
        assert_eq!(found["top_peers"][0]["peer"], "127.0.0.1");
        assert_eq!(found["top_networks"][0]["network"], "127.0.0.0/24");
        assert_eq!(found["top_peers"][0]["events"], 2);
    }
}

fn recorded_logs() {
    // Name, events, causes, lines. nginx 1.22, HAProxy 2.6 and Apache 2.4 of Debian 12, with clients on loopback.
    for (name, events, causes, lines) in [
        ("nginx-access.log", 3, json!({"nginx-499": 3}), 10),
        ("nginx-error.log", 8, json!({"reset": 5, "closed": 2, "timeout": 1}), 15),
        (
            "haproxy.log",
            18,
            json!({"haproxy-CD": 14, "haproxy-cD": 3, "haproxy-CR": 1}),
            19,
        ),
        (
            "haproxy-syslog.log",
            18,
            json!({"haproxy-CD": 14, "haproxy-cD": 3, "haproxy-CR": 1}),
            19,
        ),
        ("apache-access.log", 7, json!({"apache-X": 7}), 8),
        ("apache-vhost.log", 7, json!({"apache-X": 7}), 8),
        ("apache-error.log", 7, json!({"reset": 5, "closed": 1, "timeout": 1}), 8),
    ] {
        let outcome = report(&["--json", sample(name).to_str().unwrap()]);
        assert_eq!((outcome.end, outcome.stderr.as_str()), (End::Exit(0), ""), "{name}");
        let found: Value = serde_json::from_str(&outcome.stdout).unwrap();
        assert_eq!(found["events"], events, "{name}: {found}");
        assert_eq!(found["causes"], causes, "{name}: {found}");
        assert_eq!(found["lines"], lines, "{name}: {found}");
        assert_eq!(
            (&found["broken_lines"], &found["unknown_lines"]),
            (&json!(0), &json!(0)),
            "{name}: {found}"
        );
        assert_eq!(found["top_peers"][0]["peer"], "127.0.0.1", "{name}");
        assert!(
            found["first"].as_str().unwrap().starts_with("2026-11-24T20:"),
            "{name}: {found}"
        );
    }
    let both = ["nginx-access.log", "nginx-error.log"].map(sample);
    let text = report(&[both[0].to_str().unwrap(), both[1].to_str().unwrap()]).stdout;
    assert!(text.contains("may show the same client"), "{text}");
}

fn every_form() {
    let journal = json!({"__REALTIME_TIMESTAMP": "1767225600000001", "MESSAGE": "peer vanished peer=203.0.113.7:5",
        "NOPIPE_PEER_ADDR": "203.0.113.7", "NOPIPE_CAUSE": "reset", "NOPIPE_UNDELIVERED": "100"});
    let ours = json!({"message": "peer vanished", "network.peer.address": "203.0.113.7", "cause": "reset",
        "undelivered": 100, "time": "2026-01-01T00:00:00.000001Z"});
    let forms = [
        event(),
        format!("{ours}\n"),
        format!("{journal}\n"),
        "__CURSOR=x\n__REALTIME_TIMESTAMP=1767225600000001\nMESSAGE=peer vanished\nNOPIPE_PEER_ADDR=203.0.113.7\n\
         NOPIPE_CAUSE=reset\nNOPIPE_UNDELIVERED=100\n\n"
            .to_owned(),
    ];
    let expected = |found: &Value| {
        assert_eq!(
            (&found["events"], &found["undelivered_bytes"]),
            (&json!(1), &json!(100)),
            "{found}"
        );
        assert_eq!(
            (&found["causes"]["reset"], &found["top_peers"][0]["peer"]),
            (&json!(1), &json!("203.0.113.7"))
        );
        assert_eq!(found["first"], "2026-01-01T00:00:00Z", "{found}");
    };
    for form in &forms {
        expected(&Log::new(form).json());
        expected(&Log::new(form.replace('\n', "\r\n")).json());
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(form.as_bytes()).unwrap();
        expected(&Log::named("a.log.gz", gzip.finish().unwrap()).json());
        let level = ruzstd::encoding::CompressionLevel::Fastest;
        let zstd = ruzstd::encoding::compress_to_vec(form.as_bytes(), level);
        expected(&Log::named("a.log.zst", zstd.clone()).json());
        // A frame of other data before it, as pzstd writes.
        let skipped = [b"\x50\x2a\x4d\x18\x03\0\0\0abc".to_vec(), zstd].concat();
        expected(&Log::named("a.log.zst", skipped).json());

        let mut child = nopipe();
        let mut child = child
            .args(["--json", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(form.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        expected(&serde_json::from_slice(&output.stdout).unwrap());
    }
    let all = Log::new(forms.concat() + &fs::read_to_string(sample("haproxy.log")).unwrap()).json();
    assert_eq!(all["events"], 4 + 18, "{all}");
    assert_eq!(
        all["sources"],
        json!({"nopipe-text": 1, "nopipe-json": 1, "nopipe-journal": 2, "haproxy": 18})
    );
}

/// What is wrong with `value` by `schema`, as far as docs/report.schema.json uses JSON Schema.
fn breach(schema: &Value, value: &Value, at: &str) -> Option<String> {
    let is = |kind: &str| match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{at}: the test does not know the type {other}"),
    };
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        other => panic!("{at}: {other}"),
    };
    if !kinds.iter().any(|kind| is(kind)) {
        return Some(format!("{at}: {value} is none of {kinds:?}"));
    }
    if let Some(items) = value.as_array() {
        let number = |name: &str| schema[name].as_u64().map(|n| n as usize);
        if number("minItems").is_some_and(|n| items.len() < n) || number("maxItems").is_some_and(|n| items.len() > n) {
            return Some(format!("{at}: {} items", items.len()));
        }
        return items
            .iter()
            .find_map(|item| breach(&schema["items"], item, &format!("{at}[]")));
    }
    let members = value.as_object()?;
    for required in schema["required"].as_array().into_iter().flatten() {
        if !members.contains_key(required.as_str().unwrap()) {
            return Some(format!("{at}: no {required}"));
        }
    }
    members.iter().find_map(|(name, member)| {
        let at = format!("{at}.{name}");
        match (&schema["properties"][name], &schema["additionalProperties"]) {
            (Value::Null, Value::Bool(false) | Value::Null) => Some(format!("{at} is not in the schema")),
            (Value::Null, rest) => breach(rest, member, &at),
            (schema, _) => breach(schema, member, &at),
        }
    })
}

fn json_is_as_its_schema_says() {
    let schema = fs::read_to_string(workspace().join("docs/report.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let many: String = (0..50)
        .map(|i| {
            line(
                &format!("203.0.{i}.7:1"),
                "reset",
                &format!("2026-01-{:02}T00:00:00.000001Z", 1 + i % 28),
                " saved=yes ended=peer/mid-response",
            )
        })
        .collect();
    for log in [Log::new(""), Log::new(event()), Log::new(many)] {
        let found = log.json();
        assert_eq!(breach(&schema, &found, "report"), None, "{found:#}");
        // Nothing in the schema that is never there.
        let properties = schema["properties"].as_object().unwrap();
        assert!(properties.keys().all(|name| found.get(name).is_some()), "{found:#}");
    }
    let mut wrong = Log::new(event()).json();
    wrong["events"] = json!("1");
    assert!(breach(&schema, &wrong, "report").is_some());
}

fn events_without_a_line() {
    let time = "2026-01-01T00:00:00.000001Z";
    let text = [
        event(),
        format!("libnopipe: rate limit reached: counting suppressed=1 pid=1 time={time}\n"),
        line("203.0.113.7:2", "closed", time, " suppressed=30 dropped=4"),
        line("203.0.113.8:3", "closed", time, " folded=17"),
        format!("libnopipe: summary undelivered=999 connections=70 failures=80 lines=3 suppressed=31 dropped=4 time={time}\n"),
        format!("libnopipe: not understood setting=NOPIPE_X value=\"a=b c\" time={time}\n"),
    ]
    .concat();
    let log = Log::new(text);
    let found = log.json();
    assert_eq!(
        found["counted"],
        json!({"named": 2, "folded": 17, "suppressed": 31, "dropped": 4}),
        "{found}"
    );
    assert_eq!(
        (&found["events"], &found["summaries"]),
        (&json!(54), &json!(1)),
        "{found}"
    );
    assert_eq!(found["causes"], json!({"closed": 18, "reset": 1}));
    assert_eq!(found["undelivered_bytes"], 300);
    let text = report(&[&log.path]).stdout;
    assert!(text.starts_with("54 events"), "{text}");
    assert!(
        text.contains("35 events without a line (31 suppressed") && text.contains("17 events folded"),
        "{text}"
    );
}

fn torn_and_damaged_lines() {
    let whole = event();
    let json = r#"{"message":"peer vanished","network.peer.address":"203.0.113.7","cause":"reset","time":"2026-01-01T00:00:00.000001Z"}"#;
    let long = "x".repeat(3 << 20);
    let parts: Vec<Vec<u8>> = vec![
        whole.clone().into(),
        whole[..whole.len() / 2].into(),
        b"\n".to_vec(),
        json[..json.len() / 2].into(),
        // The next line follows without a line feed.
        json.into(),
        b"\n".to_vec(),
        vec![0; 5000],
        b"\n".to_vec(),
        b"peer vanished peer=\"\xff\xfe\" cause=reset time=2026-01-01T00:00:00.000001Z\n".to_vec(),
        long.into(),
        b"\n".to_vec(),
        json.into(),
    ];
    let found = Log::new(parts.concat()).json();
    assert_eq!(
        (&found["events"], &found["broken_lines"], &found["lines"]),
        (&json!(3), &json!(4), &json!(7)),
        "{found}"
    );

    // Two random megabytes: nothing to be found, and no harm done.
    let mut seed = 1_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    })
    .take(2 << 20)
    .collect();
    let log = Log::new(noise);
    assert_eq!(log.json()["events"], 0);

    let other = Log::new("hello\nworld\n");
    let outcome = report(&[&other.path]);
    assert_eq!(outcome.end, End::Exit(0));
    assert!(
        outcome.stderr.contains("none of its lines has a form that is known"),
        "{}",
        outcome.stderr
    );
    for empty in [Log::new(""), Log::new("\n\n")] {
        let outcome = report(&[&empty.path]);
        assert_eq!((outcome.end, outcome.stderr.as_str()), (End::Exit(0), ""));
        assert!(outcome.stdout.starts_with("0 events"), "{}", outcome.stdout);
    }
}

fn files_that_cannot_be_read() {
    let log = Log::new(event());
    let folder = log.folder.path().to_str().unwrap();
    for (path, exit, words) in [
        ("/nonexistent\x1b[31m", 3, "\\u{1b}[31m: No such file"),
        (folder, 1, "Is a directory"),
        ("/proc/self/mem", 1, "nopipe: /proc/self/mem: "),
    ] {
        let outcome = report(&["--json", path, &log.path]);
        assert_eq!(outcome.end, End::Exit(exit), "{path}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(words), "{path}: {}", outcome.stderr);
        // The other one was read all the same.
        assert_eq!(
            serde_json::from_str::<Value>(&outcome.stdout).unwrap()["events"],
            1,
            "{path}"
        );
    }
}

fn compressed_files_that_are_torn() {
    let text: String = (0..20_000)
        .map(|i| {
            line(
                &format!("203.0.113.{}:{}", i % 200, i % 5000 + 1),
                "reset",
                "2026-01-01T00:00:00.000001Z",
                "",
            )
        })
        .collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = ruzstd::encoding::compress_to_vec(text.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest);
    for (name, bytes) in [("a.gz", gzip), ("a.zst", zstd)] {
        let log = Log::named(name, &bytes[..bytes.len() - 200]);
        let outcome = report(&["--json", &log.path]);
        assert_eq!(outcome.end, End::Exit(1), "{name}: {}", outcome.stderr);
        let found: Value = serde_json::from_str(&outcome.stdout).unwrap();
        assert!(found["events"].as_u64() < Some(20_000), "{name}: {found}");
        // Not compressed at all.
        let log = Log::named(name, &text);
        assert_eq!(report(&[&log.path]).end, End::Exit(1), "{name}");
        assert_eq!(Log::named(name, bytes).json()["events"], 20_000, "{name}");
    }
}

fn stdout_closed_or_full() {
    let log = Log::new(event());
    for format in [&[][..], &["--json"], &["--csv"], &["--html", "-"]] {
        let outcome = run_with_dead_stdout(nopipe().args(format).arg(&log.path), PATIENCE).unwrap();
        assert_eq!((outcome.end, outcome.stderr.as_str()), (End::Exit(0), ""), "{format:?}");
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let outcome = run_with_stdout(nopipe().args(format).arg(&log.path), full.into(), PATIENCE).unwrap();
        assert_eq!(outcome.end, End::Exit(1), "{format:?}");
        assert!(outcome.stderr.contains("No space left"), "{}", outcome.stderr);
    }
    // The log's own name after --html: it is not lost.
    let before = fs::read(&log.path).unwrap();
    let outcome = report(&["--html", &log.path]);
    assert_eq!(outcome.end, End::Exit(2), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("not overwritten"), "{}", outcome.stderr);
    assert_eq!(fs::read(&log.path).unwrap(), before);
    let outcome = report(&["--html", "/nonexistent/page.html", &log.path]);
    assert_eq!(outcome.end, End::Exit(1), "{}", outcome.stderr);
}

fn times() {
    let at = |day: u32| {
        line(
            "203.0.113.7:1",
            "reset",
            &format!("2026-01-{day:02}T00:00:00.000000Z"),
            "",
        )
    };
    let ahead = line("203.0.113.7:1", "reset", "2996-01-01T00:00:00.000000Z", "");
    let log = Log::new((1..=10).map(at).collect::<String>() + &ahead);
    let events = |args: &[&str]| log.json_with(args)["events"].as_u64().unwrap();
    assert_eq!(events(&[]), 11);
    assert_eq!(events(&["--since", "2026-01-04"]), 8);
    assert_eq!(events(&["--since", "2026-01-04", "--until", "2026-01-06T00:00:00Z"]), 2);
    assert_eq!(events(&["--until=@1767225600"]), 0);
    assert_eq!(events(&["--until", "-1s", "--since", "2026-01-01 00:00:01"]), 9);

    let found = log.json();
    assert_eq!(
        (&found["ahead"], &found["last"]),
        (&json!(1), &json!("2026-01-10T00:00:00Z")),
        "{found}"
    );
    let columns = found["timeline"].as_array().unwrap();
    let sum: u64 = columns.iter().map(|column| column["events"].as_u64().unwrap()).sum();
    assert!(sum == 10 && columns.len() <= 200, "{found}");

    let outcome = report(&["--json", "--since", "+1h", &log.path]);
    assert_eq!(outcome.end, End::Exit(0));
    assert!(
        outcome.stderr.contains("--since is in the future"),
        "{}",
        outcome.stderr
    );
}

fn units() {
    let entry = |unit: &str| {
        let object = json!({"__REALTIME_TIMESTAMP": "1767225600000001", "MESSAGE": "peer vanished", "NOPIPE_CAUSE": "reset",
            "NOPIPE_PEER_ADDR": "203.0.113.7", "_SYSTEMD_UNIT": unit});
        format!("{object}\n")
    };
    let log = Log::new(["game@1.service", "game@2.service", "web.service"].map(entry).concat());
    for (unit, events) in [("web", 1), ("web.service", 1), ("game@*", 2), ("game@?.service", 2)] {
        assert_eq!(log.json_with(&["-u", unit])["events"], events, "{unit}");
    }
    assert_eq!(log.json_with(&["-u", "web", "--unit", "game@1"])["events"], 2);
    let outcome = report(&["--json", "-u", "no\x1bsuch", &log.path]);
    assert_eq!(outcome.end, End::Exit(3));
    assert!(
        outcome.stderr.contains("no line is of the unit no\\u{1b}such"),
        "{}",
        outcome.stderr
    );
    let outcome = report(&["-u", "web", &Log::new(event()).path]);
    assert_eq!(outcome.end, End::Exit(3));
    assert!(outcome.stderr.contains("only the journal does"), "{}", outcome.stderr);
}

fn the_local_clock() {
    // A Thursday, 23:30 in UTC: a Friday, 08:30 in Japan.
    let log = Log::new(line("203.0.113.7:1", "reset", "2026-01-01T23:30:00.000000Z", ""));
    let week = |zone: &str| {
        let outcome = run(nopipe().args(["--json", &log.path]).env("TZ", zone), PATIENCE).unwrap();
        let found: Value = serde_json::from_str(&outcome.stdout).unwrap();
        let week = found["week"].as_array().unwrap().clone();
        let hours = |day: &Value| day.as_array().unwrap().iter().position(|n| n == 1);
        week.iter()
            .enumerate()
            .find_map(|(day, hours_of)| Some((day, hours(hours_of)?)))
    };
    assert_eq!((week("UTC"), week("JST-9")), (Some((3, 23)), Some((4, 8))));
    // HAProxy's clock is local, and says so nowhere.
    let line = "1.2.3.4:5 [02/Jan/2026:08:30:00.000] web app/s1 0/0/5 1234 CD 1/1/0/0/0 0/0\n";
    let log = Log::new(line);
    let outcome = run(nopipe().args(["--json", &log.path]).env("TZ", "JST-9"), PATIENCE).unwrap();
    assert!(
        outcome.stdout.contains("\"first\": \"2026-01-01T23:30:00Z\""),
        "{}",
        outcome.stdout
    );
}

fn wrong_command_lines() {
    for args in [
        &["--since", "soon"][..],
        &["--since", "2026-02-30"],
        &["--since", "today", "--until", "yesterday"],
        &["--top", "0"],
        &["--top", "-1"],
        &["--json", "--csv"],
        &["--json", "--html", "-"],
        &["--color", "sometimes"],
        &["-", "-"],
        &["--unit"],
        &["--nonsense"],
    ] {
        let outcome = report(args);
        assert_eq!(
            outcome.end,
            End::Exit(2),
            "{args:?}: {}{}",
            outcome.stdout,
            outcome.stderr
        );
        assert!(outcome.stdout.is_empty() && !outcome.stderr.is_empty(), "{args:?}");
    }
}

fn width_colour_and_characters() {
    let many: String = (0..3000)
        .map(|i| {
            line(
                &format!("203.0.{}.{}:1", i % 7, i % 250),
                "reset",
                &format!("2026-01-{:02}T{:02}:00:00.000001Z", 1 + i % 28, i % 24),
                " ended=peer/mid-response",
            )
        })
        .collect();
    let log = Log::new(many);
    let with = |environment: &[(&str, &str)], args: &[&str]| {
        let mut command = nopipe();
        command.arg(&log.path).args(args).envs(environment.iter().copied());
        run(&mut command, PATIENCE).unwrap().stdout
    };
    for columns in [40, 60, 79, 80, 120, 160] {
        for locale in ["C", "C.UTF-8"] {
            let text = with(&[("COLUMNS", &columns.to_string()), ("LC_ALL", locale)], &[]);
            let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(widest <= columns, "{columns}: {widest}\n{text}");
            assert_eq!(text.is_ascii(), locale == "C", "{text}");
            assert!(!text.contains('\x1b') && text.contains("Hour and weekday"), "{text}");
            assert!(text.lines().all(|line| line.trim_end() == line), "{text}");
        }
    }
    for columns in ["0", "1", "x", "99999999999999999999", ""] {
        assert!(with(&[("COLUMNS", columns)], &[]).contains("203.0."), "{columns}");
    }
    assert!(with(&[], &["--color", "always"]).contains("\x1b["));
    assert!(!with(&[], &["--color", "never"]).contains('\x1b'));
    // On a terminal: util-linux's script makes one.
    let on_terminal = |environment: &str| {
        let command = format!("env {environment} {NOPIPE} report {}", log.path);
        let mut script = Command::new("script");
        script
            .args(["-qec", &command, "/dev/null"])
            .env_remove("NO_COLOR")
            .env("TZ", "UTC");
        run(&mut script, PATIENCE).unwrap().stdout
    };
    assert!(on_terminal("TERM=xterm").contains("\x1b[36m"));
    assert!(!on_terminal("TERM=xterm NO_COLOR=1").contains('\x1b'));
    assert!(!on_terminal("TERM=dumb").contains('\x1b'));
}

fn a_page_that_needs_nothing_else() {
    let nasty = line(
        "\"/run/<script>alert(1)</script>&\\\"'\"",
        "reset",
        "2026-01-01T00:00:00.000001Z",
        " ended=\"<b>\"",
    );
    let log = Log::new(event() + &nasty);
    let page = log.folder.path().join("page.html");
    let outcome = report(&["--html", page.to_str().unwrap(), &log.path]);
    assert_eq!(
        (outcome.end, outcome.stdout.as_str()),
        (End::Exit(0), ""),
        "{}",
        outcome.stderr
    );
    let html = fs::read_to_string(&page).unwrap();
    assert_eq!(report(&["--html", "-", &log.path]).stdout.len(), html.len());
    for part in [
        "<!DOCTYPE html>",
        "prefers-color-scheme: dark",
        "@media print",
        "203.0.113.0/24",
        "Hour and weekday",
        "&lt;script&gt;",
    ] {
        assert!(html.contains(part), "{part}");
    }
    for part in ["<script", "http:", "https:", "src=", "href=", "@import", "url(", "<b>"] {
        assert!(!html.contains(part), "{part}");
    }
    assert!(
        report(&["--html", "-", &Log::new("").path])
            .stdout
            .contains("no event with a time")
    );
    // With --json the page is written as well.
    fs::remove_file(&page).unwrap();
    let outcome = report(&["--json", "--html", page.to_str().unwrap(), &log.path]);
    assert!(page.exists() && outcome.stdout.starts_with('{'));
}

fn names_that_peers_choose() {
    let escape = r#"{"message":"peer vanished","network.peer.address":"/run/\u001b[31m\u202e,\"x","cause":"\u001b[2J","time":"2026-01-01T00:00:00.000001Z"}"#;
    let formula = line("\"@=cmd|' /C calc'!A0\"", "reset", "2026-01-01T00:00:00.000001Z", "");
    let log = Log::new(format!("{escape}\n{formula}"));
    for format in [&[][..], &["--json"], &["--csv"], &["--html", "-"]] {
        let said = report(&[format, &[log.path.as_str()][..]].concat()).stdout;
        assert!(
            !said.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}'),
            "{said:?}"
        );
    }
    let csv = report(&["--csv", &log.path]).stdout;
    assert!(
        csv.starts_with("peer,events,error,undelivered_bytes,saved,last\n"),
        "{csv}"
    );
    assert!(
        csv.contains("\n\"'@=cmd|' /C calc'!A0\",1,0,100,0,2026-01-01T00:00:00Z\n"),
        "{csv}"
    );
    assert!(csv.contains("\n\"/run/\\u{1b}[31m\\u{202e},\"\"x\",1,0,0,0,"), "{csv}");
}

fn more_peers_than_are_counted_exactly() {
    let log = Log::new("");
    let mut file = std::io::BufWriter::new(fs::File::create(&log.path).unwrap());
    for i in 0..300_000_u32 {
        let peer = match i % 10 {
            0 => "203.0.113.7:1".to_owned(),
            _ => format!("[2001:db8:{:x}:{:x}::1]:1", i % 60_000, i / 60_000),
        };
        file.write_all(line(&peer, "reset", "2026-01-01T00:00:00.000001Z", "").as_bytes())
            .unwrap();
    }
    drop(file);
    // 96 MB of addresses is all that it may have, its code and stack included.
    let mut command = Command::new("sh");
    command.args([
        "-c",
        &format!("ulimit -v 96000; exec {NOPIPE} report --json --top 2 {}", log.path),
    ]);
    let outcome = run(&mut command, PATIENCE).unwrap();
    assert_eq!(outcome.end, End::Exit(0), "{}", outcome.stderr);
    let found: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(
        (&found["events"], &found["peers"]["exact"]),
        (&json!(300_000), &json!(false))
    );
    let top = &found["top_peers"][0];
    assert_eq!(
        (&top["peer"], &top["events"], &top["error"]),
        (&json!("203.0.113.7"), &json!(30_000), &json!(0)),
        "{found}"
    );
    let floor = found["peers"]["none_missing_above"].as_u64().unwrap();
    assert!((1..=6).contains(&floor), "{found}");
    assert!(
        report(&[&log.path])
            .stdout
            .contains("More than 100,000 peers or networks"),
        "{floor}"
    );
}

/// A folder for PATH with a program of this name, a shell's script.
fn stand_in(name: &str, script: &str) -> TempDir {
    let folder = scratch_dir("path");
    let path = folder.path().join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    folder
}

fn with_journalctl(script: &str, args: &[&str]) -> Outcome {
    let folder = stand_in("journalctl", script);
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    run(nopipe().args(args).env("PATH", path), PATIENCE).unwrap()
}

fn a_stand_in_for_journalctl() {
    let entry = "printf '__CURSOR=x\\n__REALTIME_TIMESTAMP=1767225600000001\\nMESSAGE=peer vanished\\nNOPIPE_CAUSE=reset\\n_SYSTEMD_UNIT=game.service\\n\\n'";
    let outcome = with_journalctl(
        &format!("echo \"$*\" >&2; {entry}"),
        &["--json", "--since", "@1767225600", "-u", "game"],
    );
    assert_eq!(outcome.end, End::Exit(0), "{}", outcome.stderr);
    for argument in [
        "--output=export",
        "--since=@1767225600",
        "--unit=game.service",
        "MESSAGE_ID=5b3f4d2a9c1e4e7f8a6d0b9c7e5f3a21",
    ] {
        assert!(outcome.stderr.contains(argument), "{}", outcome.stderr);
    }
    assert!(outcome.stdout.contains("\"events\": 1"), "{}", outcome.stdout);
    let outcome = with_journalctl(&format!("{entry}; echo broken journal >&2; exit 1"), &["--json"]);
    assert_eq!(outcome.end, End::Exit(7));
    assert!(
        outcome.stderr.contains("broken journal") && outcome.stdout.contains("\"events\": 1"),
        "{}",
        outcome.stderr
    );
    let outcome = run(nopipe().env("PATH", "/nonexistent"), PATIENCE).unwrap();
    assert_eq!(outcome.end, End::Exit(7));
    assert!(outcome.stderr.contains("journalctl"), "{}", outcome.stderr);
    // A unit of which the journal has nothing.
    assert_eq!(with_journalctl("true", &["-u", "nosuch"]).end, End::Exit(3));
}

/// A journal file made by systemd itself, read by its journalctl.
fn a_real_journal() {
    let folder = scratch_dir("journal");
    let file = folder.path().join("test.journal");
    let mut export = Vec::new();
    for i in 0..100_u64 {
        let time = 1_767_225_600_000_000 + i * 3_600_000_000;
        let entry = format!(
            "__REALTIME_TIMESTAMP={time}\n__MONOTONIC_TIMESTAMP={i}\n_BOOT_ID=0123456789abcdef0123456789abcdef\n\
             MESSAGE=peer vanished peer=203.0.113.{i}:1 cause=reset\nPRIORITY=6\n\
             MESSAGE_ID=5b3f4d2a9c1e4e7f8a6d0b9c7e5f3a21\nNOPIPE_PEER_ADDR=203.0.113.{i}\nNOPIPE_CAUSE=reset\n\
             NOPIPE_UNDELIVERED=10\n_SYSTEMD_UNIT={}.service\n\n",
            if i % 4 == 0 { "web" } else { "game" }
        );
        export.extend_from_slice(entry.as_bytes());
        let other = format!(
            "__REALTIME_TIMESTAMP={}\n_BOOT_ID=0123456789abcdef0123456789abcdef\nMESSAGE\n\x04\0\0\0\0\0\0\0a\nb\n\n_SYSTEMD_UNIT=other.service\n\n",
            time + 1
        );
        export.extend_from_slice(other.as_bytes());
    }
    let source = folder.path().join("export");
    fs::write(&source, &export).unwrap();
    let mut remote = Command::new(JOURNAL_REMOTE);
    remote.arg("--output").arg(&file).arg(&source);
    let outcome = run(&mut remote, PATIENCE).unwrap();
    assert_eq!(outcome.end, End::Exit(0), "{}", outcome.stderr);

    let script = format!("exec /usr/bin/journalctl --file={} \"$@\"", file.display());
    let events = |args: &[&str]| {
        let outcome = with_journalctl(&script, &[&["--json"], args].concat());
        assert_eq!(outcome.end, End::Exit(0), "{}", outcome.stderr);
        let found: Value = serde_json::from_str(&outcome.stdout).unwrap();
        (
            found["events"].as_u64().unwrap(),
            found["lines"].as_u64().unwrap(),
            found["undelivered_bytes"].as_u64().unwrap(),
        )
    };
    assert_eq!(events(&[]), (100, 100, 1000));
    assert_eq!(events(&["-u", "web"]), (25, 25, 250));
    assert_eq!(
        events(&["--since", "2026-01-02", "--until", "2026-01-03T00:00:00Z"]).0,
        24
    );
    // What an operator pipes.
    for format in ["json", "export"] {
        let command = format!(
            "journalctl --file={} -o {format} | {NOPIPE} report --json -u game -",
            file.display()
        );
        let outcome = run(Command::new("sh").args(["-c", &command]).env("TZ", "UTC"), PATIENCE).unwrap();
        let found: Value = serde_json::from_str(&outcome.stdout).unwrap();
        assert_eq!(
            (&found["events"], &found["lines"], &found["broken_lines"]),
            (&json!(75), &json!(200), &json!(0)),
            "{format}: {found}"
        );
    }
}
