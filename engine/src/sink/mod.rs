//! Where lines go. A sink opens, sends without waiting, and closes: no descriptor is kept. A line that it does not take
//! is counted, and the next line that it takes shows the count. A sink that is not there is reported once, by another.

mod file;
mod journal;
mod line;
mod socket;
mod stderr;
mod syslog;

use crate::family::{self, family};
use crate::{config, page};
use core::ffi::c_int;
use core::sync::atomic::Ordering::Relaxed;
use line::Outcome;
use log::kv::{Error, Key, Source, VisitSource};
use log::{Log, Metadata, Record};
use nopipe_core::event::{PRIORITY, Priority};
use nopipe_core::line::Line;
use nopipe_core::settings;
use nopipe_core::stats::Counter;
use nopipe_core::time::push_rfc3339;
use nopipe_sys as sys;

/// Counts what became of an event's line (a notice about the library itself is not an event). The counts that a lost
/// line would have shown are kept for the next line.
#[inline(never)]
fn account(record: &Record, outcome: &Outcome) {
    let get = |key: &str| record.key_values().get(key.into());
    let is_event = get("cause").is_some();
    if matches!(outcome, Outcome::Written) {
        if is_event {
            page::count(Counter::Lines);
        }
        return;
    }
    if is_event {
        page::event_without_line(Counter::Dropped);
    }
    for (key, counter) in [("suppressed", Counter::Suppressed), ("dropped", Counter::Dropped)] {
        page::still_untold(counter, get(key).and_then(|n| n.to_u64()).unwrap_or(0));
    }
}

/// The logger of the `log` crate.
pub static LOGGER: Sinks = Sinks;

/// All sinks; the setting chooses one.
pub struct Sinks;

impl Log for Sinks {
    fn enabled(&self, metadata: &Metadata) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record) {
        let outcome = match config::settings().log {
            settings::Log::None => return,
            settings::Log::Auto => automatic(record),
            settings::Log::Journal => journal::send(record),
            settings::Log::Syslog => syslog::send(record),
            settings::Log::Stderr => stderr::write(record),
            settings::Log::File => file::append(record),
        };
        account(record, &outcome);
        if matches!(outcome, Outcome::Absent) {
            warn_of_absence();
        }
    }

    fn flush(&self) {}
}

/// `NOPIPE_LOG=auto`: the first sink that is there.
fn automatic(record: &Record) -> Outcome {
    let terminal = match stderr::is_terminal() {
        true => stderr::write(record),
        false => Outcome::Absent,
    };
    terminal.or(|| next_best(record))
}

fn next_best(record: &Record) -> Outcome {
    journal::send(record)
        .or(|| syslog::send(record))
        .or(|| stderr::write(record))
}

/// Reports, once for a process and all that it forks, that the log that the settings name takes no line; by the first other sink that is there. It is tried
/// again with the next lost line if there is none. What this line itself comes to is counted nowhere.
#[cold]
#[inline(never)]
fn warn_of_absence() {
    let settings = config::settings();
    if settings.log == settings::Log::Auto
        || !settings.shows(Priority::Warning)
        || family().log_is_missed.swap(true, Relaxed)
    {
        return;
    }
    if !matches!(write_elsewhere(&Missing::found_out()), Outcome::Written) {
        family().log_is_missed.store(false, Relaxed);
    }
}

#[inline(never)]
fn write_elsewhere(missing: &Missing) -> Outcome {
    let source: &dyn Source = missing;
    next_best(
        &Record::builder()
            .level(Priority::Warning.level())
            .target("libnopipe: the log takes no lines")
            .key_values(&source)
            .build(),
    )
}

/// Which log takes no line, and why. The counts of suppressed and dropped lines are left for the log's own next line.
struct Missing {
    value: &'static str,
    error: Option<&'static str>,
    time: Line<32>,
}

impl Missing {
    #[inline(never)]
    fn found_out() -> Self {
        let settings = config::settings();
        let (value, error) = match settings.log {
            settings::Log::File => (settings.file.as_str(), file::open().err().and_then(name_of)),
            log => (log.word(), None),
        };
        let (seconds, nanoseconds) = sys::clock_realtime();
        let mut time = Line::new();
        push_rfc3339(time.writer(), seconds, nanoseconds);
        Missing { value, error, time }
    }
}

impl Source for Missing {
    #[inline(never)]
    fn visit<'kvs>(&'kvs self, to: &mut dyn VisitSource<'kvs>) -> Result<(), Error> {
        let mut pair = |key, value| to.visit_pair(Key::from_str(key), value);
        pair(PRIORITY, (Priority::Warning as u64).into())?;
        pair("setting", "NOPIPE_LOG".into())?;
        pair("value", self.value.into())?;
        if let Some(error) = self.error {
            pair("errno", error.into())?;
        }
        pair("pid", (sys::getpid() as u64).into())?;
        pair("tid", (sys::gettid() as u64).into())?;
        pair("program", config::program().into())?;
        pair("time", self.time.as_str().into())
    }
}

/// The name of an error with which a log file cannot be opened, open(2); EPERM is also what [`mod@file`] says of a file that
/// somebody else may have chosen.
fn name_of(error: c_int) -> Option<&'static str> {
    Some(match error {
        libc::ENOENT => "ENOENT",
        libc::EACCES => "EACCES",
        libc::EPERM => "EPERM",
        libc::ENOTDIR => "ENOTDIR",
        libc::EISDIR => "EISDIR",
        libc::ELOOP => "ELOOP",
        libc::EROFS => "EROFS",
        libc::ENOSPC => "ENOSPC",
        _ => return None,
    })
}

/// At start-up: lets the sinks note what they need to know about it.
pub fn start() {
    family::start();
    stderr::start();
}
