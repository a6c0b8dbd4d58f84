//! The settings, each declared once. `mod.rs` says how to add one.

use super::declaration::Declaration;
use super::value::{Words, decimal, set, words};
use crate::encode::Format;
use crate::event::Priority;
use crate::line::{Line, Writer};
use crate::runaway::DEFAULT_LIMIT;
#[cfg(test)]
use crate::runaway::{FEWEST, LARGEST_LIMIT, LASTING_MS};
use crate::throttle::Rate;

/// The declaration of one of [`Settings`].
pub type Setting = Declaration<Settings>;

/// Every setting, in the order of the pages.
pub const SETTINGS: [Setting; 9] = [LOG, FORMAT, LEVEL, RATE, PIPES, HANDLERS, RUNAWAY, EAGER, ONLY];

/// What the settings are set to.
#[derive(Debug)]
pub struct Settings {
    /// Where lines are written.
    pub log: Log,
    /// The template of [`Log::File`]; `%p` stands for the process id, `%%` for a percent sign.
    pub file: Line<LONGEST>,
    /// In which encoding.
    pub format: Format,
    /// Lines less important than this are not written.
    pub level: Priority,
    /// How many lines at most.
    pub rate: Rate,
    /// Which pipe failures are survived.
    pub pipes: Pipes,
    /// Whether the program's own SIGPIPE handler runs when a peer vanishes.
    pub handlers: Handlers,
    /// What is done about a program that never looks at the result of a write.
    pub runaway: Runaway,
    /// The number of failures on one connection within ten seconds that makes a runaway.
    pub runaway_limit: u32,
    /// Whether a peer that has closed is noticed before the first write.
    pub eager: bool,
    /// Names of programs, separated by commas; empty: every program.
    pub only: Line<LONGEST>,
}

impl Settings {
    /// The defaults.
    pub const fn new() -> Self {
        Settings {
            log: Log::Auto,
            file: Line::new(),
            format: Format::Text,
            level: Priority::Info,
            rate: Rate::DEFAULT,
            pipes: Pipes::Auto,
            handlers: Handlers::Ignore,
            runaway: Runaway::Auto,
            runaway_limit: DEFAULT_LIMIT,
            eager: false,
            only: Line::new(),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}

/// The longest `file:` path and the longest list of names, bytes.
pub const LONGEST: usize = 511;

// NOPIPE_LOG

/// Where lines are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Log {
    /// stderr if it is a terminal; else the journal; else `/dev/log`; else stderr.
    Auto,
    /// journald, in its native form.
    Journal,
    /// `/dev/log`, as syslog(3) writes to it.
    Syslog,
    /// Standard error.
    Stderr,
    /// The file that [`Settings::file`] names.
    File,
    /// Nowhere: events are only counted.
    None,
}

impl Log {
    /// The value of NOPIPE_LOG that stands for it; of [`Log::File`], its beginning.
    pub fn word(self) -> &'static str {
        match self {
            Log::Auto => "auto",
            Log::Journal => "journal",
            Log::Syslog => "syslog",
            Log::Stderr => "stderr",
            Log::File => "file",
            Log::None => "none",
        }
    }
}

words! {
    Log:
    "auto" => Log::Auto,
    "journal" => Log::Journal,
    "syslog" => Log::Syslog,
    "stderr" => Log::Stderr,
    "none" => Log::None,
}

const LOG: Setting = Setting {
    name: "NOPIPE_LOG",
    words: Log::WORDS,
    forms: &["file:PATH"],
    parts: "PATH is absolute, at most 511 bytes; %p is the process id, %% a percent sign",
    default: "auto",
    summary: "Where lines are written: `auto` is stderr if it is a terminal, else journald, else `/dev/log`, else stderr.",
    meaning: "`journal` is journald's native socket, `syslog` is `/dev/log`; `none` writes no line, and events are only \
        counted. `file:PATH` appends to a regular file, and creates it with mode 0640. In PATH, `%p` stands for the \
        process id and `%%` for a percent sign. An existing file is written only if root or the process's effective user \
        owns it, and if it has no second name (hard link). A symbolic link on the way to it is followed only if root or \
        that user owns it, in a folder of theirs where not everybody may rename it; the file itself is no symbolic link. \
        The library opens the log for each line, does not wait for it, and closes it again. The exception is a file on a \
        network or FUSE file system that hangs: the kernel offers no way to open or write it without waiting, so the \
        program waits. Keep the log on a local disk. A line that the log does not take is counted, and the next line shows \
        the count as `dropped`. If the log is not there at all (no such folder, no journald, another user's file), one \
        warning says so, by journald, `/dev/log` or stderr, whichever is there. With `auto`, a terminal that was hung up \
        or cannot be opened counts as not there, and so does `/dev/null`.",
    example: "file:/var/log/game/%p.log",
    parse: |settings, value| {
        let Some(path) = value.strip_prefix(b"file:") else {
            return set(&mut settings.log, value);
        };
        let path = core::str::from_utf8(path).ok()?;
        if !path.starts_with('/') || path.len() > LONGEST || !only_known_percents(path) {
            return None;
        }
        settings.file = Line::new();
        settings.file.push_str(path);
        settings.log = Log::File;
        Some(())
    },
};

/// After each `%` stands `p` or `%`.
fn only_known_percents(path: &str) -> bool {
    let mut rest = path.bytes();
    while let Some(b) = rest.next() {
        if b == b'%' && !matches!(rest.next(), Some(b'p' | b'%')) {
            return false;
        }
    }
    true
}

impl Settings {
    /// The next part of the log file's path, for process `pid`: the name of a folder, or of the file itself, appended to
    /// `out`. `from` is where it begins in [`Settings::file`], 0 at first; the result is where the next one begins, and
    /// the length of the template after the last one. `None` if there is no further part.
    pub fn file_part(&self, from: usize, pid: i32, mut out: Writer<'_>) -> Option<usize> {
        let rest = self.file.as_str().get(from..)?;
        let slashes = rest.bytes().take_while(|&b| b == b'/').count();
        let mut length = slashes;
        let mut chars = rest.get(slashes..)?.chars();
        while let Some(c) = chars.next() {
            match c {
                '/' => break,
                '%' => {
                    length += 2;
                    match chars.next() {
                        Some('p') => out.push_u64(pid as u64),
                        _ => out.push('%'),
                    }
                }
                _ => {
                    length += c.len_utf8();
                    out.push(c);
                }
            }
        }
        (length > slashes).then_some(from + length)
    }
}

/// All parts of the log file's path, for process 42.
#[cfg(test)]
fn parts(settings: &Settings) -> Vec<String> {
    let (mut parts, mut from) = (Vec::new(), 0);
    loop {
        let mut part = Line::<64>::new();
        match settings.file_part(from, 42, part.writer()) {
            Some(next) => from = next,
            None => return parts,
        }
        parts.push(part.as_str().to_string());
    }
}

#[test]
fn log() {
    let settings = taken(LOG, "file:/var/log/%p.%%.log");
    assert_eq!(settings.log, Log::File);
    assert_eq!(parts(&settings), ["var", "log", "42.%.log"]);
    assert_eq!(parts(&taken(LOG, "file:///%p/%%///x/")), ["42", "%", "x"]);
    assert_eq!(parts(&taken(LOG, "file://")), [""; 0]);
    assert_eq!(taken(LOG, "syslog").log, Log::Syslog);
    let path = |length: usize| format!("file:/{}", "x".repeat(length - 1));
    taken(LOG, &path(LONGEST));
    refused(LOG, &path(LONGEST + 1));
    assert!(LOG.parts.contains(&LONGEST.to_string()));
    for word in Log::WORDS {
        assert_eq!(taken(LOG, word).log.word(), *word);
    }
    for value in ["stdrr", "STDERR", "file:", "file:relative", "file:/x/%d", "file:/x/%"] {
        refused(LOG, value);
    }
    refused_bytes(LOG, b"file:/\xff");
}

// NOPIPE_FORMAT

words! {
    Format:
    "text" => Format::Text,
    "json" => Format::Json,
}

const FORMAT: Setting = Setting {
    name: "NOPIPE_FORMAT",
    words: Format::WORDS,
    forms: &[],
    parts: "",
    default: "text",
    summary: "A line is logfmt (`text`) or a JSON object (`json`).",
    meaning: "The fields have the same meaning in both; `docs/fields.md` lists the names. What is sent to \
        journald has neither: each field is a field of the journal, and MESSAGE is always text.",
    example: "json",
    parse: |settings, value| set(&mut settings.format, value),
};

#[test]
fn format() {
    assert_eq!(taken(FORMAT, "json").format, Format::Json);
    refused(FORMAT, "JSON");
}

// NOPIPE_LEVEL

words! {
    Priority:
    "error" => Priority::Error,
    "warning" => Priority::Warning,
    "notice" => Priority::Notice,
    "info" => Priority::Info,
    "debug" => Priority::Debug,
}

const LEVEL: Setting = Setting {
    name: "NOPIPE_LEVEL",
    words: Priority::WORDS,
    forms: &[],
    parts: "",
    default: "info",
    summary: "Lines less important than this are not written.",
    meaning: "A vanished peer is info, or notice if bytes were lost. A pipe whose reader is gone is debug. The summary at \
        exit is info. What the library reports about itself is warning. No line has level error: `error` hides all.",
    example: "debug",
    parse: |settings, value| set(&mut settings.level, value),
};

impl Settings {
    /// Whether a line of this priority is written.
    pub fn shows(&self, priority: Priority) -> bool {
        priority <= self.level
    }
}

#[test]
fn level() {
    assert!(taken(LEVEL, "debug").shows(Priority::Debug));
    let settings = taken(LEVEL, "warning");
    assert!(settings.shows(Priority::Error) && settings.shows(Priority::Warning) && !settings.shows(Priority::Notice));
    refused(LEVEL, "7");
}

// NOPIPE_RATE

const RATE: Setting = Setting {
    name: "NOPIPE_RATE",
    words: &[],
    forms: &["BURST/PER-SECOND"],
    parts: "lines, each number from 1 to 1000000",
    default: "20/5",
    summary: "A process writes at most BURST lines at once, and then at most PER-SECOND lines a second.",
    meaning: "An event beyond that has no line, but it is counted. One line says so at once, where that begins \
        (`libnopipe: rate limit reached: counting`). The next line and the summary at exit show the count as `suppressed`.",
    example: "100/50",
    parse: |settings, value| {
        let slash = value.iter().position(|&b| b == b'/')?;
        let (burst, per_second) = value.split_at_checked(slash)?;
        settings.rate = Rate {
            burst: decimal(burst)?,
            per_second: decimal(per_second.get(1..)?)?,
        };
        Some(())
    },
};

#[test]
fn rate() {
    let Rate { burst, per_second } = taken(RATE, "1000000/7").rate;
    assert_eq!((burst, per_second), (1_000_000, 7));
    assert_eq!(LARGEST_LIMIT, crate::throttle::LARGEST);
    assert!(RATE.parts.contains(&LARGEST_LIMIT.to_string()));
    for value in ["20", "20/", "/5", "/", "0/5", "20/0", "20/5/1", "20/1000001", "20 /5"] {
        refused(RATE, value);
    }
}

// NOPIPE_PIPES

/// Which pipe failures are survived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pipes {
    /// All but stdout and stderr of a pipeline that a protected program set up.
    Auto,
    /// All.
    Survive,
    /// None.
    Native,
}

words! {
    Pipes:
    "auto" => Pipes::Auto,
    "survive" => Pipes::Survive,
    "native" => Pipes::Native,
}

const PIPES: Setting = Setting {
    name: "NOPIPE_PIPES",
    words: Pipes::WORDS,
    forms: &[],
    parts: "",
    default: "auto",
    summary: "Which failed pipes a program survives: `auto` is all but stdout and stderr of a pipeline that a protected \
        program set up.",
    meaning: "With `auto`, a `zcat f | head` that a protected server starts ends as it always did: zcat is killed by \
        SIGPIPE. A pipe that comes from outside, from a supervisor or a container's runtime, is survived. `survive` is \
        every pipe, `native` is no pipe. It does not concern sockets.",
    example: "survive",
    parse: |settings, value| set(&mut settings.pipes, value),
};

#[test]
fn pipes() {
    assert_eq!(taken(PIPES, "native").pipes, Pipes::Native);
    refused(PIPES, "yes");
}

// NOPIPE_HANDLERS

/// Whether the program's own SIGPIPE handler runs when a peer vanishes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Handlers {
    /// It does not run; the call returns its error.
    Ignore,
    /// It runs, as without the library.
    Run,
}

words! {
    Handlers:
    "ignore" => Handlers::Ignore,
    "run" => Handlers::Run,
}

const HANDLERS: Setting = Setting {
    name: "NOPIPE_HANDLERS",
    words: Handlers::WORDS,
    forms: &[],
    parts: "",
    default: "ignore",
    summary: "Whether the program's own SIGPIPE handler runs when a peer vanishes.",
    meaning: "Many such handlers only exit. With `ignore` the handler does not run, the call returns `EPIPE`, and the line \
        has `handler=skipped`. With `run` it runs first. A SIGPIPE that was sent on purpose always runs it.",
    example: "run",
    parse: |settings, value| set(&mut settings.handlers, value),
};

#[test]
fn handlers() {
    assert_eq!(taken(HANDLERS, "run").handlers, Handlers::Run);
    refused(HANDLERS, "0");
}

// NOPIPE_RUNAWAY

/// What is done about a program that never looks at the result of a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Runaway {
    /// SIGPIPE ends a process that serves a single connection; any other process is slowed down.
    Auto,
    /// Nothing.
    Off,
    /// It is slowed down.
    Throttle,
    /// It ends by its SIGPIPE.
    Kill,
}

words! {
    Runaway:
    "auto" => Runaway::Auto,
    "off" => Runaway::Off,
    "throttle" => Runaway::Throttle,
    "kill" => Runaway::Kill,
}

const RUNAWAY: Setting = Setting {
    name: "NOPIPE_RUNAWAY",
    words: Runaway::WORDS,
    forms: &["throttle:N", "kill:N"],
    parts: "N failures, from 1 to 1000000",
    default: "auto",
    summary: "What happens to a program that never looks at the result of a write: `auto` ends a process that serves one \
        connection and does nothing else for five seconds, and slows down every other.",
    meaning: "`auto`: a process that serves one connection (its stdin is the connection, as under inetd; or its stdout \
        is, and it is no unix socket; or it was forked for it) gets the SIGPIPE that it would have had without the \
        library, once it has done nothing but fail for five seconds: at least 100 times within ten seconds, in \
        four different seconds at least ten times, while it has no child, no other living stream socket, no \
        listener, nothing open for writing from descriptor 3 on, uses less than 5 ms of CPU for each failure, and \
        writes nothing to storage. From 1000 failures on, files that are open do not spare it, nor does the \
        listener that a forked worker inherits. Its end is what happens without the library, so it is not logged. \
        Any other process is slowed down after 1000 failures on one connection within ten seconds, and one warning \
        is written: first to less than a tenth of a CPU, and after five seconds by 100 ms for each failure. Not \
        ended are heartbeats of fewer than ten failures a second, and workers that do anything else. `kill` and \
        `throttle` act after N failures (1000 if N is not set) on one connection within ten seconds, with one \
        warning: `kill` delivers the SIGPIPE that the program would have had without the library, and `throttle` \
        makes each further failure sleep, 1 ms at first, then twice as long each time, up to 100 ms. `off` does \
        nothing. `auto` and `throttle` leave alone whoever runs on without the library as well: a program that \
        ignores or blocks SIGPIPE, has a handler of its own, or is pid 1. They do not sleep for a pipe, nor for a \
        unix stream socket that is stdout or stderr: a server whose log reader has died goes on as before.",
    example: "throttle:100",
    parse: |settings, value| {
        let colon = value.iter().position(|&b| b == b':');
        let (word, limit) = match colon.and_then(|i| value.split_at_checked(i)) {
            Some((word @ (b"throttle" | b"kill"), number)) => (word, decimal(number.get(1..)?)?),
            Some(_) => return None,
            None => (value, DEFAULT_LIMIT),
        };
        set(&mut settings.runaway, word)?;
        settings.runaway_limit = limit;
        Some(())
    },
};

#[test]
fn runaway() {
    let set = |value| {
        let settings = taken(RUNAWAY, value);
        (settings.runaway, settings.runaway_limit)
    };
    assert_eq!(set("throttle:20"), (Runaway::Throttle, 20));
    assert_eq!(set("kill:1000000"), (Runaway::Kill, LARGEST_LIMIT));
    assert_eq!(set("kill"), (Runaway::Kill, DEFAULT_LIMIT));
    assert!(RUNAWAY.parts.contains(&LARGEST_LIMIT.to_string()));
    assert!(RUNAWAY.meaning.contains(&format!("({DEFAULT_LIMIT} ")));
    assert!(RUNAWAY.meaning.contains(&format!("at least {FEWEST} times")));
    const { assert!(LASTING_MS == 5_000) };
    for value in [
        "yes",
        "auto:5",
        "kill:",
        "kill:0",
        "kill:1000001",
        "kill:4294967297",
        "throttle:-1",
        ":5",
    ] {
        refused(RUNAWAY, value);
    }
}

// NOPIPE_EAGER

words! {
    bool:
    "off" => false,
    "on" => true,
}

const EAGER: Setting = Setting {
    name: "NOPIPE_EAGER",
    words: bool::WORDS,
    forms: &[],
    parts: "",
    default: "off",
    summary: "With `on`, a write to a peer that has already closed returns `EPIPE` instead of being lost; clients that half-close break.",
    meaning: "Without it, the first write after the peer's close succeeds, and its bytes are lost. With it, each write is \
        preceded by a poll(2), and is not made if the peer has sent FIN. That breaks clients that shut down their \
        sending side and wait for the answer (half-close): the kernel shows no difference. stdio flushes are not checked.",
    example: "on",
    parse: |settings, value| set(&mut settings.eager, value),
};

#[test]
fn eager() {
    assert!(taken(EAGER, "on").eager && !taken(EAGER, "off").eager);
    refused(EAGER, "1");
}

// NOPIPE_ONLY

const ONLY: Setting = Setting {
    name: "NOPIPE_ONLY",
    words: &[],
    forms: &["NAME,NAME,..."],
    parts: "names of programs, without a slash, at most 511 bytes in all",
    default: "",
    summary: "The library works only in programs of these names, or in all if it is not set.",
    meaning: "In any other program the library is inert: every call goes straight through, and no SIGPIPE handler is installed. A \
        name is the last part of the program's `argv[0]`, as program_invocation_short_name(3) has it. Blanks around a \
        name do not count, and a character other than a letter, a digit, `.`, `_` or `-` counts as `_`.",
    example: "gameserver,httpd",
    parse: |settings, value| {
        let names = core::str::from_utf8(value).ok()?;
        if names.len() > LONGEST || names.split(',').any(|n| n.trim().is_empty() || n.contains('/')) {
            return None;
        }
        settings.only = Line::new();
        settings.only.push_str(names);
        Some(())
    },
};

impl Settings {
    /// Whether the library does its work in a program of this name.
    pub fn concerns(&self, program: &str) -> bool {
        self.only.is_empty() || self.lists(program.as_bytes(), 64)
    }

    /// Whether `NOPIPE_ONLY` lists this name, if only the first `kept` bytes of a name are known. Both are compared in
    /// their [`reduced`] form.
    pub fn lists(&self, name: &[u8], kept: usize) -> bool {
        let form = |name: &[u8], at: usize| name.get(at).copied().map(reduced).filter(|_| at < kept);
        split(self.only.as_str())
            .any(|listed| (0..=listed.len().max(name.len())).all(|at| form(listed, at) == form(name, at)))
    }
}

/// The parts between commas, without the blanks around them. (`str::split` could panic, as far as the linker knows.)
fn split(names: &str) -> impl Iterator<Item = &[u8]> {
    names.as_bytes().split(|&b| b == b',').map(<[u8]>::trim_ascii)
}

/// A byte of a program's name as it stands in logs: letters, digits, `.`, `_` and `-` as they are, others as `_`.
pub fn reduced(b: u8) -> u8 {
    match b {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' => b,
        _ => b'_',
    }
}

#[test]
fn only() {
    let settings = taken(ONLY, "game, httpd");
    assert!(settings.concerns("httpd") && settings.concerns("game") && !settings.concerns("sh"));
    assert!(settings.lists(b"ht", 2) && !settings.lists(b"ht", 3) && !settings.lists(b"htt", 2 + 2));
    assert!(taken(ONLY, "a b").concerns("a_b"));
    assert!(Settings::new().concerns("anything"));
    taken(ONLY, &"x".repeat(LONGEST));
    refused(ONLY, &"x".repeat(LONGEST + 1));
    assert!(ONLY.parts.contains(&LONGEST.to_string()));
    for value in ["a,,b", ",", " ", "/bin/sh"] {
        refused(ONLY, value);
    }
    refused_bytes(ONLY, b"\xff");
}

// For the tests.

/// The settings after `value` was taken.
#[cfg(test)]
fn taken(setting: Setting, value: &str) -> Settings {
    let mut settings = Settings::new();
    let result = (setting.parse)(&mut settings, value.as_bytes());
    assert!(result.is_some(), "{}={value}", setting.name);
    settings
}

#[cfg(test)]
fn refused(setting: Setting, value: &str) {
    refused_bytes(setting, value.as_bytes());
}

/// Checks that `value` is refused, and that the defaults still hold.
#[cfg(test)]
fn refused_bytes(setting: Setting, value: &[u8]) {
    let mut settings = Settings::new();
    assert!(
        (setting.parse)(&mut settings, value).is_none(),
        "{}={value:?}",
        setting.name
    );
    assert_eq!(format!("{settings:?}"), format!("{:?}", Settings::new()));
}
