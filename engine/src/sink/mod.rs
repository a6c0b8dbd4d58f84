//! Where lines go. A sink opens, sends without waiting, and closes: no descriptor is kept. A line that it does not take
//! is counted, and the next line that it takes shows the count.

mod file;
mod journal;
mod line;
mod stderr;
mod syslog;

use crate::{config, page};
use line::Outcome;
use log::{Log, Metadata, Record};
use nopipe_core::settings;
use nopipe_core::stats::Counter;

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

/// At start-up: lets the sinks note what they need to know about it.
pub fn start() {
    stderr::start();
}
