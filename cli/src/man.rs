//! The man pages have the same source as `--help`. `NOPIPE_WRITE_MAN=1 cargo test -p nopipe-cli man` writes them.

use std::fs;
use std::path::Path;

use clap::CommandFactory;

use crate::commands::Cli;

#[test]
fn man_pages_are_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../man");
    let fresh = tempfile::tempdir().unwrap();
    clap_mangen::generate_to(Cli::command(), fresh.path()).unwrap();
    for page in fs::read_dir(fresh.path()).unwrap() {
        let page = page.unwrap();
        let path = folder.join(page.file_name());
        if std::env::var_os("NOPIPE_WRITE_MAN").is_some() {
            fs::copy(page.path(), &path).unwrap();
        }
        let same = fs::read(&path).ok() == fs::read(page.path()).ok();
        assert!(same, "{} is stale: see the head of cli/src/man.rs", path.display());
    }
}
