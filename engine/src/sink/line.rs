//! A record as a line, and what became of it.

use crate::slot::Pool;
use crate::{config, page};
use core::cell::UnsafeCell;
use log::Record;
use nopipe_core::encode::encode;
use nopipe_core::line::Line;
use nopipe_core::settings;

/// The longest line, bytes. Fields that do not fit are left out.
const LINE: usize = 1024;

/// What became of a line.
pub enum Outcome {
    /// The sink took it whole.
    Written,
    /// This sink is not there; another sink may be.
    Absent,
    /// This sink is there, but did not take the line.
    Lost,
}

impl Outcome {
    /// This outcome, or the other sink's outcome if this sink is not there.
    pub fn or(self, other: impl FnOnce() -> Outcome) -> Outcome {
        match self {
            Outcome::Absent => other(),
            outcome => outcome,
        }
    }
}

/// The longest datagram, or path of a log.
const LONGEST: usize = 1536;
// The template, a process id and a NUL.
const _: () = assert!(settings::LONGEST + 32 <= LONGEST);

/// A line, a datagram or a path, under construction.
pub type Message = Line<LONGEST>;

/// What messages are built in: stacks may be small.
static MEMORY: Pool<Message, { page::LINES }> = Pool::new([const { UnsafeCell::new(Line::new()) }; page::PLACES]);

/// Passes an empty line of up to 1536 bytes to `use_it`, and returns what that returns; `None` if there is no memory for
/// one. The caller has blocked signals.
pub fn with_memory<T>(use_it: impl FnOnce(&mut Message) -> T) -> Option<T> {
    let mut line = MEMORY.claim()?;
    line.clear();
    Some(use_it(&mut line))
}

/// Passes the record to `use_line` as a line with a line feed, in the format that the settings choose; [`Outcome::Lost`]
/// if there is no memory for it.
#[inline(never)]
pub fn with_line(record: &Record, use_line: impl FnOnce(&[u8]) -> Outcome) -> Outcome {
    let use_memory = |line: &mut Message| {
        push(line, record);
        line.push('\n');
        use_line(line.as_bytes())
    };
    with_memory(use_memory).unwrap_or(Outcome::Lost)
}

/// Appends the record, in the format that the settings choose.
#[inline(always)]
pub fn push(line: &mut Message, record: &Record) {
    encode(
        config::settings().format,
        record.target(),
        record.key_values(),
        line.writer_up_to(LINE),
    );
}
