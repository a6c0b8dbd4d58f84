//! `nopipe completions`: what a shell needs to complete a command line.

use std::io::{self, ErrorKind};

use clap_complete::Shell;

use crate::error::{Error, Result};
use crate::page::Page;

/// See [`Page`].
pub const PAGE: Page = Page {
    examples: &[
        ("nopipe completions bash > /etc/bash_completion.d/nopipe", "for bash"),
        (
            "nopipe completions fish > ~/.config/fish/completions/nopipe.fish",
            "for fish",
        ),
        (
            "nopipe completions zsh > /usr/local/share/zsh/site-functions/_nopipe",
            "for zsh",
        ),
    ],
    exit: &[(0, "success"), (2, "the command line is wrong")],
    files: &[],
    see_also: "nopipe(1)",
};

/// Write the completions for a shell to standard output
#[derive(clap::Args)]
#[command(after_help = PAGE.help())]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// `command`: the whole command line.
pub fn run(args: &Args, mut command: clap::Command) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "nopipe", &mut script);
    match io::Write::write_all(&mut io::stdout(), &script) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error::while_doing("standard output")(error)),
        _ => Ok(()),
    }
}
