//! The command line: one module for each subcommand.
//!
//! To add one: a file with `Args` (clap) and `run`, a line in `mod`, in [`Command`] and in [`Cli::run`]. A subcommand
//! does not import this module: one that needs the whole command line (completions) gets it as an argument of `run`.

mod check;
mod completions;
mod dropin;
mod report;
mod status;

use clap::{CommandFactory, Parser, Subcommand};

use crate::error::Result;
use crate::page::Page;
use crate::server;

/// See [`Page`].
const PAGE: Page = Page {
    examples: &[
        ("nopipe check game.service", "is it protected?"),
        ("nopipe dropin game.service --install", "protects it"),
        ("nopipe status --all", "who vanished"),
        (
            "nopipe report --since yesterday -u game.service",
            "who vanished, when and why",
        ),
        ("nopipe help dropin", "all about one subcommand"),
    ],
    exit: &[
        (0, "success"),
        (1, "any other error: see standard error"),
        (
            2,
            "the command line is wrong (check has statuses of its own: nopipe-check(1))",
        ),
        (3, "no such process, program, unit or file"),
        (4, "permission denied"),
        (5, "the library is not loaded in that process"),
        (6, "the library in that process has another version of the counters"),
        (7, "systemd is not running, or does not answer"),
        (8, "refused"),
        (
            9,
            "the process's memory could not be read in time; dropin --check: something would change",
        ),
    ],
    files: &[(
        "libnopipe.so",
        "the library: in a system library folder, or next to nopipe",
    )],
    see_also: "nopipe-check(1), nopipe-completions(1), nopipe-dropin(1), nopipe-report(1), nopipe-status(1), libnopipe(7)",
};

/// The page of a subcommand by its name; that of `nopipe` itself for every other name.
#[cfg(test)]
pub fn page(subcommand: &str) -> &'static Page {
    match subcommand {
        "check" => &check::PAGE,
        "completions" => &completions::PAGE,
        "dropin" => &dropin::PAGE,
        "report" => &report::PAGE,
        "status" => &status::PAGE,
        _ => &PAGE,
    }
}

/// The launcher for libnopipe.so, a library that lets servers survive SIGPIPE and log the peer that vanished
#[derive(Parser)]
#[command(name = "nopipe", version, propagate_version = true, after_help = PAGE.help())]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Status(status::Args),
    Check(check::Args),
    Dropin(dropin::Args),
    Report(report::Args),
    Completions(completions::Args),
    /// What `status` starts, see [`server::serve`]
    #[command(hide = true)]
    ReadMemory,
}

impl Cli {
    /// Does what the command line asks for.
    pub fn run(&self) -> Result<()> {
        match &self.command {
            Command::Status(args) => status::run(args),
            Command::Check(args) => check::run(args),
            Command::Dropin(args) => dropin::run(args),
            Command::Report(args) => report::run(args),
            Command::Completions(args) => completions::run(args, Cli::command()),
            Command::ReadMemory => server::serve(),
        }
    }
}
