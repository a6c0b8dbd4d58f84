//! Builds the C programs of `c-tests/`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::library::PREBUILT_TARGET_DIR;

/// The path of the C program `name`; `make` runs once in this process, unless they were built for another machine as well
/// ([`PREBUILT_TARGET_DIR`]).
///
/// # Panics
/// When they do not build.
pub fn c_program(name: &str) -> PathBuf {
    static BUILD: OnceLock<PathBuf> = OnceLock::new();
    BUILD
        .get_or_init(|| prebuilt().unwrap_or_else(|| make(&crate::paths::workspace().join("c-tests"))))
        .join(name)
}

/// The command `line`: a C program's name, and its arguments, one blank between two of them.
///
/// # Panics
/// When the C programs do not build.
pub fn command(line: &str) -> Command {
    let mut words = line.split(' ');
    let mut command = Command::new(c_program(words.next().unwrap_or_default()));
    command.args(words);
    command
}

fn prebuilt() -> Option<PathBuf> {
    let folder = Path::new(&std::env::var_os(PREBUILT_TARGET_DIR)?).join("c-tests");
    folder.is_dir().then_some(folder)
}

fn make(dir: &Path) -> PathBuf {
    let status = Command::new("make")
        .args(["--silent", "--jobs", "2", "-C"])
        .arg(dir)
        .env_remove("LD_PRELOAD")
        .status()
        .expect("make runs");
    assert!(status.success(), "the C programs do not build");
    dir.join("build")
}
