//! What can go wrong, and the exit status for it.

use std::fmt::{self, Display};
use std::io;
use std::path::Path;

/// The exit statuses, the same for every subcommand. clap itself exits with 2 when the command line is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Exit {
    Other = 1,
    NotFound = 3,
    NotPermitted = 4,
    NotLoaded = 5,
    OtherVersion = 6,
    NoSystemd = 7,
    Refused = 8,
    Unanswered = 9,
}

impl Exit {
    /// All of them.
    pub const ALL: [Exit; 8] = [
        Exit::Other,
        Exit::NotFound,
        Exit::NotPermitted,
        Exit::NotLoaded,
        Exit::OtherVersion,
        Exit::NoSystemd,
        Exit::Refused,
        Exit::Unanswered,
    ];

    /// The one with this number; [`Exit::Other`] if there is none.
    pub fn from_status(status: u64) -> Exit {
        let mut all = Self::ALL.into_iter();
        all.find(|&exit| exit as u64 == status).unwrap_or(Exit::Other)
    }
}

/// The table for `--help` and the man pages.
pub const EXIT_STATUS: &str = "\
Exit status:
  0  success
  1  any other error: see standard error
  2  the command line is wrong
  3  no such process, unit or file
  4  permission denied
  5  the library is not loaded in that process
  6  the library in that process has another version of the counters
  7  systemd is not running, or does not answer
  8  refused: the unit would be worse off, or would not start
  9  the process's memory could not be read in time";

/// Why a subcommand failed: a message for standard error, and the exit status.
#[derive(Debug)]
pub struct Error {
    pub exit: Exit,
    message: String,
}

impl Error {
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Error {
            exit,
            message: message.into(),
        }
    }

    /// For `map_err`: any error, prefixed with what was being done.
    pub fn while_doing<E: Display>(what: impl Display) -> impl FnOnce(E) -> Self {
        move |error| Error::new(Exit::Other, format!("{what}: {error}"))
    }

    /// For `map_err`: an error in reading, writing or removing the file at `path`.
    pub fn of_file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| {
            let exit = match error.kind() {
                io::ErrorKind::PermissionDenied => Exit::NotPermitted,
                _ => Exit::Other,
            };
            Error::new(exit, format!("{}: {error}", path.display()))
        }
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

pub type Result<T> = std::result::Result<T, Error>;
