//! `nopipe`, the launcher of `libnopipe.so`.
//!
//! | module | what is in it |
//! | --- | --- |
//! | [`commands`] | the command line; one file for each subcommand: its `Args` and a short `run` |
//! | [`systemd`] | a unit, what hinders the library there, the drop-in, its verification and installation |
//! | [`report`] | what logs say, counted, and shown as text, page, JSON, CSV |
//! | [`log`] | logs, read: ours in all forms, those of other servers |
//! | [`progress`] | how far the reading of a large log is |
//! | [`render`] | counters as text, as JSON and for Prometheus |
//! | [`server`] | a running process seen from outside: whether it maps the library, its counters |
//! | [`library`] | finds `libnopipe.so` and judges the file |
//! | [`program`] | what a command really runs, and whether that loads a preloaded library at all |
//! | [`setting`] | settings of the library on the command line |
//! | [`output`] | standard output and standard error; names made visible |
//! | [`page`] | what a manual page and `--help` have at their end |
//! | [`error`] | errors and exit statuses |
//!
//! A module imports only from those below it in this table.
//!
//! To add a subcommand: `commands/NAME.rs` and its lines in `commands.rs`. What it finds out about a process goes to
//! `server/`, about a unit to `systemd/`, about a program or the library to `program.rs` and `library.rs`, from a log to
//! `log/`. Then `cli/src/man.rs` writes the man pages.
#![forbid(unsafe_code)]

mod commands;
mod error;
mod library;
mod log;
#[cfg(test)]
mod man;
mod output;
mod page;
mod program;
mod progress;
mod render;
mod report;
mod server;
mod setting;
mod systemd;

use std::env;
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = match commands::Cli::try_parse() {
        Ok(cli) => cli,
        // `check` has verdicts for small numbers: a wrong command line is EX_USAGE there, sysexits.h.
        Err(error) if error.use_stderr() && env::args_os().nth(1).is_some_and(|name| name == "check") => {
            let _ = error.print();
            return ExitCode::from(64);
        }
        Err(error) => error.exit(),
    };
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !error.is_silent() {
                output::complain(&error);
            }
            ExitCode::from(error.exit.status())
        }
    }
}
