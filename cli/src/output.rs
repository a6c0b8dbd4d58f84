//! What is written to standard output and standard error.

use std::fmt::Display;
use std::io::{self, Write};

use crate::error::{Error, Result};

/// Writes one message to standard error, with this program's name in front.
pub fn complain(message: &impl Display) {
    // If this fails, there is nowhere left to say so.
    let _ = writeln!(io::stderr(), "nopipe: {message}");
}

/// Writes to standard output. A reader that has closed it, as in `nopipe status --all | head`, is no error.
pub fn print(text: &str) -> Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::while_doing("standard output")(error)),
        _ => Ok(()),
    }
}
