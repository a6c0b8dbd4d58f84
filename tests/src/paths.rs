//! Where things lie.

use std::path::Path;
use tempfile::TempDir;

/// The root of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the test package lies in the workspace")
}

/// A new empty directory, removed when the guard goes; `name` is part of its name.
pub fn scratch_dir(name: &str) -> TempDir {
    tempfile::Builder::new()
        .prefix(&format!("nopipe-{name}-"))
        .tempdir()
        .expect("a temporary directory")
}
