//! The man pages have the same source as `--help`. `NOPIPE_WRITE_MAN=1 cargo test -p nopipe-cli man` writes them.

use std::fs;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use crate::commands::{Cli, page};

#[test]
fn man_pages_are_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../man");
    for (name, text) in pages() {
        let path = folder.join(name);
        if std::env::var_os("NOPIPE_WRITE_MAN").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let is_same = fs::read(&path).is_ok_and(|there| there == text);
        assert!(is_same, "{} is stale: see the head of cli/src/man.rs", path.display());
    }
}

/// The name of each page's file, and its text.
fn pages() -> Vec<(String, Vec<u8>)> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let subcommands: Vec<_> = command
        .get_subcommands()
        .filter(|one| !one.is_hide_set())
        .cloned()
        .collect();
    let mut pages = vec![("nopipe.1".to_owned(), text(command, ""))];
    for one in subcommands {
        let name = one.get_name().to_owned();
        // clap keeps names for ever.
        let title: &str = Box::leak(format!("nopipe-{name}").into_boxed_str());
        pages.push((format!("{title}.1"), text(one.name(title).display_name(title), &name)));
    }
    pages
}

/// The page of `command`, which is the subcommand `name`. clap's own "EXTRA" is left out: [`crate::page`] has it.
fn text(command: Command, name: &str) -> Vec<u8> {
    let has_subcommands = command.has_subcommands();
    let man = Man::new(command).manual("nopipe");
    let mut page_text = Vec::new();
    man.render_title(&mut page_text).unwrap();
    man.render_name_section(&mut page_text).unwrap();
    man.render_synopsis_section(&mut page_text).unwrap();
    man.render_description_section(&mut page_text).unwrap();
    man.render_options_section(&mut page_text).unwrap();
    if has_subcommands {
        man.render_subcommands_section(&mut page_text).unwrap();
    }
    page_text.extend(page(name).roff().bytes());
    page_text
}
