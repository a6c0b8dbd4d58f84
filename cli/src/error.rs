//! What can go wrong, and the exit status that says so.

use std::fmt::Display;

/// The exit statuses, the same for every subcommand; clap itself ends with 2 when the command line is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    Other = 1,
    NotFound = 3,
    NotPermitted = 4,
    NotLoaded = 5,
    OtherVersion = 6,
    NoSystemd = 7,
    Refused = 8,
}

/// The table for `--help` and the man pages.
pub const EXIT_STATUS: &str = "\
Exit status:
  0  success
  1  something else went wrong, and standard error says what
  2  the command line is wrong
  3  there is no such process or unit
  4  permission denied
  5  the library is not loaded in that process
  6  the library there has another version of the counters
  7  systemd does not run here, or does not answer
  8  refused: the unit would be worse off, or not start";

/// Why a subcommand did not do what it was asked for.
#[derive(Debug)]
pub struct Failure {
    pub kind: Kind,
    message: String,
}

impl Failure {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Failure {
            kind,
            message: message.into(),
        }
    }

    /// For `map_err`: any error, with what was being done.
    pub fn while_doing<E: Display>(what: impl Display) -> impl FnOnce(E) -> Self {
        move |error| Failure::new(Kind::Other, format!("{what}: {error}"))
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

pub type Result<T> = std::result::Result<T, Failure>;
