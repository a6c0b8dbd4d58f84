//! What can go wrong, and the exit status for it.

use std::fmt::{self, Display};
use std::io;
use std::path::Path;

/// The exit statuses, the same for every subcommand. clap itself exits with 2 as well when the command line is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    Other,
    Usage,
    NotFound,
    NotPermitted,
    NotLoaded,
    OtherVersion,
    NoSystemd,
    Refused,
    Unanswered,
    WouldChange,
    /// The verdicts of `nopipe check`.
    Degraded,
    NotProtected,
}

impl Exit {
    /// All that a process which reads another one's memory may end with.
    pub const ALL: [Exit; 9] = [
        Exit::Other,
        Exit::Usage,
        Exit::NotFound,
        Exit::NotPermitted,
        Exit::NotLoaded,
        Exit::OtherVersion,
        Exit::NoSystemd,
        Exit::Refused,
        Exit::Unanswered,
    ];

    /// The number.
    pub const fn status(self) -> u8 {
        match self {
            Exit::Other | Exit::Degraded => 1,
            Exit::Usage | Exit::NotProtected => 2,
            Exit::NotFound => 3,
            Exit::NotPermitted => 4,
            Exit::NotLoaded => 5,
            Exit::OtherVersion => 6,
            Exit::NoSystemd => 7,
            Exit::Refused => 8,
            Exit::Unanswered | Exit::WouldChange => 9,
        }
    }

    /// The one with this number; [`Exit::Other`] if there is none.
    pub fn from_status(status: u64) -> Exit {
        let mut all = Self::ALL.into_iter();
        all.find(|&exit| u64::from(exit.status()) == status)
            .unwrap_or(Exit::Other)
    }
}

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

    /// An exit status with nothing to say: standard output has said it.
    pub fn silent(exit: Exit) -> Self {
        Error::new(exit, "")
    }

    /// Whether there is anything to say.
    pub fn is_silent(&self) -> bool {
        self.message.is_empty()
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
