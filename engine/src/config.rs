//! The settings, the program's name, and the journal's stream: read once at start-up, then only read.
//!
//! What the environment says is handed in: this crate asks no libc for it.
//!
//! unsafe: the cell is filled by start-up alone, before anybody else may look.
#![allow(unsafe_code, reason = "as the head says")]

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, Ordering::*};
use nopipe_core::line::Line;
use nopipe_core::settings::{Settings, reduced};

/// The variable in which systemd names the journal's stream, systemd.exec(5).
pub const JOURNAL_STREAM: &[u8] = b"JOURNAL_STREAM";

struct Config {
    settings: Settings,
    program: Line<64>,
    /// Device and inode of the socket that leads to the journal.
    journal_stream: Option<(u64, u64)>,
}

impl Config {
    /// Takes one variable; false if it is a setting that was not understood.
    #[inline(never)]
    fn take(&mut self, name: &[u8], value: &[u8]) -> bool {
        if name == JOURNAL_STREAM {
            self.journal_stream = device_and_inode(value);
            return true;
        }
        self.settings.set(name, value).is_ok()
    }
}

struct Cell(UnsafeCell<MaybeUninit<Config>>);

// SAFETY: written only by `read`, which start-up calls once; others look only after READY is set.
unsafe impl Sync for Cell {}

/// Empty at first: the defaults stand in the file once, in [`UNREAD`].
static CONFIG: Cell = Cell(UnsafeCell::new(MaybeUninit::uninit()));
static READY: AtomicBool = AtomicBool::new(false);
static UNREAD: Config = Config {
    settings: Settings::new(),
    program: Line::new(),
    journal_stream: None,
};

fn config() -> &'static Config {
    if READY.load(Acquire) {
        // SAFETY: `read` has filled it, and it is not written any more.
        unsafe { (*CONFIG.0.get()).assume_init_ref() }
    } else {
        &UNREAD
    }
}

/// The settings; the defaults until start-up has read them.
pub fn settings() -> &'static Settings {
    &config().settings
}

/// The program's short name as it was at start-up, reduced to `[A-Za-z0-9._-]`.
pub fn program() -> &'static str {
    config().program.as_str()
}

/// Device and inode of the socket that `$JOURNAL_STREAM` names as the journal's, systemd.exec(5).
pub fn journal_stream() -> Option<(u64, u64)> {
    config().journal_stream
}

/// Reads the program's name and its variables, those that begin with `NOPIPE_` and [`JOURNAL_STREAM`] at least; whether
/// a setting was not understood.
///
/// # Safety
/// Called once, by start-up, before any other function of this module may run in another thread.
pub unsafe fn read(program: &[u8], for_each_variable: impl FnOnce(&mut dyn FnMut(&[u8], &[u8]))) -> bool {
    // SAFETY: start-up is the only caller, and READY is not set yet: nobody else looks at the cell. UNREAD is as large, and
    // nothing in it is dropped.
    let config = unsafe {
        let cell = (*CONFIG.0.get()).as_mut_ptr();
        cell.copy_from_nonoverlapping(&raw const UNREAD, 1);
        &mut *cell
    };
    for &b in program {
        config.program.push(reduced(b) as char);
    }
    if config.program.is_empty() {
        config.program.push_str("unknown");
    }
    let mut problems = false;
    for_each_variable(&mut |name, value| problems |= !config.take(name, value));
    READY.store(true, Release);
    problems
}

/// `DEVICE:INODE`, both decimal.
fn device_and_inode(value: &[u8]) -> Option<(u64, u64)> {
    let mut numbers = value.split(|&b| b == b':').map(decimal);
    match (numbers.next()?, numbers.next()?, numbers.next()) {
        (Some(device), Some(inode), None) => Some((device, inode)),
        _ => None,
    }
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, &digit| {
        let digit = (digit as char).to_digit(10)?;
        number.checked_mul(10)?.checked_add(digit.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journals_stream() {
        assert_eq!(device_and_inode(b"8:123456"), Some((8, 123_456)));
        assert_eq!(
            device_and_inode(b"18446744073709551615:0"),
            Some((u64::MAX, 0)),
            "the largest"
        );
        for wrong in [
            "",
            ":",
            "8",
            "8:",
            ":1",
            "8:1:2",
            "8:x",
            "8: 1",
            "18446744073709551616:0",
        ] {
            assert_eq!(device_and_inode(wrong.as_bytes()), None, "{wrong}");
        }
    }

    /// All of it in one test: the cell is filled once in a process.
    #[test]
    fn what_start_up_hands_in_is_what_is_read() {
        assert_eq!(program(), "");
        // SAFETY: no other test of this crate reads the configuration before this one has filled it, or is harmed if it
        // sees the defaults.
        let problems = unsafe {
            read(b"a b/c", |take| {
                take(b"NOPIPE_LOG", b"none");
                take(b"JOURNAL_STREAM", b"8:42");
                take(b"NOPIPE_LEVLE", b"info");
            })
        };
        assert!(problems);
        assert_eq!(program(), "a_b_c");
        assert_eq!(settings().log, nopipe_core::settings::Log::None);
        assert_eq!(journal_stream(), Some((8, 42)));
    }
}
