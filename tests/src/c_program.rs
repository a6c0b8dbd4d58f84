//! Builds the C programs of `c-tests/`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The path of the C program `name`; `make` runs once in this process.
///
/// # Panics
/// When they do not build.
pub fn c_program(name: &str) -> PathBuf {
    static BUILD: OnceLock<PathBuf> = OnceLock::new();
    BUILD
        .get_or_init(|| make(&crate::workspace().join("c-tests")))
        .join(name)
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
