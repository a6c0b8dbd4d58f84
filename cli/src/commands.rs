//! The command line: one module for each subcommand.
//!
//! To add one: a file with `Args` (clap) and `run`, a line in `mod`, in [`Command`] and in [`Cli::run`]. A subcommand
//! does not import this module: one that needs the whole command line (completions) gets it as an argument of `run`.

mod dropin;
mod report;
mod status;

use clap::{Parser, Subcommand};

use crate::error::{EXIT_STATUS, Result};
use crate::server;

/// The launcher for libnopipe.so, a library that lets servers survive SIGPIPE and log the peer that vanished
#[derive(Parser)]
#[command(name = "nopipe", version, after_help = EXIT_STATUS, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Status(status::Args),
    Dropin(dropin::Args),
    Report(report::Args),
    /// What `status` starts, see [`server::serve`]
    #[command(hide = true)]
    ReadMemory,
}

impl Cli {
    /// Does what the command line asks for.
    pub fn run(&self) -> Result<()> {
        match &self.command {
            Command::Status(args) => status::run(args),
            Command::Dropin(args) => dropin::run(args),
            Command::Report(args) => report::run(args),
            Command::ReadMemory => server::serve(),
        }
    }
}
