//! A record as a line, and what became of it.

use crate::config;
use log::Record;
use nopipe_core::encode::encode;
use nopipe_core::line::Line;

/// The longest line, bytes. Fields that do not fit are left out.
pub const LINE: usize = 1024;

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

/// Passes the record to `use_line` as a line with a line feed, in the format that the settings choose. The line lives
/// only in this frame: signal stacks are small.
#[inline(never)]
pub fn with_line<T>(record: &Record, use_line: impl FnOnce(&[u8]) -> T) -> T {
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
