//! The grammar of the `NOPIPE_*` variables.

use crate::encode::Format;
use crate::event::Priority;
use crate::line::Line;
use crate::runaway::{DEFAULT_LIMIT, LARGEST_LIMIT};
use crate::throttle::Rate;

/// The longest `file:` path and the longest list of names, bytes.
pub const LONGEST: usize = 511;

/// Where lines go: `NOPIPE_LOG`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Log {
    /// stderr if it is a terminal; else the journal; else `/dev/log`; else stderr.
    #[default]
    Auto,
    /// journald, in its native form.
    Journal,
    /// `/dev/log`, as syslog(3) writes to it.
    Syslog,
    /// Standard error.
    Stderr,
    /// The file that [`Settings::file`] names.
    File,
    /// Nowhere: events are counted only.
    None,
}

/// Which pipe failures are survived: `NOPIPE_PIPES`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Pipes {
    /// All but stdout and stderr of a pipeline that a protected program set up.
    #[default]
    Auto,
    /// All.
    Survive,
    /// None.
    Native,
}

/// Whether the program's own SIGPIPE handler runs when a peer vanishes: `NOPIPE_HANDLERS`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Handlers {
    /// It does not run; the call returns its error.
    #[default]
    Ignore,
    /// It runs, as without the library.
    Run,
}

/// What is done about a program that never looks at the result of a write: `NOPIPE_RUNAWAY`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Runaway {
    /// One that serves a single connection ends by its SIGPIPE, any other is slowed down.
    #[default]
    Auto,
    /// Nothing.
    Off,
    /// It is slowed down.
    Throttle,
    /// It ends by its SIGPIPE.
    Kill,
}

/// All settings.
pub struct Settings {
    /// Where lines go: `NOPIPE_LOG`.
    pub log: Log,
    /// The template behind `file:`; `%p` stands for the process id, `%%` for a percent sign.
    pub file: Line<LONGEST>,
    /// In which encoding: `NOPIPE_FORMAT`.
    pub format: Format,
    /// Lines less important than this are not written.
    pub level: Priority,
    /// How many lines at most: `NOPIPE_RATE`.
    pub rate: Rate,
    /// Which pipe failures are survived: `NOPIPE_PIPES`.
    pub pipes: Pipes,
    /// Whether the program's own SIGPIPE handler runs: `NOPIPE_HANDLERS`.
    pub handlers: Handlers,
    /// What is done about a runaway: `NOPIPE_RUNAWAY`.
    pub runaway: Runaway,
    /// Failures on one connection within ten seconds that make a runaway.
    pub runaway_limit: u32,
    /// Whether a peer that has closed is noticed before the first write: `NOPIPE_EAGER`.
    pub eager: bool,
    /// Names of programs, separated by commas; empty: every program.
    pub only: Line<LONGEST>,
}

/// Why a setting was not taken; its default holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Problem {
    /// There is no such variable.
    Unknown,
    /// The value is not one of these.
    Value {
        /// The values that can be read, for the warning.
        allowed: &'static str,
    },
}

/// The variables there are, for the warning about an unknown one.
pub const VARIABLES: &str = "NOPIPE_LOG, NOPIPE_FORMAT, NOPIPE_LEVEL, NOPIPE_RATE, NOPIPE_PIPES, NOPIPE_HANDLERS, NOPIPE_RUNAWAY, NOPIPE_EAGER, NOPIPE_ONLY";

impl Settings {
    /// What holds where nothing is set.
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

    /// Takes one variable: `name` as in the environment, `value` what stands behind the equals sign. An empty value
    /// is the default, as if the variable were not set.
    pub fn set(&mut self, name: &[u8], value: &[u8]) -> Result<(), Problem> {
        let known = VARIABLES
            .as_bytes()
            .split(|&b| b == b',')
            .any(|known| known.trim_ascii() == name);
        if !known {
            return Err(Problem::Unknown);
        }
        if value.is_empty() {
            return Ok(());
        }
        match name {
            b"NOPIPE_LOG" => self.set_log(value),
            b"NOPIPE_FORMAT" => choose(
                &mut self.format,
                value,
                &[("text", Format::Text), ("json", Format::Json)],
                "text, json",
            ),
            b"NOPIPE_LEVEL" => choose(
                &mut self.level,
                value,
                &[
                    ("error", Priority::Error),
                    ("warning", Priority::Warning),
                    ("notice", Priority::Notice),
                    ("info", Priority::Info),
                    ("debug", Priority::Debug),
                ],
                "error, warning, notice, info, debug",
            ),
            b"NOPIPE_PIPES" => choose(
                &mut self.pipes,
                value,
                &[
                    ("auto", Pipes::Auto),
                    ("survive", Pipes::Survive),
                    ("native", Pipes::Native),
                ],
                "auto, survive, native",
            ),
            b"NOPIPE_HANDLERS" => choose(
                &mut self.handlers,
                value,
                &[("ignore", Handlers::Ignore), ("run", Handlers::Run)],
                "ignore, run",
            ),
            b"NOPIPE_RATE" => self.set_rate(value),
            b"NOPIPE_RUNAWAY" => self.set_runaway(value),
            b"NOPIPE_EAGER" => choose(&mut self.eager, value, &[("off", false), ("on", true)], "off, on"),
            _ => self.set_only(value),
        }
    }

    fn set_log(&mut self, value: &[u8]) -> Result<(), Problem> {
        const ALLOWED: &str = "auto, journal, syslog, stderr, none, file:PATH (absolute, at most 511 bytes; %p is the process id, %% a percent sign)";
        let problem = Problem::Value { allowed: ALLOWED };
        if let Some(path) = value.strip_prefix(b"file:") {
            let path = core::str::from_utf8(path).map_err(|_| problem)?;
            if !path.starts_with('/') || path.len() > LONGEST || !only_known_percents(path) {
                return Err(problem);
            }
            self.file = Line::new();
            self.file.push_str(path);
            self.log = Log::File;
            return Ok(());
        }
        choose(
            &mut self.log,
            value,
            &[
                ("auto", Log::Auto),
                ("journal", Log::Journal),
                ("syslog", Log::Syslog),
                ("stderr", Log::Stderr),
                ("none", Log::None),
            ],
            ALLOWED,
        )
    }

    fn set_rate(&mut self, value: &[u8]) -> Result<(), Problem> {
        let problem = Problem::Value {
            allowed: "BURST/PER-SECOND, lines, each from 1 to 1000000",
        };
        let slash = value.iter().position(|&b| b == b'/').ok_or(problem)?;
        let (burst, per_second) = value.split_at_checked(slash).ok_or(problem)?;
        self.rate = Rate {
            burst: decimal(burst).ok_or(problem)?,
            per_second: decimal(per_second.get(1..).unwrap_or(b"")).ok_or(problem)?,
        };
        Ok(())
    }

    fn set_runaway(&mut self, value: &[u8]) -> Result<(), Problem> {
        const ALLOWED: &str = "auto, off, throttle, kill; throttle:N and kill:N, N failures from 1 to 1000000";
        let problem = Problem::Value { allowed: ALLOWED };
        let (word, limit) = match value
            .iter()
            .position(|&b| b == b':')
            .and_then(|i| value.split_at_checked(i))
        {
            Some((word @ (b"throttle" | b"kill"), number)) => {
                let number = decimal(number.get(1..).unwrap_or(b"")).ok_or(problem)?;
                (word, number)
            }
            Some(_) => return Err(problem),
            None => (value, DEFAULT_LIMIT),
        };
        choose(
            &mut self.runaway,
            word,
            &[
                ("auto", Runaway::Auto),
                ("off", Runaway::Off),
                ("throttle", Runaway::Throttle),
                ("kill", Runaway::Kill),
            ],
            ALLOWED,
        )?;
        self.runaway_limit = limit;
        Ok(())
    }

    fn set_only(&mut self, value: &[u8]) -> Result<(), Problem> {
        let problem = Problem::Value {
            allowed: "program names separated by commas (at most 511 bytes, no slash)",
        };
        let names = core::str::from_utf8(value).map_err(|_| problem)?;
        if names.len() > LONGEST || names.split(',').any(|n| n.trim().is_empty() || n.contains('/')) {
            return Err(problem);
        }
        self.only = Line::new();
        self.only.push_str(names);
        Ok(())
    }

    /// Whether the library does its work in a program of this name (`NOPIPE_ONLY`).
    pub fn concerns(&self, program: &str) -> bool {
        self.only.is_empty() || self.lists(program.as_bytes(), 64)
    }

    /// Whether `NOPIPE_ONLY` lists this name, of which only the first `kept` bytes are known. Both are compared in
    /// their [`reduced`] form.
    pub fn lists(&self, name: &[u8], kept: usize) -> bool {
        let form = |name: &[u8], at: usize| name.get(at).copied().map(reduced).filter(|_| at < kept);
        split(self.only.as_str())
            .any(|listed| (0..=listed.len().max(name.len())).all(|at| form(listed, at) == form(name, at)))
    }

    /// Whether a line of this priority is written (`NOPIPE_LEVEL`).
    pub fn shows(&self, priority: Priority) -> bool {
        priority <= self.level
    }

    /// The path of the log file of process `pid`, with a NUL at its end; `None` if it is too long.
    pub fn file_of<const N: usize>(&self, pid: i32) -> Option<Line<N>> {
        let mut out = Line::new();
        let mut rest = self.file.as_str().chars();
        while let Some(c) = rest.next() {
            match c {
                '%' if rest.next() == Some('p') => out.push_u64(pid as u64),
                _ => out.push(c),
            }
        }
        out.push('\0');
        (out.lost() == 0).then_some(out)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}

fn choose<T: Copy>(to: &mut T, value: &[u8], choices: &[(&str, T)], allowed: &'static str) -> Result<(), Problem> {
    let (_, choice) = choices
        .iter()
        .find(|(name, _)| name.as_bytes() == value)
        .ok_or(Problem::Value { allowed })?;
    *to = *choice;
    Ok(())
}

/// A byte of a program's name as it stands in logs: letters, digits, `.`, `_` and `-` as they are, others as `_`.
pub fn reduced(b: u8) -> u8 {
    match b {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' => b,
        _ => b'_',
    }
}

/// The parts between commas, without the blanks around them. (`str::split` could panic, as far as the linker knows.)
fn split(names: &str) -> impl Iterator<Item = &[u8]> {
    names.as_bytes().split(|&b| b == b',').map(<[u8]>::trim_ascii)
}

/// A decimal number from 1 to [`LARGEST_LIMIT`], which is that of rates, too.
fn decimal(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 7 {
        return None;
    }
    let mut number = 0;
    for &digit in digits {
        number = number * 10 + (digit as char).to_digit(10)?;
    }
    (1..=LARGEST_LIMIT).contains(&number).then_some(number)
}

/// Behind each `%` stands `p` or `%`.
fn only_known_percents(path: &str) -> bool {
    let mut rest = path.bytes();
    while let Some(b) = rest.next() {
        if b == b'%' && !matches!(rest.next(), Some(b'p' | b'%')) {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&str, &str)]) -> (Settings, Vec<Result<(), Problem>>) {
        let mut settings = Settings::new();
        let results = pairs
            .iter()
            .map(|(name, value)| settings.set(name.as_bytes(), value.as_bytes()))
            .collect();
        (settings, results)
    }

    #[test]
    fn good_values() {
        let (settings, results) = with(&[
            ("NOPIPE_LOG", "file:/var/log/%p.%%.log"),
            ("NOPIPE_FORMAT", "json"),
            ("NOPIPE_LEVEL", "debug"),
            ("NOPIPE_PIPES", "native"),
            ("NOPIPE_HANDLERS", "run"),
            ("NOPIPE_ONLY", "game, httpd"),
            ("NOPIPE_RATE", "1000000/7"),
            ("NOPIPE_RUNAWAY", "throttle:20"),
            ("NOPIPE_EAGER", "on"),
        ]);
        assert_eq!((settings.runaway, settings.runaway_limit), (Runaway::Throttle, 20));
        assert_eq!((settings.rate.burst, settings.rate.per_second), (1_000_000, 7));
        assert!(settings.eager);
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        assert_eq!(settings.log, Log::File);
        assert_eq!(settings.file_of::<64>(42).unwrap().as_str(), "/var/log/42.%.log\0");
        assert!(settings.file_of::<8>(42).is_none());
        assert!(settings.shows(Priority::Debug));
        assert!(settings.lists(b"ht", 2) && !settings.lists(b"ht", 3) && !settings.lists(b"htt", 2 + 2));
        assert!(settings.concerns("httpd") && settings.concerns("game") && !settings.concerns("sh"));
    }

    #[test]
    fn bad_values_leave_the_default_and_name_what_is_allowed() {
        for (name, value) in [
            ("NOPIPE_LOG", "stdrr"),
            ("NOPIPE_LOG", "file:relative"),
            ("NOPIPE_LOG", "file:/x/%d"),
            ("NOPIPE_LOG", "file:/x/%"),
            ("NOPIPE_FORMAT", "JSON"),
            ("NOPIPE_LEVEL", "7"),
            ("NOPIPE_PIPES", "yes"),
            ("NOPIPE_HANDLERS", "0"),
            ("NOPIPE_RATE", "20"),
            ("NOPIPE_RATE", "20/"),
            ("NOPIPE_RATE", "/5"),
            ("NOPIPE_RATE", "0/5"),
            ("NOPIPE_RATE", "20/5/1"),
            ("NOPIPE_RATE", "20/1000001"),
            ("NOPIPE_RUNAWAY", "yes"),
            ("NOPIPE_RUNAWAY", "auto:5"),
            ("NOPIPE_RUNAWAY", "kill:"),
            ("NOPIPE_RUNAWAY", "kill:0"),
            ("NOPIPE_RUNAWAY", "kill:1000001"),
            ("NOPIPE_RUNAWAY", "kill:4294967297"),
            ("NOPIPE_RUNAWAY", "throttle:-1"),
            ("NOPIPE_EAGER", "1"),
            ("NOPIPE_ONLY", "a,,b"),
            ("NOPIPE_ONLY", "/bin/sh"),
        ] {
            let (settings, results) = with(&[(name, value)]);
            assert!(matches!(results[0], Err(Problem::Value { .. })), "{name}={value}");
            assert_eq!(settings.log, Log::Auto);
            assert_eq!(settings.level, Priority::Info);
            assert_eq!(
                (settings.runaway, settings.runaway_limit),
                (Runaway::Auto, DEFAULT_LIMIT)
            );
            assert!(!settings.eager);
            assert!(settings.concerns("anything"));
        }
        let long = format!("file:/{}", "x".repeat(LONGEST));
        assert!(with(&[("NOPIPE_LOG", &long)]).1[0].is_err());
    }

    #[test]
    fn unknown_variables() {
        assert_eq!(with(&[("NOPIPE_LEVLE", "info")]).1, [Err(Problem::Unknown)]);
        for name in VARIABLES.split(", ") {
            assert_eq!(with(&[(name, "")]).1, [Ok(())], "{name}");
        }
    }
}
