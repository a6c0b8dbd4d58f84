//! `nopipe`, the launcher of `libnopipe.so`.
//!
//! One file for each subcommand, with its helpers in the folder of the same name:
//!
//! | subcommand | what it does |
//! | --- | --- |
//! | [`status`] | shows the counters of running servers, read from outside |
//! | [`dropin`] | writes the drop-in that puts a systemd unit under the library |
//!
//! To add one: a file with `Args` (clap) and `run`, and a line in [`Command`]. Exit statuses are in [`error`].
#![forbid(unsafe_code)]

mod commands;
mod error;
mod library;
#[cfg(test)]
mod man;
mod program;
mod render;
mod server;
mod systemd;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use commands::{dropin, status};
use error::{EXIT_STATUS, Failure};

/// The launcher of libnopipe.so, the library with which servers survive SIGPIPE and log the peer that vanished
#[derive(Parser)]
#[command(name = "nopipe", version, after_help = EXIT_STATUS, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Status(status::Args),
    Dropin(dropin::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Status(args) => status::run(&args),
        Command::Dropin(args) => dropin::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure);
            ExitCode::from(failure.kind as u8)
        }
    }
}

/// Says on standard error what is wrong.
fn complain(what: &impl std::fmt::Display) {
    // Nobody is left to be told if this fails.
    let _ = writeln!(io::stderr(), "nopipe: {what}");
}

/// Writes to standard output. A reader that has gone, as in `nopipe status --all | head`, has seen enough.
fn print(text: &str) -> error::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::while_doing("standard output")(error)),
        _ => Ok(()),
    }
}
