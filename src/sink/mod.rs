//! Where lines go. A sink opens, sends without waiting, and closes: no descriptor is kept. What it does not take is
//! counted, and told with the next line that is taken.

mod file;
mod journal;
mod stderr;
mod syslog;

use crate::{config, stats, sys};
use log::{Log, Metadata, Record};
use nopipe_core::encode::encode;
use nopipe_core::line::Line;
use nopipe_core::settings;
use nopipe_core::stats::Counter;

/// The longest line, bytes. Fields that do not fit are left out.
const LINE: usize = 1024;

/// What became of a line.
enum Outcome {
    Written,
    /// This sink is not there: another may be.
    Absent,
    /// This sink is there, but does not take it.
    Lost,
}

impl Outcome {
    /// This, or if the sink is not there, what another gives.
    fn or(self, other: impl FnOnce() -> Outcome) -> Outcome {
        match self {
            Outcome::Absent => other(),
            outcome => outcome,
        }
    }
}

/// Counts what became of an event's line (a notice of the library's own is no event), and keeps what a lost line would
/// have told.
fn account(record: &Record, outcome: &Outcome) {
    let get = |key: &str| record.key_values().get(key.into());
    let is_event = get("cause").is_some();
    if matches!(outcome, Outcome::Written) {
        if is_event {
            stats::count(Counter::Lines);
        }
        return;
    }
    if is_event {
        stats::event_without_line(Counter::Dropped);
    }
    for (key, counter) in [("suppressed", Counter::Suppressed), ("dropped", Counter::Dropped)] {
        stats::still_untold(counter, get(key).and_then(|n| n.to_u64()).unwrap_or(0));
    }
}

/// The logger of the `log` crate.
pub static LOGGER: Sinks = Sinks;

/// All sinks, behind the setting that chooses one.
pub struct Sinks;

impl Log for Sinks {
    fn enabled(&self, metadata: &Metadata) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record) {
        let outcome = match config::settings().log {
            settings::Log::None => return,
            settings::Log::Auto if stderr::is_terminal() && stderr::is_there() => stderr::write(record),
            settings::Log::Auto => journal::send(record)
                .or(|| syslog::send(record))
                .or(|| stderr::write(record)),
            settings::Log::Journal => journal::send(record),
            settings::Log::Syslog => syslog::send(record),
            settings::Log::Stderr => stderr::write(record),
            settings::Log::File => file::append(record),
        };
        account(record, &outcome);
    }

    fn flush(&self) {}
}

/// At start-up: what a sink has to know of it.
pub fn start() {
    stderr::start();
}

/// Lets `use_line` have the record as a line with a line feed, in the format that the settings choose. The line lives
/// in this frame alone: signal stacks are small.
#[inline(never)]
fn with_line<T>(record: &Record, use_line: impl FnOnce(&[u8]) -> T) -> T {
    let mut line = Line::<LINE>::new();
    encode(
        config::settings().format,
        record.target(),
        record.key_values(),
        line.writer(),
    );
    line.push('\n');
    use_line(line.as_bytes())
}

/// Whether `fd` is still the file that it was.
fn is_still(fd: core::ffi::c_int, then: &sys::Stat) -> bool {
    sys::fstat(fd).is_ok_and(|now| now.dev == then.dev && now.ino == then.ino)
}
